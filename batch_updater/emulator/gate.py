"""What the gateway decides from the first line and the headers alone; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.states import V2

UNKNOWN = "Unknown"
BAD_TOKEN = "Incorrect IAM authentication information: "  # noqa: S105 - a message

VERSIONS = ("v1", V2)

# Method and path after the project (frs-api.md section 2). Which of its kinds an
# AddFaces or a SearchFace is stands in the body, which is read later.
OPERATIONS: Mapping[tuple[str, str], str] = {
    ("POST", "face-sets"): "CreateFaceSet",
    ("GET", "face-sets"): "ShowAllFaceSets",
    ("GET", "face-sets/*"): "ShowFaceSet",
    ("DELETE", "face-sets/*"): "DeleteFaceSet",
    ("POST", "face-sets/*/faces"): "AddFaces",
    ("GET", "face-sets/*/faces"): "ShowFacesByLimit",
    ("PUT", "face-sets/*/faces"): "UpdateFace",
    ("DELETE", "face-sets/*/faces"): "DeleteFaceByField",
    ("DELETE", "face-sets/*/faces/batch"): "BatchDeleteFaces",
    ("POST", "face-sets/*/search"): "SearchFace",
}
# The operations that a name in the query tells from the one of their route.
BY_QUERY: Mapping[str, Mapping[str, str]] = {
    "ShowFacesByLimit": {"face_id": "ShowFacesByFaceId"},
    "DeleteFaceByField": {
        "face_id": "DeleteFaceByFaceId",
        "external_image_id": "DeleteFaceByExternalImageId",
    },
}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request wants to go; the parts are percent-decoded."""

    operation: str
    project_id: str = ""
    face_set_name: str = ""
    version: str = V2


@dataclass(slots=True)
class Credentials:
    """The one token that is let in, the project it belongs to, and older tokens."""

    token: str
    project_id: str
    expired: bool = False
    past: frozenset[str] = frozenset()

    def issue(self, token: str) -> None:
        """Let this token in from now on; the one before has expired."""
        self.past = (self.past | {self.token}) - {token}
        self.token, self.expired = token, False


def route(method: str, raw_path: str, query: Mapping[str, str]) -> Route:
    """Return where a request wants to go; operation UNKNOWN when nowhere."""
    parts = raw_path.split("/")
    if len(parts) < 4:
        return Route(UNKNOWN)
    first, version, project_id, *path = parts
    # No part may be empty: `face-sets/` is not `face-sets`.
    if first or version not in VERSIONS or not all(path):
        return Route(UNKNOWN)
    named = path[1:2]
    path[1:2] = "*" * len(named)
    operation = OPERATIONS.get((method, "/".join(path)), UNKNOWN)
    for key, precise in BY_QUERY.get(operation, {}).items():
        if key in query:
            operation = precise
            break
    return Route(operation, unquote(project_id), unquote("".join(named)), version)


def check_route(route: Route) -> None:
    """Refuse a path or method that FRS, or this emulator, does not have."""
    if route.operation == UNKNOWN:
        raise Refusal("APIGW.0101")


def check_token(credentials: Credentials, given: str | None) -> None:
    """Refuse a token that is missing, not ours or expired (frs-api.md 3.2)."""
    if not given:
        raise Refusal("APIGW.0301", f"{BAD_TOKEN}x-auth-token not found")
    if given in credentials.past or (
        given == credentials.token and credentials.expired
    ):
        raise Refusal("APIGW.0307")
    if given != credentials.token:
        raise Refusal("APIGW.0301", f"{BAD_TOKEN}decrypt token fail")


def check_project(credentials: Credentials, project_id: str) -> None:
    """Refuse a project that is not the token's (FRS.0028)."""
    if project_id != credentials.project_id:
        raise Refusal("FRS.0028")
