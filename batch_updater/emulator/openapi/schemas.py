"""The bodies and answers of the emulator as OpenAPI 3.0 schemas; values, no code."""

from collections.abc import Mapping

Schema = Mapping[str, object]


def text(least: int = 0, most: int | None = None, pattern: str = "") -> Schema:
    """Return a string's schema; the pattern holds for the whole of it."""
    bounds: dict[str, object] = {"type": "string"}
    if least:
        bounds["minLength"] = least
    if most is not None:
        bounds["maxLength"] = most
    return bounds | ({"pattern": f"^{pattern}$"} if pattern else {})


def record(required: str, **properties: Schema) -> Schema:
    """Return an object's schema; `required` lists names, apart by spaces."""
    named = required.split()
    made: dict[str, object] = {"type": "object", "properties": properties}
    return made | ({"required": named} if named else {})


def ref(name: str) -> Schema:
    """Return a reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def rows(name: str) -> Schema:
    """Return the schema of a list of one of SCHEMAS."""
    return {"type": "array", "items": ref(name)}


def optional(schema: Schema) -> Schema:
    """Return a schema that takes null as well, which counts as left out."""
    return {"allOf": [schema], "nullable": True}


def given(name: str, kind: str) -> Schema:
    """Return that a property is there, and is not null."""
    return {"required": [name], "properties": {name: {"type": kind}}}


INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
FILE: Schema = {"type": "string", "format": "binary"}
IMAGE_ID = text(1, 36, "[A-Za-z0-9_-]{1,36}")
SET_NAME = text(1, 64, "[A-Za-z0-9_-]{1,64}")
CODE = text(pattern=r"(FRS|APIGW|IAM)\.[0-9]{4}")
TYPES: Schema = {
    "type": "string",
    "enum": ["string", "integer", "float", "double", "boolean", "long"],
}
# The pages' own example writes the number as a string.
CAPACITY: Schema = {
    "anyOf": [
        {
            "type": "integer",
            "multipleOf": 10_000,
            "minimum": 10_000,
            "maximum": 100_000,
        },
        text(5, 6, "0*([1-9]|10)0000"),
    ]
}
VALUE: Schema = {"anyOf": [text(1, 256), NUMBER, BOOLEAN]}
IDENTITY = {"face_set_id": text(), "face_set_name": text()}
FACE = {
    "face_id": text(),
    "external_image_id": text(),
    "bounding_box": ref("BoundingBox"),
    "external_fields": {"type": "object"},
}
FACE_REQUIRED = "face_id external_image_id bounding_box external_fields"
PICTURE = {"image_base64": optional(text(1)), "image_url": optional(text(1))}
ADDING = {
    "external_image_id": optional(IMAGE_ID),
    "external_fields": optional(ref("ExternalFields")),
    "single": optional(BOOLEAN),
}
DIRECTIONS: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "string", "enum": ["asc", "desc"]},
}
SEARCHING: Mapping[str, Schema] = {
    "top_n": optional({"type": "integer", "minimum": 1, "maximum": 1000}),
    "threshold": optional({"type": "number", "minimum": 0, "maximum": 1}),
    "sort": optional({"type": "array", "items": DIRECTIONS}),
    "filter": optional(text()),
    "return_fields": optional({"type": "array", "items": text()}),
}


SCHEMAS: Mapping[str, Schema] = {
    "Error": record(
        "error_code error_msg",
        error_code=CODE,
        error_msg=text(1),
        request_id=text(pattern="[0-9a-f]{32}"),
    ),
    "IamError": {
        "anyOf": [
            ref("Error"),
            record(
                "error",
                error=record(
                    "code message title", code=INTEGER, message=text(), title=text()
                ),
            ),
        ]
    },
    "BoundingBox": record(
        "width top_left_x top_left_y height",
        width=INTEGER,
        top_left_x=INTEGER,
        top_left_y=INTEGER,
        height=INTEGER,
    ),
    "Face": record(FACE_REQUIRED, **FACE),
    "FaceSetInfo": record(
        "",
        face_number=COUNT,
        face_set_id=text(),
        face_set_name=text(),
        create_date=text(),
        face_set_capacity=COUNT,
        external_fields=ref("FieldTypes"),
    ),
    "FieldTypes": {
        "type": "object",
        "maxProperties": 10,
        "additionalProperties": record("type", type=TYPES),
    },
    "ExternalFields": {
        "type": "object",
        "maxProperties": 10,
        "additionalProperties": VALUE,
    },
    "CreateFaceSetReq": record(
        "face_set_name",
        face_set_name=SET_NAME,
        face_set_capacity=optional(CAPACITY),
        external_fields=optional(ref("FieldTypes")),
    ),
    "UpdateFaceReq": {
        **record(
            "face_id",
            face_id=text(1),
            external_image_id=optional(IMAGE_ID),
            external_fields=optional(ref("ExternalFields")),
        ),
        "anyOf": [
            given("external_image_id", "string"),
            given("external_fields", "object"),
        ],
    },
    "AddFacesReq": {
        **record("", **PICTURE, **ADDING),
        "oneOf": [given("image_base64", "string"), given("image_url", "string")],
    },
    "AddFacesForm": record("image_file", image_file=FILE, **ADDING),
    "SearchFaceReq": {
        **record("", **PICTURE, face_id=optional(text(1)), **SEARCHING),
        "oneOf": [
            given(name, "string") for name in ("image_base64", "image_url", "face_id")
        ],
    },
    "SearchFaceForm": record("image_file", image_file=FILE, **SEARCHING),
    "DeleteFacesBatchReq": record("filter", filter=text(1)),
    "FaceSet": record("face_set_info", face_set_info=ref("FaceSetInfo")),
    "FaceSets": record("face_sets_info", face_sets_info=rows("FaceSetInfo")),
    "Deleted": record("face_set_name", face_set_name=text()),
    "Faces": record("face_set_id face_set_name faces", **IDENTITY, faces=rows("Face")),
    "Found": record(
        "faces",
        faces={
            "type": "array",
            "items": record(f"{FACE_REQUIRED} similarity", **FACE, similarity=NUMBER),
        },
    ),
    "Changed": record(
        "face_number face_set_id face_set_name", **IDENTITY, face_number=COUNT
    ),
    "TokenReq": record(
        "auth",
        auth=record(
            "identity scope",
            identity=record(
                "methods password",
                methods={
                    "type": "array",
                    "items": {"type": "string", "enum": ["password"]},
                    "minItems": 1,
                },
                password=record(
                    "user",
                    user=record(
                        "domain name password",
                        domain=record("name", name=text(1)),
                        name=text(1),
                        password=text(1),
                    ),
                ),
            ),
            scope=record("project", project=record("name", name=text(1), id=text(1))),
        ),
    ),
    "Token": record(
        "token",
        token=record(
            "expires_at issued_at methods project roles user",
            expires_at=text(),
            issued_at=text(),
            methods={"type": "array", "items": text()},
            project=record("id name domain", id=text(), name=text()),
            roles={"type": "array", "items": {"type": "object"}},
            user=record("id name domain", id=text(), name=text()),
        ),
    ),
    "Projects": record("projects", projects=rows("Project")),
    "Project": record("id name", id=text(), name=text()),
    "SecurityKey": record(
        "credential",
        credential=record(
            "access secret securitytoken expires_at",
            access=text(),
            secret=text(),
            securitytoken=text(),
            expires_at=text(),
        ),
    ),
}
