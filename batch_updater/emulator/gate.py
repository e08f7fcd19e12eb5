"""What the gateway decides from the first line and the headers alone; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from batch_updater.emulator.answers import Refusal

UNKNOWN = "Unknown"
BAD_TOKEN = "Incorrect IAM authentication information: "  # noqa: S105 - a message

# Method and number of path parts after the project (frs-api.md section 2).
OPERATIONS: Mapping[tuple[str, int], str] = {
    ("POST", 1): "CreateFaceSet",
    ("GET", 1): "ShowAllFaceSets",
    ("GET", 2): "ShowFaceSet",
    ("DELETE", 2): "DeleteFaceSet",
    ("POST", 3): "AddFacesByBase64",
    ("GET", 3): "ShowFacesByLimit",
    ("PUT", 3): "UpdateFace",
}
MAX_PARTS = 3


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request wants to go; the parts are percent-decoded."""

    operation: str
    project_id: str = ""
    face_set_name: str = ""


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
    head, parts = raw_path.split("/")[:3], raw_path.split("/")[3:]
    if head[:2] != ["", "v2"] or not _fits_shape(parts):
        return Route(UNKNOWN)
    operation = OPERATIONS.get((method, len(parts)), UNKNOWN)
    if operation == "ShowFacesByLimit" and "face_id" in query:
        operation = "ShowFacesByFaceId"
    return Route(operation, unquote(head[2]), unquote("".join(parts[1:2])))


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


def _fits_shape(parts: list[str]) -> bool:
    # face-sets, face-sets/{name} or face-sets/{name}/faces, and no empty part.
    if not all(parts) or len(parts) > MAX_PARTS:
        return False
    return parts[:1] == ["face-sets"] and parts[2:] in ([], ["faces"])
