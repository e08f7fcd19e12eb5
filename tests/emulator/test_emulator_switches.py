"""The unknowns of the service: the default of each switch, and the other ways."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.emulator import Emulator, EmulatorSettings
from batch_updater.emulator.rules import Rules, switches
from batch_updater.emulator.state.face import face_from_json
from batch_updater.emulator.state.face_set import FaceSet

FACES = "face-sets/people/faces"
FIELDS = {"age": "integer", "color": "string"}
IMAGE = base64.b64encode(b"any picture").decode()


DEEP: Any = []
for _ in range(500):
    DEEP = [DEEP]


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@asynccontextmanager
async def running(
    clock: Clock | None = None, **settings: Any
) -> AsyncIterator[tuple[Emulator, ClientSession]]:
    """Run an emulator with one face, and a client of it."""
    made = EmulatorSettings(qps=None, **settings)
    async with Emulator(made, clock=clock or Clock()) as emulator:
        emulator.state.add_face_set("people", external_fields=FIELDS)
        values = {"age": 1, "color": "red"}
        seed = {"face_id": "f", "external_fields": values}
        emulator.state.seed_faces("people", [seed])
        base = f"{emulator.url}/v2/{emulator.project_id}/"
        headers = {"X-Auth-Token": emulator.token}
        async with ClientSession(base, headers=headers) as session:
            yield emulator, session


async def call(
    session: ClientSession, method: str, path: str = FACES, json: object = None
) -> tuple[int, Any]:
    """Send one request; return status and body."""
    async with session.request(method, path, json=json) as reply:
        return reply.status, await reply.json()


async def outcome(
    session: ClientSession, method: str, path: str = FACES, json: object = None
) -> object:
    """Return the error code, or what a success counts: faces, or face_number."""
    _, content = await call(session, method, path, json)
    if "faces" in content:
        return len(content["faces"])
    return content.get("error_code", content.get("face_number"))


def test_every_switch_has_a_value_that_it_allows() -> None:
    """A switch has at least two ways, says what it means, and its default is one."""
    assert switches()
    for switch in switches():
        assert len(switch.allowed) > 1
        assert switch.default in switch.allowed
        assert switch.meaning
        assert getattr(Rules(), switch.name) == switch.default


@pytest.mark.parametrize("switch", switches(), ids=lambda each: each.name)
def test_a_value_that_a_switch_has_not(switch: Any) -> None:
    """A wrong value is refused with the switch's name and what it allows."""
    wrong: dict[str, Any] = {switch.name: "of course"}
    with pytest.raises(
        ValueError, match=f"{switch.name} must be one of {switch.allowed[0]}"
    ):
        EmulatorSettings(**wrong)


UPDATE = {"face_id": "no", "external_fields": {"age": 2}}
MISSING = [
    ("missing_face_code", "PUT", FACES, UPDATE),
    ("missing_face_get", "GET", f"{FACES}?face_id=no", None),
    ("missing_face_delete", "DELETE", f"{FACES}?face_id=no", None),
    ("missing_face_delete", "DELETE", f"{FACES}/batch", {"filter": "age:9"}),
    ("window_code", "GET", f"{FACES}?offset=9999&limit=2", None),
]


@pytest.mark.parametrize(("switch", "method", "path", "body"), MISSING)
async def test_answer_for_what_is_not_there(
    switch: str, method: str, path: str, body: object
) -> None:
    """A switch of codes says which one comes; zero and empty are successes with none."""
    [allowed] = [each.allowed for each in switches() if each.name == switch]
    for value in allowed:
        chosen: dict[str, Any] = {switch: value}
        async with running(**chosen) as (emulator, session):
            wanted = value if value.startswith("FRS") else 0
            assert await outcome(session, method, path, body) == wanted
            assert emulator.witness.applied == 0


