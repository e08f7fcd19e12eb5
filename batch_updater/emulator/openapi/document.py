"""An OpenAPI 3.0 document of what the emulator serves; pure.

Faults of a script may answer with anything else, and are not described.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping

from batch_updater.emulator.answers import CODES
from batch_updater.emulator.gateway.gate import VERSIONS
from batch_updater.emulator.iam.service import TRACE_ID, TTL
from batch_updater.emulator.openapi.calls import (
    FRS,
    FRS_CALLS,
    IAM,
    IDENTITY_CALLS,
    JSON,
    METADATA,
    PLAIN,
    Described,
)
from batch_updater.emulator.openapi.schemas import SCHEMAS, Schema, ref, text
from batch_updater.emulator.wire import REQUEST_ID

Json = dict[str, object]

# Calls that need a token or a signature; the others carry their own proof.
GUARDED = ("ListProjects", *(call.name for call in FRS_CALLS))
HEADERS: Json = {
    "Trace": {"required": True, "schema": text(pattern="[0-9a-f]{32}")},
    "Token": {"required": True, "schema": text(1)},
}
SCHEMES: Json = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "SDK-HMAC-SHA256, with X-Sdk-Date",
    },
}
OWN_PARAMETERS: Mapping[str, Json] = {
    "CreateMetadataToken": {
        "name": TTL,
        "in": "header",
        "required": True,
        "schema": {"type": "integer", "minimum": 1, "maximum": 21_600},
    },
    "ShowSecurityKey": {
        "name": "X-Metadata-Token",
        "in": "header",
        "schema": text(1),
    },
}


def document(project_ids: Collection[str]) -> Json:
    """Return the document of an emulator with these projects."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "FRS emulator", "version": "v2"},
        "servers": [{"url": "/"}],
        "paths": _paths(sorted(project_ids)),
        "components": {
            "schemas": SCHEMAS,
            "headers": HEADERS,
            "securitySchemes": SCHEMES,
        },
    }


def _paths(project_ids: list[str]) -> Json:
    paths: dict[str, Json] = defaultdict(dict)
    for version in VERSIONS:
        for call in FRS_CALLS:
            place = f"/{version}/{{project_id}}{call.path}"
            paths[place][call.method] = _operation(call, project_ids, version)
    for call in IDENTITY_CALLS:
        paths[call.path][call.method] = _operation(call, project_ids)
    return dict(paths)


def _operation(call: Described, project_ids: list[str], version: str = "") -> Json:
    described: Json = {
        "operationId": f"{call.name}{version.title()}",
        "tags": [call.of],
        "parameters": _parameters(call, project_ids),
        "responses": _responses(call),
        "security": [{name: []} for name in SCHEMES if call.name in GUARDED],
    }
    if call.bodies:
        content = {kind: {"schema": ref(name)} for kind, name in call.bodies.items()}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameters(call: Described, project_ids: list[str]) -> list[Json]:
    found = [_parameter("query", name, each) for name, each in call.queries.items()]
    if call.of == FRS:
        known = {"type": "string", "enum": project_ids}
        found.append(_parameter("path", "project_id", known))
        if "{face_set_name}" in call.path:
            found.append(_parameter("path", "face_set_name", text(1)))
        found.append(_parameter("header", "Enterprise-Project-Id", text()))
    if call.name in OWN_PARAMETERS:
        found.append(OWN_PARAMETERS[call.name])
    return found


def _parameter(place: str, name: str, schema: Schema) -> Json:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _responses(call: Described) -> Json:
    codes: dict[str, list[str]] = defaultdict(list)
    for code in call.codes:
        status = str(CODES[code][0]) if code in CODES else code
        codes[status].append(code)
    found: Json = {str(call.status): _answer(call, "Success", call.answer)}
    for status, named in sorted(codes.items()):
        found[status] = _answer(call, ", ".join(named), _error(call))
    return found


def _error(call: Described) -> str:
    return {FRS: "Error", IAM: "IamError", METADATA: ""}[call.of]


def _answer(call: Described, description: str, schema: str) -> Json:
    headers: Json = {REQUEST_ID: _header("Trace")}
    if call.of == IAM:
        headers[TRACE_ID] = _header("Trace")
    if call.name == "CreateToken" and schema == call.answer:
        headers["X-Subject-Token"] = _header("Token")
    content = {JSON: {"schema": ref(schema)}} if schema else {PLAIN: {"schema": text()}}
    return {"description": description, "headers": headers, "content": content}


def _header(name: str) -> Json:
    return {"$ref": f"#/components/headers/{name}"}
