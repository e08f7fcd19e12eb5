"""IAM: a token for a password, and the projects by name; pure (frs-api.md 5.1, 3.3)."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus

from batch_updater.emulator.answers import Answer, Refusal, encode
from batch_updater.emulator.gateway.identity import Caller, Identity, made_id

TIME_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"
USER = ("auth", "identity", "password", "user")
PROJECT = ("auth", "scope", "project")


class Malformed(Exception):
    """The body of a token request is wrong; says where."""


class Denied(Refusal):
    """A refusal of the token API that the documents show in two envelopes."""


def create_token(identity: Identity, body: bytes, now: datetime) -> Answer:
    """
    Answer POST /v3/auth/tokens: 201, the token in X-Subject-Token.

    A user name or password that is wrong, and a project that is unknown, are
    answered in the envelope of the switch; a body that is wrong in the nested one,
    as no code is documented for it. Refusal IAM.0061 when the user is locked.
    """
    try:
        content = _json_object(body)
        _check_password(identity, content, now)
        project_id = _project_id(identity, content)
    except Malformed as problem:
        return Answer(400, nested(400, str(problem)), "400")
    except Denied as denied:
        if identity.rules.iam_errors == "coded":
            raise
        status = denied.status
        return Answer(status, nested(status, denied.message), str(status))
    expires_at = now + timedelta(seconds=identity.rules.token_life)
    token = identity.tokens.issue(identity.member(project_id), expires_at)
    told = _token(identity, project_id, now, expires_at)
    return Answer(201, encode({"token": told}), headers={"X-Subject-Token": token})


def list_projects(identity: Identity, caller: Caller, name: str | None) -> Answer:
    """Answer GET /v3/projects: those of the caller, of this name when given."""
    projects = [
        {"id": project_id, "name": each}
        for each, project_id in identity.rules.all_projects.items()
        if project_id in caller.projects and name in (None, each)
    ]
    return Answer(200, encode({"projects": projects}))


def check_token(identity: Identity, given: str | None, now: datetime) -> Caller:
    """Return whose token it is, as IAM sees it: IAM.0001, .0066 or .0067."""
    if not given:
        raise Refusal("IAM.0001")
    grant = identity.tokens.find(given)
    if grant is None:
        raise Refusal("IAM.0067")
    if grant.ended(now):
        raise Refusal("IAM.0066")
    return grant.caller


def nested(status: int, message: str) -> bytes:
    """Return the envelope of the token API: an integer code, one level down."""
    title = HTTPStatus(status).phrase
    return encode({"error": {"code": status, "message": message, "title": title}})


def _check_password(
    identity: Identity, content: Mapping[str, object], now: datetime
) -> None:
    methods = _at(content, "auth", "identity", "methods")
    if not isinstance(methods, list) or "password" not in methods:
        raise Malformed("auth.identity.methods must be a list with password")
    user = _text(content, *USER, "name")
    domain, password = (
        _text(content, *USER, "domain", "name"),
        _text(content, *USER, "password"),
    )
    if identity.logins.locked(user, now):
        raise Refusal("IAM.0061")
    if identity.knows(domain, user, password):
        identity.logins.clear(user)
        return
    if user == identity.rules.iam_user:
        identity.logins.fail(user, now)
    raise Denied("IAM.0062")


def _project_id(identity: Identity, content: Mapping[str, object]) -> str:
    scope = _at(content, *PROJECT)
    if not isinstance(scope, Mapping):
        raise Malformed("auth.scope.project is missing: the token must have a project")
    key = "id" if "id" in scope else "name"
    value = _text(content, *PROJECT, key)
    found = value if key == "id" else identity.project_id(value)
    if found not in identity.rules.all_projects.values():
        raise Denied("IAM.0004", f"The project {key} is unknown.")
    return str(found)


def _token(
    identity: Identity, project_id: str, issued_at: datetime, expires_at: datetime
) -> dict[str, object]:
    name, user = identity.rules.iam_domain, identity.rules.iam_user
    domain = {"id": made_id(name), "name": name}
    project = {"id": project_id, "name": identity.project_name(project_id)}
    return {
        "catalog": [],
        "expires_at": _time(expires_at),
        "issued_at": _time(issued_at),
        "methods": ["password"],
        "project": {**project, "domain": domain},
        "roles": [{"id": "0", "name": "te_admin"}],
        "user": {"id": made_id(user), "name": user, "domain": domain},
    }


def _time(at: datetime) -> str:
    return at.strftime(TIME_FORM)


def _json_object(body: bytes) -> dict[str, object]:
    try:
        content = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if not isinstance(content, dict):
        raise Malformed("the body is not a JSON object")
    return content


def _at(content: object, *path: str) -> object:
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _text(content: object, *path: str) -> str:
    value = _at(content, *path)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{'.'.join(path)} must be a string that is not empty")
    return value
