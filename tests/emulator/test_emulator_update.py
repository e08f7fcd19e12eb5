"""UpdateFace over a real socket: every documented check, and what a success changes."""

import asyncio
import io
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from batch_updater.emulator import Emulator, EmulatorSettings

FIELDS = {
    "text": "string",
    "int": "integer",
    "long": "long",
    "float": "float",
    "double": "double",
    "flag": "boolean",
}
FACES = "face-sets/people/faces"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator without a quota and with one face."""
    async with Emulator(EmulatorSettings(qps=None)) as running:
        furnish(running)
        yield running


@pytest.fixture
async def session(emulator: Emulator) -> AsyncIterator[ClientSession]:
    """A client of that emulator."""
    async with connect(emulator) as made:
        yield made


def furnish(emulator: Emulator) -> None:
    """Give an emulator one face set with one face."""
    emulator.state.add_face_set("people", external_fields=FIELDS)
    seed = {"face_id": "iexEBb6t", "external_fields": {"text": "old", "int": 1}}
    emulator.state.seed_faces("people", [seed])


def connect(emulator: Emulator) -> ClientSession:
    """Return a client with the right token, at the right project."""
    headers = {"X-Auth-Token": emulator.token, "Content-Type": "application/json"}
    base = f"{emulator.url}/v2/{emulator.project_id}/"
    return ClientSession(base, headers=headers)


async def put(
    session: ClientSession, body: object, path: str = FACES
) -> tuple[int, dict[str, object]]:
    """Send one update; a body that is not bytes goes as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with session.put(path, data=data) as reply:
        return reply.status, await reply.json()


def update(**members: object) -> dict[str, object]:
    """Return the body of an update of the seeded face."""
    return {"face_id": "iexEBb6t", **members}


def fields(**values: object) -> dict[str, object]:
    """Return an update of these custom fields."""
    return update(external_fields=values)


REFUSED = [
    (b"", "FRS.0014"),
    (b"{", "FRS.0014"),
    (b"[1]", "FRS.0014"),
    (b'"text"', "FRS.0014"),
    (b"\xff", "FRS.0014"),
    (b'{"face_id": NaN}', "FRS.0014"),
    (b"[" * 100_000, "FRS.0014"),
    ({"external_image_id": "a"}, "FRS.0011"),
    ({"face_id": "", "external_image_id": "a"}, "FRS.0011"),
    ({"face_id": None, "external_image_id": "a"}, "FRS.0011"),
    ({"face_id": 1, "external_image_id": "a"}, "FRS.0012"),
    (update(), "FRS.0011"),
    (update(external_image_id=None), "FRS.0011"),
    (update(external_image_id=""), "FRS.0012"),
    (update(external_image_id=1), "FRS.0012"),
    (update(external_image_id="a" * 37), "FRS.0012"),
    (update(external_image_id="a b"), "FRS.0012"),
    (update(external_image_id="a\n"), "FRS.0012"),
    (update(external_image_id="\u00e4"), "FRS.0012"),
    (update(external_fields=[]), "FRS.0012"),
    (update(external_fields="text"), "FRS.0012"),
    (fields(**{f"f{n}": 1 for n in range(11)}), "FRS.0012"),
    (fields(**{"": "x"}), "FRS.0012"),
    (fields(**{"a" * 37: "x"}), "FRS.0012"),
    (fields(**{"a b": "x"}), "FRS.0012"),
    (fields(vector="x"), "FRS.0012"),
    (fields(_id="x"), "FRS.0012"),
    (fields(similarity=1), "FRS.0012"),
    (fields(text=""), "FRS.0012"),
    (fields(text="a" * 257), "FRS.0012"),
    (fields(text=1), "FRS.0012"),
    (fields(text=None), "FRS.0012"),
    (fields(text=["a"]), "FRS.0012"),
    (fields(text={"a": 1}), "FRS.0012"),
    (fields(int="1"), "FRS.0012"),
    (fields(int=1.0), "FRS.0012"),
    (fields(int=True), "FRS.0012"),
    (fields(int=2**31), "FRS.0012"),
    (fields(int=-(2**31) - 1), "FRS.0012"),
    (fields(long=2**63), "FRS.0012"),
    (fields(long=10**400), "FRS.0012"),
    (fields(float=1e39), "FRS.0012"),
    (fields(float="1.0"), "FRS.0012"),
    (fields(double=10**400), "FRS.0012"),
    (fields(double=False), "FRS.0012"),
    (b'{"face_id":"iexEBb6t","external_fields":{"double":1e999}}', "FRS.0012"),
    (fields(flag=1), "FRS.0012"),
    (fields(flag="true"), "FRS.0012"),
    (fields(unknown="x"), "FRS.0402"),
    (fields(text="new", unknown="x"), "FRS.0402"),
    ({"face_id": "missing0", "external_image_id": "a"}, "FRS.0303"),
    ({"face_id": "missing0", "external_fields": {"unknown": 1}}, "FRS.0402"),
]


