"""
`doctor`: would a run be let in, and if not, what is in its way?

Signing in and one read-only request tell everything; the findings are pure.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit

from batch_updater.config.connection import Connection
from batch_updater.config.settings import Settings
from batch_updater.delivery.calls import refusal
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.signals import Signals
from batch_updater.errors import BatchUpdaterError, RunRefused, UsageError
from batch_updater.frs.protocol import (
    FaceSet,
    excerpt,
    read_face_set,
    read_face_set_names,
    tells_of_no_face_set,
)
from batch_updater.frs.transport import TlsFacts
from batch_updater.frs.verdicts import (
    SKEW_WORTH_SAYING,
    Judgement,
    clock_skew,
    judge_face_set,
)
from batch_updater.models import Reply, Verdict
from batch_updater.outlet import Outlet, open_outlet
from batch_updater.report.durations import format_duration

_MOST_NAMES = 30
_LONGEST_NAME = 64  # characters, as a face set's name may have (API page 0031)
_SKEW_THAT_STOPS = 900.0  # seconds; signatures hold for 15 minutes (section 5.2)


class State(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARNING = "warn"
    FAULT = "FAIL"
    UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: what was looked at, how it is, and what to do."""

    name: str
    state: State
    said: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What a visit brought to light.

    Args:
        refused: why signing in failed, or None.
        reply: the answer to the one request, or None when it was not sent.
        latency: seconds until that answer.
        life: seconds the credentials will live, or None when nobody says.
        signs: whether requests are signed, so that the clock matters.
        proxy: the URL of the proxy that leads to the endpoint, or empty.
        now: our clock when the answer came.
    """

    endpoint: str
    source: str
    project_id: str
    face_set_name: str
    refused: BatchUpdaterError | None = None
    reply: Reply | None = None
    latency: float = 0.0
    tls: TlsFacts | None = None
    life: float | None = None
    signs: bool = False
    proxy: str = ""
    now: datetime

    @property
    def face_set(self) -> FaceSet | None:
        """The face set that was asked for, if the answer tells of it."""
        return read_face_set(self.reply.body) if self.reply else None

    @property
    def face_set_names(self) -> list[str] | None:
        """The face sets there are, if the answer lists them."""
        return read_face_set_names(self.reply.body) if self.reply else None

    @property
    def judgement(self) -> Judgement | None:
        """What the answer means; None when there is none."""
        if self.reply is None:
            return None
        found = judge_face_set(self.reply)
        if found.verdict is not Verdict.SUCCESS or self.face_set:
            return found
        if tells_of_no_face_set(self.reply.body):
            said = f"face set {self.face_set_name!r} does not exist"
            return Judgement(Verdict.STOP_RUN, "FRS.0302", said)
        if self.face_set_name or self.face_set_names is None:
            said = f"no FRS answer: {excerpt(self.reply.body)}"
            return Judgement(Verdict.STOP_RUN, "REPLY.NOT_FRS", said)
        return found


async def visit(settings: Settings, connection: Connection) -> Facts:
    """Sign in and send one read-only request, each once; never raises a refusal."""
    once = replace(settings, max_attempts=1)
    async with open_outlet(once, connection, Signals(Gate(), Notices())) as outlet:
        try:
            await outlet.sign_in()
        except (RunRefused, UsageError) as refused:
            return _facts(outlet, refused=refused)
        started = time.monotonic()
        reply = await _ask(outlet)
        return _facts(outlet, reply=reply, latency=time.monotonic() - started)


async def _ask(outlet: Outlet) -> Reply:
    name = outlet.settings.face_set
    if name:
        return await outlet.client.show_face_set(name)
    return await outlet.client.show_face_sets()


def _facts(
    outlet: Outlet,
    *,
    refused: BatchUpdaterError | None = None,
    reply: Reply | None = None,
    latency: float = 0.0,
) -> Facts:
    proxy = outlet.connection.proxy_for(outlet.connection.endpoint)
    return Facts(
        endpoint=outlet.connection.endpoint,
        source=str(outlet.connection.source),
        project_id=outlet.client.project_id,
        face_set_name=outlet.settings.face_set or "",
        refused=refused,
        reply=reply,
        latency=latency,
        tls=outlet.transport.tls,
        life=outlet.auth.life,
        signs=outlet.auth.signs,
        proxy=proxy.url if proxy else "",
        now=datetime.now(UTC),
    )


def examine(facts: Facts) -> list[Finding]:
    """Return a finding for everything a run needs, in the order it needs them."""
    fault = _fault(facts)
    found: list[Finding] = []
    for name, look in _LOOKS.items():
        if fault and fault.name == name:
            found.append(fault)
        elif fault in found and name not in _INDEPENDENT:
            found.append(Finding(name, State.UNKNOWN, _NOT_YET))
        else:
            found.append(look(facts, name))
    return found


def _fault(facts: Facts) -> Finding | None:
    if refused := facts.refused:
        # Only the project is looked up after the credentials are there.
        name = "project" if isinstance(refused, UsageError) else "credentials"
        return Finding(name, State.FAULT, refused.message, refused.hint)
    judgement = facts.judgement
    if judgement is None or judgement.verdict is Verdict.SUCCESS:
        return None
    stop = refusal(judgement, facts.reply or Reply(None))
    hint = stop.hint
    if judgement.code == "TRANSPORT.RESET" and not _is_https(facts):
        hint = f"{_MAYBE_TLS} {hint}"
    return Finding(_place(judgement.code), State.FAULT, stop.message, hint)


def _place(code: str) -> str:
    """Return the name of the finding that a refusal is about."""
    if code in _PLACES:
        return _PLACES[code]
    prefix, _, number = code.partition(".")
    if prefix in {"APIG", "APIGW"}:
        return _PLACES_OF_GATEWAY.get(number[:2], "service")
    if prefix == "TRANSPORT" and "TLS" in number:
        return "TLS"
    return "endpoint" if prefix in {"TRANSPORT", "HTTP", "REPLY"} else "service"


_PLACES = {
    "FRS.0002": "credentials",
    "FRS.0028": "project",
    "FRS.0302": "face set",
    "HTTP.401": "credentials",
    "APIG.0310": "project",
    "APIGW.0310": "project",
}
_PLACES_OF_GATEWAY = {"01": "endpoint", "03": "credentials"}


def _endpoint(facts: Facts, name: str) -> Finding:
    if facts.reply is None or facts.reply.status is None:
        return Finding(name, State.UNKNOWN, f"{facts.endpoint}: no answer yet")
    way = f" through {facts.proxy}" if facts.proxy else ""
    took = f"answered in {facts.latency * 1000:.0f} ms{way}"
    return Finding(name, State.OK, f"{facts.endpoint} {took}")


def _is_https(facts: Facts) -> bool:
    return urlsplit(facts.endpoint).scheme == "https"


def _tls(facts: Facts, name: str) -> Finding:
    if not _is_https(facts):
        return Finding(name, State.WARNING, "none: nothing is encrypted", _HTTPS)
    if facts.tls is None:
        return Finding(name, State.UNKNOWN, _NOT_YET)
    said = f"{facts.tls.version}, certificate until {facts.tls.not_after or 'unknown'}"
    return Finding(name, State.OK, said)


def _clock(facts: Facts, name: str) -> Finding:
    skew = clock_skew(facts.reply, facts.now) if facts.reply else None
    if skew is None:
        return Finding(name, State.UNKNOWN, "no answer told the time")
    if abs(skew) < SKEW_WORTH_SAYING:
        return Finding(name, State.OK, "agrees with the service's")
    how = "ahead of" if skew > 0 else "behind"
    said = f"{format_duration(abs(skew))} {how} the service's"
    stops = facts.signs and abs(skew) > _SKEW_THAT_STOPS
    state = State.FAULT if stops else State.WARNING
    return Finding(name, state, said, "set this machine's clock, best by NTP")


def _credentials(facts: Facts, name: str) -> Finding:
    whose = "IAM took them" if facts.refused else "accepted"
    return Finding(name, State.OK, f"{facts.source}: {whose}")


def _service(facts: Facts, name: str) -> Finding:
    if facts.reply is None:
        return Finding(name, State.UNKNOWN, _NOT_YET)
    return Finding(name, State.OK, "lets us in")


def _project(facts: Facts, name: str) -> Finding:
    return Finding(name, State.OK, facts.project_id)


def _face_set(facts: Facts, name: str) -> Finding:
    if facts.face_set:
        return Finding(name, State.OK, facts.face_set.name)
    known = _listed([name[:_LONGEST_NAME] for name in facts.face_set_names or ()])
    said = f"not said which; there are: {known}"
    return Finding(name, State.WARNING, said, "say --face-set NAME")


def _fields(facts: Facts, name: str) -> Finding:
    if facts.face_set is None:
        return Finding(name, State.UNKNOWN, _NOT_YET)
    told = [f"{field}:{kind}" for field, kind in facts.face_set.fields.items()]
    said = _listed(told) if told else "the face set declares none"
    return Finding(name, State.OK, said)


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    said = ", ".join(names[:_MOST_NAMES]) or "none"
    return f"{said} and {more:,} more" if more > 0 else said


def _capacity(facts: Facts, name: str) -> Finding:
    if facts.face_set is None:
        return Finding(name, State.UNKNOWN, _NOT_YET)
    number, capacity = facts.face_set.face_number, facts.face_set.capacity
    said = f"{number:,} of {capacity:,} faces, room for {capacity - number:,}"
    return Finding(name, State.OK, said)


def _life(facts: Facts, name: str) -> Finding:
    if facts.life is not None:
        said = f"{format_duration(facts.life)}; a run renews it before that"
        return Finding(name, State.OK, said)
    if facts.signs:
        return Finding(name, State.OK, "an access key, which does not expire")
    if facts.refused:
        return Finding(name, State.UNKNOWN, _NOT_YET)
    said = "whoever issued it knows; IAM's tokens live 24 h"
    return Finding(name, State.UNKNOWN, said)


_NOT_YET = "not known until then"
_MAYBE_TLS = "If that port speaks TLS, write https:// in --endpoint."
_HTTPS = "use an https endpoint, unless this is the emulator or a network of your own"
_LOOKS: Mapping[str, Callable[[Facts, str], Finding]] = {
    "endpoint": _endpoint,
    "TLS": _tls,
    "clock": _clock,
    "credentials": _credentials,
    "service": _service,
    "project": _project,
    "face set": _face_set,
    "fields": _fields,
    "capacity": _capacity,
    "token life": _life,
}
_INDEPENDENT = frozenset({"clock", "token life"})


def stops_a_run(findings: Iterable[Finding]) -> bool:
    """Return whether one of the findings would end a run before it began."""
    return any(each.state is State.FAULT for each in findings)
