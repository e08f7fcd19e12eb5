"""Planned misbehaviour: when a fault fires, and what each action does to a client."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import (
    ClientConnectionError,
    ClientPayloadError,
    ClientSession,
    ServerDisconnectedError,
)
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.emulator import Emulator, EmulatorSettings, Fault
from batch_updater.emulator.faults.fault import ACTIONS, Script

FACES = "face-sets/people/faces"
BODY = {"face_id": "iexEBb6t", "external_fields": {"age": 7}}
LONG = 3600.0


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator without a quota and with one face aged 1."""
    async with Emulator(EmulatorSettings(qps=None)) as running:
        running.state.add_face_set("people", external_fields={"age": "integer"})
        seed = {"face_id": "iexEBb6t", "external_fields": {"age": 1}}
        running.state.seed_faces("people", [seed])
        yield running


@pytest.fixture
async def session(emulator: Emulator) -> AsyncIterator[ClientSession]:
    """A client that sends once: aiohttp would quietly re-send a PUT that got no answer."""
    async with ClientSession(
        f"{emulator.url}/v2/{emulator.project_id}/",
        headers={"X-Auth-Token": emulator.token},
    ) as made:
        made._retry_connection = False
        yield made


async def until(done: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - the emulator has no event to wait for
            await asyncio.sleep(0)


def age(emulator: Emulator) -> object:
    """Return the stored value that an update would set to 7."""
    return emulator.state.face("people", "iexEBb6t").external_fields["age"]


def script(emulator: Emulator, action: str, **options: Any) -> None:
    """Plan one fault."""
    emulator.script([Fault(name="planned", action=action, **options)])


def account(emulator: Emulator) -> tuple[int, list[int | None]]:
    """Return how often the fault fired, and the statuses of the applied updates."""
    (tally,) = emulator.faults
    return tally.fired, [each.status for each in emulator.witness.updates()]


def fired(faults: list[Fault], requests: int) -> list[str]:
    """Return the fault played on each of so many updates, or a dash."""
    planned = Script(faults)
    played = [planned.match("UpdateFace", "f") for _ in range(requests)]
    return [fault.name if fault else "-" for fault in played]


def fault(name: str, **options: Any) -> Fault:
    """Return a fault whose action does not matter."""
    return Fault(name=name, action="reset", **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "a-----"),
        ({"times": 2}, "aa----"),
        ({"times": 0}, "aaaaaa"),
        ({"after": 2}, "--a---"),
        ({"every": 2}, "-a----"),
        ({"every": 2, "times": 0}, "-a-a-a"),
        ({"after": 1, "every": 2, "times": 2}, "--a-a-"),
        ({"face_id": "f"}, "a-----"),
        ({"face_id": "other"}, "------"),
        ({"operation": "ShowFaceSet"}, "------"),
    ],
)
def test_when_a_fault_fires(options: dict[str, Any], expected: str) -> None:
    """After, every, times, face and operation decide which requests a fault takes."""
    assert "".join(fired([fault("a", **options)], 6)) == expected


def test_first_fault_fires() -> None:
    """Of two faults that want a request the first fires; both count it."""
    faults = [fault("a", every=2, times=0), fault("b", times=0)]
    assert fired(faults, 4) == ["b", "a", "b", "a"]
    planned = Script(faults)
    for _ in range(4):
        planned.match("UpdateFace", "f")
    assert [(each.matched, each.fired) for each in planned.tallies] == [(4, 2), (4, 2)]


@given(st.integers(0, 5), st.integers(1, 4), st.integers(0, 4), st.integers(0, 30))
def test_fired_as_often_as_planned(
    after: int, every: int, times: int, requests: int
) -> None:
    """A fault fires once in `every` requests beyond `after`, up to `times`."""
    names = fired([fault("a", after=after, every=every, times=times)], requests)
    possible = max(0, requests - after) // every
    assert names.count("a") == (min(possible, times) if times else possible)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action": "explode"}, "action must be one of respond, delay"),
        ({"action": "reset", "after": -1}, "after is negative"),
        ({"action": "reset", "times": -1}, "times is negative"),
        ({"action": "reset", "every": 0}, "every must be at least 1"),
        ({"action": "reset", "seconds": 1}, "seconds is not an option of reset"),
        ({"action": "delay"}, "seconds is required"),
        ({"action": "delay", "seconds": -1}, "seconds must be"),
        ({"action": "stall", "seconds": float("nan")}, "seconds must be"),
        ({"action": "respond"}, "code or body is required"),
        ({"action": "respond", "code": "FRS.9999"}, "status is required"),
        ({"action": "respond", "body": "x", "status": 99}, "status must be"),
        ({"action": "respond", "body": "x"}, "status is required"),
        (
            {"action": "respond", "code": "FRS.0018", "headers": {"a": "b\n"}},
            "headers must be printable",
        ),
        (
            {"action": "respond", "code": "FRS.0018", "headers": {"Content-Type": ""}},
            "headers must not set Content-Type",
        ),
        ({"action": "face-number-0", "operation": "ShowFaceSet"}, "operation must be"),
    ],
)
def test_impossible_fault(options: dict[str, Any], message: str) -> None:
    """A fault that makes no sense is refused, naming fault and key."""
    with pytest.raises(ValueError, match=f"fault 'a': {message}"):
        Fault(name="a", **options)


