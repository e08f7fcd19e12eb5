"""Every call the emulator serves, as an OpenAPI document needs it; values, no code."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from batch_updater.emulator.openapi.schemas import Schema, text

FRS, IAM, METADATA = "FRS", "IAM", "metadata"
JSON = "application/json"
FORM = "multipart/form-data"
PLAIN = "text/plain"

# What any signed or authorized call may be answered with, whatever it asks for.
ENTRANCE = (
    *("APIGW.0101", "APIGW.0301", "APIGW.0307", "APIGW.0308"),
    *("FRS.0002", "FRS.0028", "FRS.0033"),
)
BODY = ("FRS.0010", "FRS.0011", "FRS.0012", "FRS.0014", "FRS.0017")
VALUES = ("FRS.0302", "FRS.0402")
IMAGE = ("FRS.0013", "FRS.0015", "FRS.0016", "FRS.0021")
ONE_FACE = ("FRS.0303", "FRS.0403")
GONE = ("FRS.0302", "FRS.0401", "FRS.0407")
TOO_LARGE = "413"  # a signed body beyond the gateway's limit: APIGW.0201

SETS = "/face-sets"
SET = "/face-sets/{face_set_name}"
FACES = "/face-sets/{face_set_name}/faces"

COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 10_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """
    One call: where it is, what it takes, and what it answers.

    `answer` and the values of `bodies` name schemas, an empty one is plain text;
    `bodies` and `queries` go by content type and by parameter; `codes` are error
    codes of the answer table, or bare HTTP statuses.
    """

    name: str
    method: str
    path: str
    answer: str
    codes: tuple[str, ...]
    bodies: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, Schema] = field(default_factory=dict)
    of: str = FRS
    status: int = 200


FRS_CALLS = (
    Described(
        name="CreateFaceSet",
        method="post",
        path=SETS,
        answer="FaceSet",
        codes=(*ENTRANCE, *BODY, TOO_LARGE, "FRS.0301", "FRS.0305"),
        bodies={JSON: "CreateFaceSetReq"},
    ),
    Described(
        name="ShowAllFaceSets",
        method="get",
        path=SETS,
        answer="FaceSets",
        codes=(*ENTRANCE, "FRS.0017", TOO_LARGE),
    ),
    Described(
        name="ShowFaceSet",
        method="get",
        path=SET,
        answer="FaceSet",
        codes=(*ENTRANCE, "FRS.0017", TOO_LARGE, "FRS.0302"),
    ),
    Described(
        name="DeleteFaceSet",
        method="delete",
        path=SET,
        answer="Deleted",
        codes=(*ENTRANCE, "FRS.0017", TOO_LARGE, "FRS.0302"),
    ),
    Described(
        name="AddFaces",
        method="post",
        path=FACES,
        answer="Faces",
        codes=(*ENTRANCE, *BODY, TOO_LARGE, *IMAGE, *VALUES, "FRS.0306", "FRS.0404"),
        bodies={JSON: "AddFacesReq", FORM: "AddFacesForm"},
    ),
    Described(
        name="ShowFaces",
        method="get",
        path=FACES,
        answer="Faces",
        codes=(*ENTRANCE, "FRS.0012", "FRS.0017", TOO_LARGE, "FRS.0302", *ONE_FACE),
        queries={"offset": COUNT, "limit": COUNT, "face_id": text()},
    ),
    Described(
        name="UpdateFace",
        method="put",
        path=FACES,
        answer="Changed",
        codes=(*ENTRANCE, *BODY, TOO_LARGE, *VALUES, *ONE_FACE),
        bodies={JSON: "UpdateFaceReq"},
    ),
    Described(
        name="DeleteFace",
        method="delete",
        path=FACES,
        answer="Changed",
        codes=(
            *(*ENTRANCE, "FRS.0011", "FRS.0012", "FRS.0017", TOO_LARGE),
            *(*GONE, "FRS.0402"),
        ),
        queries={"face_id": text(1), "external_image_id": text(1)},
    ),
    Described(
        name="BatchDeleteFaces",
        method="delete",
        path=f"{FACES}/batch",
        answer="Changed",
        codes=(*ENTRANCE, *BODY, TOO_LARGE, *GONE, "FRS.0402"),
        bodies={JSON: "DeleteFacesBatchReq"},
    ),
    Described(
        name="SearchFace",
        method="post",
        path=f"{SET}/search",
        answer="Found",
        codes=(
            *(*ENTRANCE, *BODY, TOO_LARGE, *IMAGE, *VALUES),
            *("FRS.0032", "FRS.0304", "FRS.0403"),
        ),
        bodies={JSON: "SearchFaceReq", FORM: "SearchFaceForm"},
    ),
)

IDENTITY_CALLS = (
    Described(
        name="CreateToken",
        method="post",
        path="/v3/auth/tokens",
        answer="Token",
        codes=("400", "IAM.0004", "IAM.0012", "IAM.0061", "IAM.0062"),
        bodies={JSON: "TokenReq"},
        queries={"nocatalog": text()},
        of=IAM,
        status=201,
    ),
    Described(
        name="ListProjects",
        method="get",
        path="/v3/projects",
        answer="Projects",
        codes=(
            *("IAM.0001", "IAM.0012", "IAM.0066", "IAM.0067"),
            *("APIGW.0301", TOO_LARGE),
        ),
        queries={"name": text()},
        of=IAM,
    ),
    Described(
        name="CreateMetadataToken",
        method="put",
        path="/meta-data/latest/api/token",
        answer="",
        codes=("400", "404", "405"),
        of=METADATA,
    ),
    Described(
        name="ShowSecurityKey",
        method="get",
        path="/openstack/latest/securitykey",
        answer="SecurityKey",
        codes=("401",),
        of=METADATA,
    ),
)
