"""One FRS request from its arrival to its answer: gate, quota, body, fault, operation."""

import asyncio
import random
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import partial

from aiohttp import web

from batch_updater.emulator.answers import Answer, Refusal, refused, success
from batch_updater.emulator.faults.actions import Visit, play
from batch_updater.emulator.faults.fault import Fault, Script
from batch_updater.emulator.gateway import gate
from batch_updater.emulator.gateway.entrance import Admission, Entrance
from batch_updater.emulator.gateway.identity import Identity
from batch_updater.emulator.iam.service import OPERATIONS as IDENTITY_OPERATIONS
from batch_updater.emulator.iam.service import (
    Errand,
    IdentityService,
    operation_of,
)
from batch_updater.emulator.operations.bodies import body_limit, content_of, kind_of
from batch_updater.emulator.operations.calls import Call, counted
from batch_updater.emulator.operations.table import OPERATIONS
from batch_updater.emulator.operations.update import checked_update
from batch_updater.emulator.settings import EmulatorSettings
from batch_updater.emulator.state.face_sets import State
from batch_updater.emulator.state.projects import States
from batch_updater.emulator.wire import read_body, response
from batch_updater.emulator.witness import Ticket, Witness

SCRIPTED = frozenset({*OPERATIONS, *IDENTITY_OPERATIONS.values()})
"""The operations that a fault can hit."""


def new_request_id() -> str:
    """Return 32 hexadecimal digits, as seen in the wild (frs-api.md section 8)."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that was let in: whose face sets it is for, and its names in the account."""

    state: State
    call: Call
    ticket: Ticket
    request_id: str


class Service:
    """The state of one emulator and the path of a request through it."""

    def __init__(
        self,
        settings: EmulatorSettings,
        states: States,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        request_id: Callable[[], str] = new_request_id,
    ) -> None:
        self.states = states
        self.project_id = settings.project_id
        self.witness = Witness()
        self.script = Script()
        self.identity = Identity(settings.identity_rules())
        self.entrance = Entrance(self.identity, settings, now)
        self.closing = asyncio.Event()
        self._rules = settings.rules()
        self._latency, self._jitter = settings.latency, settings.jitter
        self._random = random.Random(settings.seed)  # noqa: S311 - repeatable
        self._clock, self._request_id = clock, request_id
        self._started = clock()
        self._identity_service = IdentityService(
            self.entrance, now, settings.iam_qps, self.closing
        )

    def plan(self, faults: Iterable[Fault]) -> None:
        """Replace the script; ValueError when a fault could never fire."""
        script = Script(faults)
        for tally in script.tallies:
            name = tally.fault.operation
            if name not in SCRIPTED:
                near = get_close_matches(name, SCRIPTED, n=2, cutoff=0.4)
                guess = f"; did you mean {' or '.join(near)}?" if near else ""
                raise ValueError(
                    f"fault {tally.fault.name!r}: there is no operation {name!r}{guess}"
                )
        self.script = script

    def reset(self) -> None:
        """Empty the witness and the quota, rewind the script; faces stay."""
        self.witness.reset()
        self.entrance.reset()
        self._identity_service.reset()
        self.script.rewind()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one FRS request, and write down when it came and how it ended."""
        # First of all: the quota and the witness speak of arrivals.
        arrival = self._clock() - self._started
        route = gate.route(request.method, request.rel_url.raw_path, request.query)
        ticket = self.witness.arrive(route.operation, arrival)
        try:
            admission = await self.entrance.admit(request, route, arrival)
            answered = await self._answer(request, route, ticket, admission)
        except BaseException:
            self.witness.finish(ticket, None)
            raise
        if admission.headers and not answered.prepared:
            answered.headers.update(admission.headers)
        return answered

    async def identify(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one IAM or metadata request; FRS's quota and account stay as is."""
        at = self._clock() - self._started
        operation = operation_of(request)
        self.witness.identity[operation] += 1
        errand = Errand(request, operation, self._request_id(), at)
        fault = self.script.match(operation, None)
        await self._travel()
        return await self._identity_service.serve(errand, fault)

    async def _answer(
        self,
        request: web.BaseRequest,
        route: gate.Route,
        ticket: Ticket,
        admission: Admission,
    ) -> web.StreamResponse:
        request_id = self._request_id()
        await self._travel()
        if admission.refusal is not None:
            answer = self._refused(admission.refusal, request_id)
            return self._reply(answer, ticket, request_id)
        try:
            call = await self._call(request, route, admission.body)
        except Refusal as broken:
            return self._reply(refused(broken, request_id), ticket, request_id)
        state = self.states.state_of(route.project_id, route.version)
        admitted = Admitted(state, call, ticket, request_id)
        return await self._perform(request, admitted)

    async def _travel(self) -> None:
        spread = self._random.uniform(-self._jitter, self._jitter)
        seconds = self._latency + spread
        if seconds > 0:
            await asyncio.sleep(seconds)

    async def _call(
        self, request: web.BaseRequest, route: gate.Route, body: bytes | None
    ) -> Call:
        limit = body_limit(route.operation)
        if body is None:
            body = await read_body(request, limit)
        if body is None or len(body) > limit:
            raise Refusal("FRS.0017")
        content = content_of(route.operation, request.headers.get("Content-Type"), body)
        kind = kind_of(route.operation, content)
        return Call(kind, route.face_set_name, request.query, content)

    async def _perform(
        self, request: web.BaseRequest, admitted: Admitted
    ) -> web.StreamResponse:
        call, ticket = admitted.call, admitted.ticket
        fault = self.script.match(call.operation, call.face_id)
        if fault is None:
            answer = self._commit(admitted, True)
            return self._reply(answer, ticket, admitted.request_id)
        commit = partial(self._commit, admitted)
        rehearse = partial(self._rehearse, admitted)
        visit = Visit(request, admitted.request_id, commit, rehearse, self.closing)
        played, seen = await play(fault, visit)
        if seen is None:
            self.witness.finish(ticket, None)
        else:
            self.witness.finish(ticket, seen.status, seen.code)
        return played

    def _commit(self, admitted: Admitted, answered: bool) -> Answer:
        call = admitted.call
        try:
            content = OPERATIONS[call.operation](admitted.state, self._rules, call)
        except Refusal as refusal:
            return refused(refusal, admitted.request_id)
        if call.operation == "UpdateFace" and call.face_id and content["face_number"]:
            name, status = call.face_set_name, 200 if answered else None
            self.witness.apply(
                admitted.ticket, name, call.face_id, admitted.request_id, status
            )
        return success(content)

    def _rehearse(self, admitted: Admitted) -> Answer:
        try:
            update = checked_update(admitted.state, self._rules, admitted.call)
        except Refusal as refusal:
            return refused(refusal, admitted.request_id)
        return success(counted(update.face_set, 0))

    def _refused(self, refusal: Refusal, request_id: str) -> Answer:
        wait = self.entrance.quota.rules.retry_after
        if refusal.code != "FRS.0033" or wait is None:
            return refused(refusal, request_id)
        return refused(refusal, request_id, {"Retry-After": str(wait)})

    def _reply(self, answer: Answer, ticket: Ticket, request_id: str) -> web.Response:
        self.witness.finish(ticket, answer.status, answer.code)
        return response(answer, request_id)