def test_names_are_unique() -> None:
    """Two faults of one name could not be told apart in the account."""
    with pytest.raises(ValueError, match="fault 'a': name is given twice"):
        Script([fault("a"), fault("a")])


def test_every_action_is_covered_here() -> None:
    """Each documented action has a test in this file."""
    tested = {name.removeprefix("test_action_") for name in globals()}
    assert {action.replace("-", "_") for action in ACTIONS} <= tested


async def test_action_respond(emulator: Emulator, session: ClientSession) -> None:
    """An FRS code is answered with its usual status and FRS's envelope."""
    script(emulator, "respond", code="FRS.0018", headers={"Retry-After": "1"})
    async with session.put(FACES, json=BODY) as reply:
        assert reply.status == 500
        assert reply.headers["Retry-After"] == "1"
        assert await reply.json() == {
            "error_code": "FRS.0018",
            "error_msg": "The service inner error.",
        }
    assert age(emulator) == 1
    assert account(emulator) == (1, [])
    assert emulator.witness.by_code == {"FRS.0018": 1}


async def test_respond_as_gateway(emulator: Emulator, session: ClientSession) -> None:
    """A gateway code gets the gateway's envelope, with the request id in it."""
    script(emulator, "respond", code="APIG.0308", status=429, message="limit:10")
    async with session.put(FACES, json=BODY) as reply:
        assert reply.status == 429
        assert await reply.json() == {
            "error_msg": "limit:10",
            "error_code": "APIG.0308",
            "request_id": reply.headers["X-Request-Id"],
        }


@pytest.mark.parametrize(
    ("body", "kind"),
    [("<html>Bad gateway", "text/html"), ("", "text/html"), ('{"face_', "text/json")],
)
async def test_respond_raw(
    emulator: Emulator, session: ClientSession, body: str, kind: str
) -> None:
    """A raw body is sent as it stands, even when it is empty or cut."""
    script(emulator, "respond", status=502, body=body, content_type=kind)
    async with session.put(FACES, json=BODY) as reply:
        assert (reply.status, reply.content_type) == (502, kind)
        assert await reply.text() == body


async def test_action_delay(emulator: Emulator, session: ClientSession) -> None:
    """A delayed update is answered in the ordinary way afterwards."""
    script(emulator, "delay", seconds=0.001)
    async with session.put(FACES, json=BODY) as reply:
        assert reply.status == 200
    assert age(emulator) == 7
    assert account(emulator) == (1, [200])


async def test_action_reset(emulator: Emulator, session: ClientSession) -> None:
    """A reset kills the connection, and nothing is committed."""
    script(emulator, "reset")
    with pytest.raises(ClientConnectionError, match="Connection reset by peer"):
        await session.put(FACES, json=BODY)
    assert age(emulator) == 1
    assert account(emulator) == (1, [])
    assert emulator.witness.by_status == {"none": 1}


async def test_action_reset_after_commit(
    emulator: Emulator, session: ClientSession
) -> None:
    """An update may be committed although its sender saw a dead connection."""
    script(emulator, "reset-after-commit")
    with pytest.raises(ClientConnectionError):
        await session.put(FACES, json=BODY)
    assert age(emulator) == 7
    assert account(emulator) == (1, [None])


async def test_action_stall(emulator: Emulator, session: ClientSession) -> None:
    """A stall ends without an answer when its time is over."""
    script(emulator, "stall", seconds=0.001)
    with pytest.raises(ClientConnectionError):
        await session.put(FACES, json=BODY)
    assert age(emulator) == 1
    assert account(emulator) == (1, [])