@pytest.mark.parametrize(("body", "code"), REFUSED)
async def test_refused(
    emulator: Emulator, session: ClientSession, body: object, code: str
) -> None:
    """A body that breaks a documented rule gets 400 with its code and changes nothing."""
    before = emulator.state.face("people", "iexEBb6t")
    status, content = await put(session, body)
    assert (status, content["error_code"]) == (400, code)
    assert set(content) == {"error_code", "error_msg"}
    assert emulator.state.face("people", "iexEBb6t") is before
    assert emulator.witness.by_code == {code: 1}
    assert emulator.witness.applied == 0


ACCEPTED = [
    {"text": "a"},
    {"text": "a" * 256},
    {"text": "张三 and 'more'"},
    {"int": 2**31 - 1},
    {"int": -(2**31)},
    {"long": 2**63 - 1},
    {"long": -(2**63)},
    {"float": 1.5},
    {"float": 3},
    {"float": -3.4e38},
    {"double": 1.7e308},
    {"double": 2**60},
    {"flag": False},
    {"text": "a", "int": 1, "long": 1, "float": 1, "double": 1, "flag": True},
    {},
]


@pytest.mark.parametrize("values", ACCEPTED)
async def test_accepted(
    emulator: Emulator, session: ClientSession, values: dict[str, object]
) -> None:
    """Valid values are answered with face_number 1 and stored beside the old ones."""
    status, content = await put(session, fields(**values))
    face_set = emulator.state.face_sets["people"]
    assert status == 200
    assert content == {
        "face_number": 1,
        "face_set_id": face_set.face_set_id,
        "face_set_name": "people",
    }
    stored = emulator.state.face("people", "iexEBb6t").external_fields
    assert stored == {"text": "old", "int": 1, **values}


async def test_missing_content_type(emulator: Emulator) -> None:
    """An update without a Content-Type header gets FRS.0010."""
    url = f"{emulator.url}/v2/{emulator.project_id}/{FACES}"
    async with (
        ClientSession(skip_auto_headers=["Content-Type"]) as bare,
        bare.put(url, data=b"{}", headers={"X-Auth-Token": emulator.token}) as reply,
    ):
        assert reply.status == 400
        assert (await reply.json())["error_code"] == "FRS.0010"


async def test_unknown_face_set(session: ClientSession) -> None:
    """An update in a face set that does not exist gets FRS.0302."""
    status, content = await put(session, fields(text="a"), "face-sets/nobody/faces")
    assert (status, content["error_code"]) == (400, "FRS.0302")


@pytest.mark.parametrize("announced", [True, False])
async def test_body_too_large(session: ClientSession, announced: bool) -> None:
    """A body above 1 MiB gets FRS.0017, with and without a Content-Length."""
    large = b" " * ((1 << 20) + 1)

    async def chunks() -> AsyncIterator[bytes]:
        yield large

    body = io.BytesIO(large) if announced else chunks()
    async with session.put(FACES, data=body) as reply:
        assert reply.status == 400
        assert (await reply.json())["error_code"] == "FRS.0017"


async def test_documented_sample(session: ClientSession) -> None:
    """An unknown face is answered with the sample message of the API page."""
    _, content = await put(session, {"face_id": "zzzzzzzz", "external_image_id": "a"})
    assert content["error_msg"] == "The face id is not exist, checkout your input."