@pytest.mark.parametrize(
    ("settings", "values", "stored"),
    [
        ({}, {"color": None}, "FRS.0012"),
        ({}, {"color": ""}, "FRS.0012"),
        ({}, {"age": ""}, "FRS.0012"),
        ({}, {"color": [1]}, "FRS.0012"),
        ({}, {"color": {}}, "FRS.0012"),
        ({"null_values": "store"}, {"age": None}, {"age": None, "color": "red"}),
        ({"null_values": "clear"}, {"age": None}, {"color": "red"}),
        ({"null_values": "clear"}, {"age": None, "color": "b"}, {"color": "b"}),
        ({"null_values": "clear"}, {"height": None}, "FRS.0402"),
        ({"empty_values": "store"}, {"age": ""}, {"age": "", "color": "red"}),
        ({"empty_values": "clear"}, {"color": ""}, {"age": 1}),
        ({"nested_values": "store"}, {"age": [1]}, {"age": [1], "color": "red"}),
        ({"nested_values": "store"}, {"age": None}, "FRS.0012"),
        ({"nested_values": "store"}, {"age": DEEP}, "FRS.0012"),
        ({"wrong_type_code": "FRS.0018"}, {"age": "x"}, "FRS.0018"),
        ({"external_fields": "replace"}, {"color": "b"}, {"color": "b"}),
        (
            {"external_fields": "replace", "null_values": "clear"},
            {"color": "b", "age": None},
            {"color": "b"},
        ),
    ],
)
async def test_odd_values(
    settings: dict[str, Any], values: dict[str, object], stored: object
) -> None:
    """Null, empty and nested values are refused, stored, or clear their field."""
    async with running(**settings) as (emulator, session):
        body = {"face_id": "f", "external_fields": values}
        said = await outcome(session, "PUT", json=body)
        kept = dict(emulator.state.face("people", "f").external_fields)
        assert stored == (kept if said == 1 else said)


async def test_cleared_fields_of_a_new_face() -> None:
    """A value that clears its field is simply not there in a new face."""
    async with running(null_values="clear") as (_, session):
        body = {"image_base64": IMAGE, "external_fields": {"age": None, "color": "b"}}
        _, content = await call(session, "POST", json=body)
        assert content["faces"][0]["external_fields"] == {"color": "b"}


async def test_lag_of_a_new_face() -> None:
    """A face just added is unknown to everybody until its lag is over."""
    clock = Clock()
    async with running(clock, lag=2.0) as (emulator, session):
        _, added = await call(session, "POST", json={"image_base64": IMAGE})
        face_id = added["faces"][0]["face_id"]
        requests = [
            ("GET", FACES, None, 1),
            ("GET", f"{FACES}?face_id={face_id}", None, "FRS.0303"),
            ("POST", "face-sets/people/search", {"face_id": face_id}, "FRS.0403"),
            ("POST", "face-sets/people/search", {"image_base64": IMAGE}, 1),
            ("PUT", FACES, {**UPDATE, "face_id": face_id}, "FRS.0303"),
            ("DELETE", f"{FACES}?face_id={face_id}", None, "FRS.0401"),
        ]
        later = [2, 1, 2, 2, 1, 1]
        clock.time = 1.9
        for method, path, body, before in requests:
            assert await outcome(session, method, path, body) == before
        assert len(emulator.state.faces("people")) == 2
        clock.time = 2.0
        for (method, path, body, _), after in zip(requests, later, strict=True):
            assert await outcome(session, method, path, body) == after


async def test_lag_of_an_update() -> None:
    """Readers see the old values until the lag of each update is over."""
    clock = Clock()
    async with running(clock, update_lag=2.0) as (emulator, session):
        seen = []
        for age in (10, 20, 30):
            body = {"face_id": "f", "external_fields": {"age": age}}
            assert await outcome(session, "PUT", json=body) == 1
            _, content = await call(session, "GET", f"{FACES}?face_id=f")
            seen.append(content["faces"][0]["external_fields"]["age"])
            clock.time += 1.0
        assert seen == [1, 1, 10]
        assert emulator.state.face("people", "f").external_fields["age"] == 30
        clock.time += 1.0
        _, content = await call(session, "GET")
        assert content["faces"][0]["external_fields"] == {"age": 30, "color": "red"}


STEPS = st.tuples(
    st.sampled_from(["seed", "late", "remove", "settle"]),
    st.sampled_from("abc"),
    st.integers(0, 5),
)


@given(steps=st.lists(STEPS, max_size=30))
def test_what_is_shown_catches_up(steps: list[tuple[str, str, int]]) -> None:
    """Once nothing is late any more, readers see the truth, whatever happened before."""
    face_set, now = FaceSet("s", "id", "date"), 0.0
    for number, (step, face_id, delay) in enumerate(steps):
        face = face_from_json({"face_id": face_id}, {}, f"i{number}")
        if step == "seed":
            face_set.put_all([face])
        elif step == "late":
            # As with one lag for all: what comes later is due later.
            face_set.put_late(face, now + 5)
        elif step == "remove" and face_id in face_set.shown:
            face_set.remove(face_id)
        elif step == "settle":
            now += delay
            face_set.settle(now)
        assert face_set.shown.keys() <= face_set.faces.keys()
    face_set.settle(float("inf"))
    assert face_set.shown == face_set.faces