@pytest.mark.parametrize(
    ("action", "applied"), [("stall", []), ("timeout-after-commit", [None])]
)
async def test_stall_ends_when_the_client_leaves(
    emulator: Emulator, session: ClientSession, action: str, applied: list[None]
) -> None:
    """A stall lasts until the client gives up, and is then written down."""
    script(emulator, action)
    waiting = asyncio.create_task(outcome(session))
    await until(lambda: account(emulator)[0] == 1)
    assert emulator.witness.in_flight == 1
    waiting.cancel()
    await until(lambda: emulator.witness.in_flight == 0)
    assert account(emulator) == (1, applied)
    assert emulator.witness.by_status == {"none": 1}


@pytest.mark.parametrize("options", [{}, {"seconds": LONG}])
async def test_stop_ends_stalls(
    emulator: Emulator, session: ClientSession, options: dict[str, float]
) -> None:
    """Stopping the emulator does not wait for those it holds back."""
    script(emulator, "stall", **options)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(outcome(session))
        await until(lambda: account(emulator)[0] == 1)
        await emulator.stop()
    assert waiting.result() == "ended"


async def outcome(session: ClientSession) -> str:
    """Send an update and say how it went."""
    try:
        await session.put(FACES, json=BODY)
    except (ClientConnectionError, ServerDisconnectedError):
        return "ended"
    return "answered"


async def test_action_timeout_after_commit(
    emulator: Emulator, session: ClientSession
) -> None:
    """An update may be committed although no answer ever comes."""
    script(emulator, "timeout-after-commit", seconds=0.001)
    with pytest.raises(ClientConnectionError):
        await session.put(FACES, json=BODY)
    assert age(emulator) == 7
    assert account(emulator) == (1, [None])


async def test_action_partial(emulator: Emulator, session: ClientSession) -> None:
    """Half an answer arrives with status 200; the update is committed."""
    script(emulator, "partial")
    async with session.put(FACES, json=BODY) as reply:
        assert reply.status == 200
        with pytest.raises(ClientPayloadError):
            await reply.read()
    assert age(emulator) == 7
    assert account(emulator) == (1, [200])


async def test_action_face_number_0(emulator: Emulator, session: ClientSession) -> None:
    """A 200 may say that no face was updated, and none was."""
    script(emulator, "face-number-0")
    async with session.put(FACES, json=BODY) as reply:
        assert reply.status == 200
        assert (await reply.json())["face_number"] == 0
    assert age(emulator) == 1
    assert account(emulator) == (1, [])


@pytest.mark.parametrize("action", ["face-number-0", "partial", "delay"])
async def test_faulty_calls_are_checked_too(
    emulator: Emulator, session: ClientSession, action: str
) -> None:
    """A fault with an ordinary answer gives the ordinary refusal to a wrong update."""
    script(emulator, action, **({"seconds": 0} if action == "delay" else {}))
    async with session.put(FACES, json={"face_id": "iexEBb6t"}) as reply:
        assert reply.status == 400
    assert account(emulator) == (1, [])
    assert emulator.witness.by_code == {"FRS.0011": 1}


async def test_refused_calls_meet_no_fault(
    emulator: Emulator, session: ClientSession
) -> None:
    """A request the gate refuses, or whose body is broken, does not use up a fault."""
    script(emulator, "reset")
    async with session.put(FACES, json=BODY, headers={"X-Auth-Token": "x"}) as reply:
        assert reply.status == 401
    async with session.put(FACES, json=[]) as reply:
        assert reply.status == 400
    assert account(emulator) == (0, [])


async def test_fault_on_another_operation(
    emulator: Emulator, session: ClientSession
) -> None:
    """A fault may be planned for any operation, and for the face a GET asks for."""
    script(
        emulator,
        "respond",
        code="FRS.0018",
        operation="ShowFacesByFaceId",
        face_id="iexEBb6t",
    )
    async with session.get(FACES, params={"face_id": "iexEBb6t"}) as reply:
        assert reply.status == 500


async def test_reset_rewinds_the_script(
    emulator: Emulator, session: ClientSession
) -> None:
    """After a reset the same script plays again from its start, and faces stay."""
    script(emulator, "respond", code="FRS.0018", after=1)
    for expected in (200, 500, 200):
        async with session.put(FACES, json=BODY) as reply:
            assert reply.status == expected
    emulator.reset()
    assert (emulator.witness.requests, account(emulator)) == (0, (0, []))
    assert age(emulator) == 7
    for expected in (200, 500):
        async with session.put(FACES, json=BODY) as reply:
            assert reply.status == expected