async def test_later_duplicate_key_wins(
    emulator: Emulator, session: ClientSession
) -> None:
    """A JSON key given twice is not refused: the later one wins (page 0012)."""
    body = b'{"face_id":"iexEBb6t","external_fields":{"int":5,"int":6}}'
    status, _ = await put(session, body)
    assert status == 200
    assert emulator.state.face("people", "iexEBb6t").external_fields["int"] == 6


async def test_empty_fields_change_nothing(
    emulator: Emulator, session: ClientSession
) -> None:
    """An empty object counts as given: it is accepted, and merges nothing."""
    before = emulator.state.face("people", "iexEBb6t")
    assert (await put(session, fields()))[0] == 200
    assert emulator.state.face("people", "iexEBb6t") == before


async def test_image_id_alone_keeps_fields(
    emulator: Emulator, session: ClientSession
) -> None:
    """An update of the image id leaves the custom fields alone, and the other way."""
    await put(session, update(external_image_id="new-id_1"))
    await put(session, fields(int=2))
    face = emulator.state.face("people", "iexEBb6t")
    assert face.external_image_id == "new-id_1"
    assert face.external_fields == {"text": "old", "int": 2}


async def test_replace() -> None:
    """With `replace` the fields that an update does not name are gone."""
    settings = EmulatorSettings(qps=None, external_fields="replace")
    async with Emulator(settings) as emulator, connect(emulator) as session:
        furnish(emulator)
        await put(session, fields(long=7))
        face = emulator.state.face("people", "iexEBb6t")
        assert face.external_fields == {"long": 7}


async def test_other_missing_face_code() -> None:
    """The code of an unknown face can be switched to FRS.0403."""
    settings = EmulatorSettings(qps=None, missing_face_code="FRS.0403")
    async with Emulator(settings) as emulator, connect(emulator) as session:
        furnish(emulator)
        _, content = await put(session, {"face_id": "x", "external_image_id": "a"})
        assert content["error_code"] == "FRS.0403"


@pytest.mark.parametrize(
    ("values", "status"),
    [({"int": "7"}, 200), ({"flag": 1}, 200), ({"text": None}, 400), ({"x": 1}, 400)],
)
async def test_lenient_types(values: dict[str, object], status: int) -> None:
    """Lenient types take any scalar in any declared field, and nothing else."""
    settings = EmulatorSettings(qps=None, field_types="lenient")
    async with Emulator(settings) as emulator, connect(emulator) as session:
        furnish(emulator)
        assert (await put(session, fields(**values)))[0] == status


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"int": "7", "float": "1e3", "text": 7, "flag": "true"}, 200),
        ({"int": 1.5, "long": "-9.2e18", "double": 7}, 200),
        ({"int": "seven"}, 400),
        ({"int": "2147483648"}, 400),
        ({"long": "1e999"}, 400),
        ({"int": False}, 400),
        ({"flag": 1}, 400),
        ({"double": "NaN"}, 400),
        ({"text": None}, 400),
    ],
)
async def test_coerced_types(values: dict[str, object], status: int) -> None:
    """What can be read as a field's type is taken, and stored as it was given."""
    settings = EmulatorSettings(qps=None, field_types="coerce")
    async with Emulator(settings) as emulator, connect(emulator) as session:
        furnish(emulator)
        assert (await put(session, fields(**values)))[0] == status
        stored = emulator.state.face("people", "iexEBb6t").external_fields
        assert (values.items() <= stored.items()) == (status == 200)


@pytest.mark.parametrize(("value", "status"), [("a-b_1", 200), ("a b", 400)])
async def test_strict_strings(value: str, status: int) -> None:
    """Strict strings allow the letters of page 0012 only."""
    settings = EmulatorSettings(qps=None, string_values="strict")
    async with Emulator(settings) as emulator, connect(emulator) as session:
        furnish(emulator)
        assert (await put(session, fields(text=value)))[0] == status


async def test_concurrent_updates_are_atomic(
    emulator: Emulator, session: ClientSession
) -> None:
    """Updates sent side by side each land whole, in the order of the account."""

    async def one(number: int) -> None:
        await put(session, fields(int=number, long=number))

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(one(number))
    stored = emulator.state.face("people", "iexEBb6t").external_fields
    assert stored["int"] == stored["long"]
    assert [each.sequence for each in emulator.witness.updates()] == [*range(1, 51)]
