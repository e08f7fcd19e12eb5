"""Temporary keys of the machine itself, from its metadata service (section 5.4)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from yarl import URL

from batch_updater.errors import RunRefused
from batch_updater.frs.credentials import Issued, SigningKey, is_sendable
from batch_updater.frs.iam import parse_moment, trouble
from batch_updater.frs.protocol import parse_date, read_json
from batch_updater.frs.sending import Send, TryAgain
from batch_updater.frs.signing import AccessKey
from batch_updater.models import Reply

Ask = Callable[[str, URL, Mapping[str, str]], Awaitable[Reply]]

_PATIENCE = 3.0  # seconds, as the SDK has: elsewhere nobody answers at all
_DATE_DROPS = 1.0  # seconds: a Date header knows no fractions
_SESSION_SECONDS = "21600"
_NO_SESSIONS = frozenset({404, 405, 503})
_NO_AGENCY = b"Please configure Cloud Service Agency first"
_HINT = (
    "Only a Huawei Cloud server has this service, and it must have an agency. "
    "Elsewhere use another way: --auth token, aksk or password."
)


async def fetch_key(send: Send, endpoint: str, patience: float = _PATIENCE) -> Issued:
    """
    Return a temporary access key of the machine this runs on.

    Args:
        patience: seconds an answer may take.

    Raises:
        TryAgain: the metadata service is out of order for a moment.
        RunRefused: there is none, or the machine has no agency.
    """
    ask = partial(_ask, send, patience)
    session = await _open_session(ask, endpoint)
    headers = {"X-Metadata-Token": session} if session else {}
    url = URL(f"{endpoint}/openstack/latest/securitykey", encoded=True)
    reply = await ask("GET", url, headers)
    if reply.status == 401 and _NO_AGENCY in reply.body:
        raise RunRefused("this machine has no agency, so it has no keys", hint=_HINT)
    if reply.status != 200:
        raise _refused(reply, endpoint)
    return _read_key(reply, endpoint)


async def _open_session(ask: Ask, endpoint: str) -> str:
    url = URL(f"{endpoint}/meta-data/latest/api/token", encoded=True)
    headers = {"X-Metadata-Token-Ttl-Seconds": _SESSION_SECONDS}
    reply = await ask("PUT", url, headers)
    if reply.status in _NO_SESSIONS:
        return ""
    if reply.status != 200:
        raise _refused(reply, endpoint)
    session = reply.body.decode("ascii", "replace").strip()
    if not is_sendable(session):
        raise RunRefused(f"{_name(endpoint)} gave no session", hint=_HINT)
    return session


async def _ask(
    send: Send, patience: float, method: str, url: URL, headers: Mapping[str, str]
) -> Reply:
    try:
        async with asyncio.timeout(patience):
            return await send(method, url, headers)
    except TimeoutError:
        said = f"no answer within {patience:g} s"
        return Reply(None, error="timeout", detail=said)


def _name(endpoint: str) -> str:
    return f"the metadata service at {endpoint}"


def _refused(reply: Reply, endpoint: str) -> RunRefused | TryAgain:
    where = _name(endpoint)
    if reply.status is None:  # nobody listens: this is no cloud server
        return RunRefused(f"{where}: {reply.detail}", hint=_HINT)
    return trouble(reply, where, _HINT, always=True)


def _read_key(reply: Reply, endpoint: str) -> Issued:
    answer = read_json(reply.body)
    said = answer.get("credential") if isinstance(answer, dict) else None
    found = said if isinstance(said, dict) else {}
    parts = [found.get(name) for name in ("access", "secret", "securitytoken")]
    if not all(map(is_sendable, parts)):
        raise RunRefused(f"{_name(endpoint)} gave no key", hint=_HINT)
    key = AccessKey(*map(str, parts))
    ends, now = parse_moment(found.get("expires_at")), parse_date(reply.date)
    life = (ends - now).total_seconds() - _DATE_DROPS if ends and now else None
    return Issued(SigningKey(key), life)
