"""IAM: tokens for a password, and the project of a region (facts page, section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson
from yarl import URL

from batch_updater.errors import RunRefused, UsageError
from batch_updater.frs.credentials import (
    Credential,
    Issued,
    Password,
    Token,
    is_project_id,
    is_sendable,
)
from batch_updater.frs.protocol import excerpt, parse_date, read_json
from batch_updater.frs.sending import Send, TryAgain
from batch_updater.frs.verdicts import Judgement, clock_remark, judge_error
from batch_updater.models import Reply, Verdict

_TOKEN_HEADER = "X-Subject-Token"  # noqa: S105  (a header's name)
_ANSWER_LIMIT = 1 << 20  # a token's roles and catalogue take several hundred KB
_EXAMPLES = 10
_JSON = {"Content-Type": "application/json;charset=utf8"}
_LOGIN = (
    "Check BATCH_UPDATER_IAM_DOMAIN, BATCH_UPDATER_IAM_USER and "
    "BATCH_UPDATER_IAM_PASSWORD; do not try often: IAM locks the account. An account "
    "that was upgraded to a HUAWEI ID needs an IAM user of its own."
)


@dataclass(frozen=True, slots=True)
class Scope:
    """The project a token is for: by its id, or by its region's name."""

    project_id: str = ""
    region: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the `scope` of a token request."""
        by = {"id": self.project_id} if self.project_id else {"name": self.region}
        return {"project": by}


async def log_in(send: Send, endpoint: str, password: Password, scope: Scope) -> Issued:
    """
    Ask IAM for a project-scoped token.

    Raises:
        TryAgain: IAM is throttled, out of order or out of reach.
        RunRefused: IAM says no.
    """
    url = URL(f"{endpoint}/v3/auth/tokens?nocatalog=true", encoded=True)
    body = orjson.dumps(_token_request(password, scope))
    reply = await send(
        "POST", url, _JSON, body, keep=(_TOKEN_HEADER,), limit=_ANSWER_LIMIT
    )
    if reply.status != 201:
        raise trouble(reply, f"IAM at {endpoint}", _LOGIN)
    [token] = reply.kept
    answer = read_json(reply.body)
    told = answer.get("token") if isinstance(answer, dict) else None
    if not is_sendable(token) or not isinstance(told, dict):
        raise _no_iam(reply, endpoint)
    return Issued(Token(token), _life_of(told, reply.date), _project_of(told))


def _token_request(password: Password, scope: Scope) -> dict[str, Any]:
    user = {
        "domain": {"name": password.domain},
        "name": password.user,
        "password": password.password,
    }
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": scope.as_json()}}


def _life_of(token: Mapping[str, Any], date: str) -> float | None:
    # By IAM's own clock: ours may be wrong, and would renew too late or for ever.
    ends = parse_moment(token.get("expires_at"))
    starts = parse_moment(token.get("issued_at")) or parse_date(date)
    return (ends - starts).total_seconds() if ends and starts else None


def _project_of(token: Mapping[str, Any]) -> str:
    project = token.get("project")
    found = project.get("id") if isinstance(project, dict) else None
    return str(found) if is_project_id(found) else ""


def parse_moment(text: object) -> datetime | None:
    """Return an ISO-8601 moment, or None."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def find_project(
    send: Send, endpoint: str, credential: Credential, region: str
) -> str:
    """
    Return the id of the one project of a region (facts page, section 6).

    Raises:
        TryAgain: IAM is throttled, out of order or out of reach.
        RunRefused: IAM says no.
        UsageError: there is none, or more than one.
    """
    url = URL(f"{endpoint}/v3/projects?name={quote(region, safe='')}", encoded=True)
    headers = credential.headers("GET", url, b"", "", datetime.now(UTC))
    reply = await send("GET", url, headers, limit=_ANSWER_LIMIT)
    if reply.status != 200:
        hint = "Give --project-id ID, so that IAM need not be asked."
        raise trouble(reply, f"IAM at {endpoint}", hint, always=True)
    return _only_project(reply, endpoint, region)


def _only_project(reply: Reply, endpoint: str, region: str) -> str:
    answer = read_json(reply.body)
    projects = answer.get("projects") if isinstance(answer, dict) else None
    if not isinstance(projects, list):
        raise _no_iam(reply, endpoint)
    told = [each.get("id") for each in projects if isinstance(each, Mapping)]
    ids = list(filter(is_project_id, told))
    if len(ids) == 1:
        return str(ids[0])
    found = ", ".join(map(str, ids[:_EXAMPLES])) or "none"
    if len(ids) > _EXAMPLES:
        found += f" and {len(ids) - _EXAMPLES} more"
    raise UsageError(
        f"the project of region {region!r} cannot be told: IAM knows {found}",
        hint="Say which one with --project-id ID.",
    )


def trouble(
    reply: Reply, where: str, hint: str, *, always: bool = False
) -> RunRefused | TryAgain:
    """
    Return what to raise for an answer that is no success.

    Args:
        hint: what to do about a code that has no remedy here.
        always: whether it helps with those that have one, too.
    """
    judgement = judge_error(reply)
    said = f"{where}: {_describe(judgement)}"
    if judgement.verdict in {Verdict.RETRY, Verdict.THROTTLED}:
        return TryAgain(said, reply.retry_after)
    remark = clock_remark(judgement, reply, datetime.now(UTC))
    advice = _advice(judgement, hint, always=always)
    return RunRefused(said, hint=f"{advice} {remark}".rstrip())


def _describe(judgement: Judgement) -> str:
    entry = judgement.entry
    meaning = f" ({entry.meaning})" if entry else ""
    return f"{judgement.code}: {judgement.message}".rstrip(": ") + meaning


def _advice(judgement: Judgement, hint: str, *, always: bool) -> str:
    entry = judgement.entry
    if entry is None or judgement.code.startswith("HTTP."):  # those speak of FRS
        return hint
    return f"{entry.advice} {hint}" if always else entry.advice


def _no_iam(reply: Reply, endpoint: str) -> RunRefused:
    said = f"IAM at {endpoint} answered something else: {excerpt(reply.body)}"
    return RunRefused(said, hint="Check --iam-endpoint, and that no proxy answers.")
