"""Playing a fault on a connection: one function for each action."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from batch_updater.emulator.answers import CODES, Answer, envelope
from batch_updater.emulator.faults.fault import Fault
from batch_updater.emulator.wire import drop, hold, response, send_half


@dataclass(frozen=True, slots=True)
class Visit:
    """
    A request a fault is played on, and what the service would do with it.

    `commit` makes the ordinary answer and takes whether the client will see it;
    `rehearse` makes the checks only and answers with face_number 0.
    """

    request: web.BaseRequest
    request_id: str
    commit: Callable[[bool], Answer]
    rehearse: Callable[[], Answer]
    closing: asyncio.Event


# What goes to aiohttp, and the answer the client saw, if it saw one.
Played = tuple[web.StreamResponse, Answer | None]


async def play(fault: Fault, visit: Visit) -> Played:
    """Do what the fault says instead of, or after, the ordinary thing."""
    return await ACTIONS[fault.action](fault, visit)


def planned(fault: Fault, request_id: str) -> Answer:
    """Return the answer of a `respond` fault, raw or in the envelope of its code."""
    code = fault.code or ""
    usual_status, usual_message = CODES.get(code, (200, f"Fault {fault.name}."))
    status = fault.status or usual_status
    if fault.body is None:
        message = usual_message if fault.message is None else fault.message
        body = envelope(code, message, request_id)
        return Answer(status, body, code, headers=fault.headers)
    kind = fault.content_type or "text/html"
    return Answer(status, fault.body.encode(), code, kind, fault.headers)


async def _respond(fault: Fault, visit: Visit) -> Played:
    answer = planned(fault, visit.request_id)
    return response(answer, visit.request_id), answer


async def _delay(fault: Fault, visit: Visit) -> Played:
    await hold(visit.closing, fault.seconds)
    answer = visit.commit(True)
    return response(answer, visit.request_id), answer


async def _reset(fault: Fault, visit: Visit) -> Played:
    return drop(visit.request), None


async def _reset_after_commit(fault: Fault, visit: Visit) -> Played:
    visit.commit(False)
    return drop(visit.request), None


async def _stall(fault: Fault, visit: Visit) -> Played:
    await hold(visit.closing, fault.seconds)
    return drop(visit.request), None


async def _timeout_after_commit(fault: Fault, visit: Visit) -> Played:
    visit.commit(False)
    return await _stall(fault, visit)


async def _partial(fault: Fault, visit: Visit) -> Played:
    answer = visit.commit(True)
    return await send_half(visit.request, answer, visit.request_id), answer


async def _face_number_0(fault: Fault, visit: Visit) -> Played:
    answer = visit.rehearse()
    return response(answer, visit.request_id), answer


ACTIONS: Mapping[str, Callable[[Fault, Visit], Awaitable[Played]]] = {
    "respond": _respond,
    "delay": _delay,
    "reset": _reset,
    "reset-after-commit": _reset_after_commit,
    "stall": _stall,
    "timeout-after-commit": _timeout_after_commit,
    "partial": _partial,
    "face-number-0": _face_number_0,
}
