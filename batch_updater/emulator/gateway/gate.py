"""Where a request wants to go, and whether it may; pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.gateway.identity import Caller, Grant, Identity
from batch_updater.emulator.gateway.quota import Allowance, Quota
from batch_updater.emulator.gateway.signature import (
    INCORRECT,
    Arrived,
    parse,
    refusal,
    verify,
)
from batch_updater.emulator.state.projects import V2

UNKNOWN = "Unknown"

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


def check_token(
    identity: Identity, given: str | None, now: Callable[[], datetime]
) -> Caller:
    """Return whose token it is; refuse one that is missing, not ours or ended.

    The texts: frs-api.md 3.2. A token that ended gets the code of the switch.
    """
    if not given:
        raise Refusal("APIGW.0301", f"{INCORRECT}x-auth-token not found")
    grant = identity.tokens.find(given)
    if grant is None:
        raise Refusal("APIGW.0301", f"{INCORRECT}decrypt token fail")
    # The clock is read for a token that has an end, and for no other.
    if grant.withdrawn or (grant.expires_at is not None and grant.ended(now())):
        raise _ended(identity.rules.expired_code, grant)
    return grant.caller


def check_signature(identity: Identity, arrived: Arrived, now: datetime) -> Caller:
    """Return whose signature it is; refuse a wrong one, and a locked access key."""
    claim = parse(arrived.headers["authorization"])
    key, lockout = identity.keys.find(claim.access), identity.keys.lockout
    if key is None:
        raise refusal(f"Get secretKey failed,ak:{claim.access},err:ak not exist")
    if lockout.locked(claim.access, now):
        raise refusal("AK access failed to reach the limit,forbidden")
    try:
        verify(key, claim, arrived, now)
    except Refusal:
        lockout.fail(claim.access, now)
        raise
    lockout.clear(claim.access)
    return key.caller


def check_project(caller: Caller, project_id: str, header: str | None = None) -> None:
    """Refuse (FRS.0028) a project the caller has no part in, or a second one.

    `header` is the X-Project-Id of a signed request.
    """
    if project_id not in caller.projects or header not in (None, project_id):
        raise Refusal("FRS.0028")


def check_allowance(allowance: Allowance | None) -> None:
    """Refuse (APIGW.0308) what is beyond the gateway's quota, if it has one."""
    if allowance is not None and not allowance.admitted:
        raise Refusal("APIGW.0308", allowance.message)


def check_quota(quota: Quota, route: Route, at: float) -> None:
    """Count a call that arrived at `at` seconds; refuse (FRS.0033) one too many."""
    if not quota.admit(route.operation, at, route.project_id):
        raise Refusal("FRS.0033")


def _ended(code: str, grant: Grant) -> Refusal:
    if code != "APIGW.0301":
        return Refusal(code)
    end = "" if grant.expires_at is None else f"{grant.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    return refusal(f"token expires, expires_at:{end}")
