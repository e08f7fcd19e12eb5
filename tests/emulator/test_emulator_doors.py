"""The doors under /_emulator/: what tests in other processes can see and do."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from batch_updater.emulator import Emulator, EmulatorSettings

UPDATE = {"face_id": "f1", "external_fields": {"age": 7}}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator with two faces."""
    async with Emulator(EmulatorSettings(qps=50)) as running:
        running.state.add_face_set("people", external_fields={"age": "integer"})
        running.state.seed_faces("people", [{"face_id": "f1"}, {"face_id": "f2"}])
        yield running


@pytest.fixture
async def session(emulator: Emulator) -> AsyncIterator[ClientSession]:
    """A client without a token."""
    async with ClientSession(emulator.url) as made:
        yield made


async def look(session: ClientSession, door: str) -> tuple[int, Any]:
    """Look through a door."""
    async with session.get(f"/_emulator/{door}") as reply:
        return reply.status, await reply.json()


async def act(session: ClientSession, door: str, content: object) -> tuple[int, Any]:
    """Do something through a door."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    async with session.post(f"/_emulator/{door}", data=io.BytesIO(data)) as reply:
        return reply.status, await reply.json()


async def send(emulator: Emulator, session: ClientSession) -> str:
    """Send one update; return its request id."""
    path = f"/v2/{emulator.project_id}/face-sets/people/faces"
    headers = {"X-Auth-Token": emulator.token}
    async with session.put(path, json=UPDATE, headers=headers) as reply:
        return reply.headers["X-Request-Id"]


async def test_witness(emulator: Emulator, session: ClientSession) -> None:
    """The witness tells what came, how it ended, and the state of quota and faults."""
    fault = {"name": "busy", "action": "respond", "code": "FRS.0018"}
    await act(session, "script", {"fault": [fault]})
    await send(emulator, session)
    await send(emulator, session)
    assert await look(session, "witness") == (
        200,
        {
            "requests": 2,
            "in_flight": 0,
            "by_status": {"200": 1, "500": 1},
            "by_code": {"FRS.0018": 1},
            "by_operation": {"UpdateFace": 2},
            "applied": 1,
            "worst_second": 2,
            "worst_second_by_operation": {"UpdateFace": 2},
            "quota": {
                "qps": 50,
                "burst": 0,
                "count_refused": False,
                "per_operation": False,
                "per_project": False,
                "retry_after": None,
            },
            "identity": {},
            "tokens_issued": 0,
            "faults": [{"name": "busy", "times": 1, "matched": 2, "fired": 1}],
        },
    )


async def test_updates(emulator: Emulator, session: ClientSession) -> None:
    """Applied updates carry the request id their sender saw, and can be paged."""
    ids = [await send(emulator, session) for _ in range(3)]
    _, first = await look(session, "updates?limit=2")
    _, rest = await look(session, f"updates?since={first['next']}")
    updates = first["updates"] + rest["updates"]
    assert [each["request_id"] for each in updates] == ids
    assert [each["sequence"] for each in updates] == [1, 2, 3]
    assert (first["applied"], rest["next"]) == (3, 3)
    assert updates[0]["face_set_name"] == "people"
    assert updates[0]["status"] == 200


async def test_update_without_answer(
    emulator: Emulator, session: ClientSession
) -> None:
    """An update whose sender got no answer has the status "none"."""
    ticket = emulator.witness.arrive("UpdateFace", 0.0)
    emulator.witness.apply(ticket, "people", "f1", "0" * 32, None)
    _, content = await look(session, "updates")
    assert content["updates"][0]["status"] == "none"


async def test_arrivals(emulator: Emulator, session: ClientSession) -> None:
    """Arrivals are seconds since the start, in order, for all or one operation."""
    for _ in range(3):
        await send(emulator, session)
    _, every = await look(session, "arrivals")
    _, updates = await look(session, "arrivals?operation=UpdateFace")
    _, nothing = await look(session, "arrivals?operation=ShowFaceSet")
    assert every == updates
    assert every["arrivals"] == sorted(every["arrivals"])
    assert len(every["arrivals"]) == 3
    assert nothing == {"arrivals": []}


async def test_faces(emulator: Emulator, session: ClientSession) -> None:
    """The whole state of a face set can be read, whatever its size."""
    await send(emulator, session)
    status, content = await look(session, "faces/people")
    assert status == 200
    assert content["face_set_info"]["face_number"] == 2
    values = {face["face_id"]: face["external_fields"] for face in content["faces"]}
    assert values == {"f1": {"age": 7}, "f2": {}}
    assert (await look(session, "faces/nobody"))[0] == 404


async def test_seed(emulator: Emulator, session: ClientSession) -> None:
    """A seed of 20000 faces creates a set with their ids and values, in one call."""
    faces = [
        {"face_id": f"f{n}", "external_image_id": f"i{n}", "external_fields": {"n": n}}
        for n in range(20_000)
    ]
    seed = {"face_set_name": "new", "external_fields": {"n": "long"}, "faces": faces}
    status, content = await act(session, "seed", seed)
    assert (status, content["seeded"]) == (200, 20_000)
    assert content["face_set_info"]["face_number"] == 20_000
    face = emulator.state.face("new", "f123")
    assert (face.external_image_id, face.external_fields) == ("i123", {"n": 123})


async def test_seed_extends(emulator: Emulator, session: ClientSession) -> None:
    """A second seed adds faces and fields, and overwrites known faces."""
    seed = {
        "face_set_name": "people",
        "external_fields": {"name": "string"},
        "faces": [
            {"face_id": "f1", "external_fields": {"name": "x"}},
            {"face_id": "f3"},
        ],
    }
    assert (await act(session, "seed", seed))[0] == 200
    face_set = emulator.state.face_sets["people"]
    assert list(face_set.faces) == ["f1", "f2", "f3"]
    assert face_set.external_fields == {"age": "integer", "name": "string"}
    assert face_set.faces["f1"].external_fields == {"name": "x"}


@pytest.mark.parametrize(
    ("seed", "problem"),
    [
        ({}, "face_set_name is required"),
        ({"face_set_name": "people", "faces": {}}, "faces must be a list"),
        ({"face_set_name": "people", "faces": [1]}, "must be an object"),
        ({"face_set_name": "people", "faces": [{}]}, "needs a face_id"),
        ({"face_set_name": "people", "faces": [{"face_id": 1}]}, "needs a face_id"),
        (
            {"face_set_name": "people", "faces": [{"face_id": "a", "x": 1}]},
            "face 'a': unknown key 'x'",
        ),
        (
            {
                "face_set_name": "people",
                "faces": [{"face_id": "a", "external_fields": {"x": 1}}],
            },
            "face 'a': field 'x' is not declared",
        ),
        (
            {
                "face_set_name": "people",
                "faces": [{"face_id": "a", "external_image_id": 1}],
            },
            "external_image_id must be a string",
        ),
        (
            {"face_set_name": "people", "faces": [{"face_id": "a", "bounding_box": 1}]},
            "bounding_box needs",
        ),
        (
            {
                "face_set_name": "people",
                "faces": [{"face_id": "a", "external_fields": 1}],
            },
            "external_fields must be an object",
        ),
        (
            {"face_set_name": "people", "external_fields": {"age": "long"}},
            "field 'age' is a integer",
        ),
        (
            {"face_set_name": "new", "external_fields": {"age": "text"}},
            "field 'age' must be one of string",
        ),
        (
            {
                "face_set_name": "new",
                "external_fields": {f"f{n}": "long" for n in range(11)},
            },
            "at most 10 external fields",
        ),
    ],
)
async def test_bad_seed(
    emulator: Emulator, session: ClientSession, seed: object, problem: str
) -> None:
    """A seed that is wrong is refused by name, and no face changes."""
    before = emulator.state.faces("people")
    status, content = await act(session, "seed", seed)
    assert status == 400
    assert problem in content["error"]
    assert emulator.state.faces("people") == before


async def test_seed_beyond_capacity(emulator: Emulator) -> None:
    """A seed cannot put more faces into a set than it may hold."""
    emulator.state.add_face_set("small", capacity=1)
    faces = [{"face_id": "a"}, {"face_id": "b"}]
    with pytest.raises(ValueError, match="holds 1 faces at most, not 2"):
        emulator.state.seed_faces("small", faces)
    with pytest.raises(ValueError, match="'nobody' does not exist"):
        emulator.state.seed_faces("nobody", faces)
    with pytest.raises(ValueError, match="'small' exists already"):
        emulator.state.add_face_set("small")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ({"fault": [{"name": "a", "action": "explode"}]}, "fault 'a': action must be"),
        ({"faults": []}, "unknown key 'faults'"),
        (b"{", "Expecting property name"),
        (b"[]", "must be a JSON object"),
    ],
)
async def test_bad_script(
    emulator: Emulator, session: ClientSession, script: object, problem: str
) -> None:
    """A wrong script is refused with the reason, and the old one stays."""
    fault = {"name": "old", "action": "reset"}
    await act(session, "script", {"fault": [fault]})
    status, content = await act(session, "script", script)
    assert status == 400
    assert problem in content["error"]
    assert [tally.fault.name for tally in emulator.faults] == ["old"]


async def test_reset(emulator: Emulator, session: ClientSession) -> None:
    """A reset empties the witness and keeps faces."""
    await send(emulator, session)
    assert (await act(session, "reset", b""))[0] == 200
    _, content = await look(session, "witness")
    assert (content["requests"], content["applied"], content["worst_second"]) == (
        0,
    ) * 3
    assert emulator.state.face("people", "f1").external_fields == {"age": 7}


async def test_token(emulator: Emulator, session: ClientSession) -> None:
    """The token can be made to expire, made valid again, and replaced."""
    assert await act(session, "token", {"expired": True}) == (200, {"expired": True})
    await send(emulator, session)
    await act(session, "token", {"expired": False})
    await send(emulator, session)
    await act(session, "token", {"token": "second"})
    assert emulator.token == "second"
    assert emulator.witness.by_status == {"200": 1, "401": 1}
    assert (await act(session, "token", {"expired": 1}))[0] == 400


@pytest.mark.parametrize("door", ["", "nothing", "seed"])
async def test_no_such_door(session: ClientSession, door: str) -> None:
    """A door that does not exist says which ones do."""
    status, content = await look(session, door)
    assert status == 404
    assert "GET witness, updates, " in content["error"]


async def test_doors_are_not_witnessed(
    emulator: Emulator, session: ClientSession
) -> None:
    """Looking does not change what is seen, and uses no quota."""
    for _ in range(60):
        assert (await look(session, "witness"))[0] == 200
    assert emulator.witness.requests == 0


@pytest.mark.parametrize("door", ["seed", "script", "reset", "token", "revoke"])
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000])
async def test_a_body_that_is_nested_without_end(
    session: ClientSession, door: str, body: bytes
) -> None:
    """Brackets without end are a wrong body like any other, not a fault of the server."""
    status, told = await act(session, door, body)
    assert status == 400
    assert "nested" in told["error"]


async def test_a_body_that_is_not_packed_as_it_says(
    emulator: Emulator, session: ClientSession
) -> None:
    """A Content-Encoding that is not true is answered as FRS would, with 400."""
    path = f"/v2/{emulator.project_id}/face-sets/people/faces"
    headers = {
        "X-Auth-Token": emulator.token,
        "Content-Encoding": "gzip",
        "Content-Type": "application/json",
    }
    async with session.put(path, data=b"not packed", headers=headers) as reply:
        assert reply.status == 400
        assert (await reply.json())["error_code"].startswith("FRS.")
