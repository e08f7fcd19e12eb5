"""SearchFace: the most similar faces, and what a search may ask for."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, FormData
from hypothesis import given
from hypothesis import strategies as st

from batch_updater.emulator import Emulator, EmulatorSettings
from batch_updater.emulator.state.picture import MARKER, portraits, similarity

FIELDS = {"age": "integer", "size": "double", "color": "string"}
SEARCH = "face-sets/people/search"
FACES = "face-sets/people/faces"
PRINTS = st.integers(0, 2**64 - 1)


def image(name: str) -> dict[str, object]:
    """Return a body with a picture."""
    return {"image_base64": base64.b64encode(name.encode()).decode()}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator without a quota and with an empty face set."""
    async with Emulator(EmulatorSettings(qps=None)) as running:
        running.state.add_face_set("people", external_fields=FIELDS)
        yield running


@pytest.fixture
async def session(emulator: Emulator) -> AsyncIterator[ClientSession]:
    """A client of that emulator, after five pictures were added."""
    async with connect(emulator) as made:
        await add_five(made)
        yield made


def connect(emulator: Emulator) -> ClientSession:
    """Return a client with the right token, at the right project."""
    base = f"{emulator.url}/v2/{emulator.project_id}/"
    return ClientSession(base, headers={"X-Auth-Token": emulator.token})


async def add_five(session: ClientSession) -> None:
    """Add five pictures, the ages of two of them the same, one without an age."""
    for number, age in enumerate([30, 10, 20, 10, None]):
        fields: dict[str, object] = {"size": number / 2, "color": f"c{number}"}
        if age is not None:
            fields["age"] = age
        body = image(f"p{number}") | {
            "external_fields": fields,
            "external_image_id": f"p{number}",
        }
        assert (await post(session, FACES, body))[0] == 200


async def post(session: ClientSession, path: str, body: object) -> tuple[int, Any]:
    """Send one POST; return status and body."""
    async with session.post(path, json=body) as reply:
        return reply.status, await reply.json()


async def names(session: ClientSession, **body: object) -> list[str]:
    """Search; return the image ids of the faces that were found."""
    status, content = await post(session, SEARCH, image("p2") | body)
    assert status == 200, content
    return [face["external_image_id"] for face in content["faces"]]


@given(one=PRINTS, other=PRINTS)
def test_similarity(one: int, other: int) -> None:
    """Likeness is from 0 to 1, the same both ways, and 1 for the same print alone."""
    alike = similarity(one, other)
    assert 0 <= alike <= 1
    assert alike == similarity(other, one)
    assert (alike == 1) == (one == other)


@given(picture=st.binary().filter(lambda each: not MARKER.search(each)))
def test_the_same_picture_shows_the_same_face(picture: bytes) -> None:
    """A face depends on its picture's bytes alone, and stays inside 64 bits."""
    [face] = portraits(picture)
    assert portraits(picture) == [face]
    assert 0 <= face.fingerprint < 2**64
    assert min(face.box) >= 0


async def test_shape_of_a_result(emulator: Emulator, session: ClientSession) -> None:
    """A result is a face with its similarity, and the fields that were asked for."""
    body = image("p2") | {"top_n": 1, "return_fields": ["age", "size"]}
    face = emulator.state.faces("people")[2]
    fields = {"age": 20, "size": 1.0}
    found = {**face.as_json(), "external_fields": fields, "similarity": 1.0}
    assert await post(session, SEARCH, body) == (200, {"faces": [found]})


async def test_every_way_to_search(emulator: Emulator, session: ClientSession) -> None:
    """The same picture is found by its base64, file and URL, and a face by its id."""
    url = "https://bucket.obs.example.com/p.jpg"
    await post(session, FACES, {"image_url": url})
    form = FormData({"top_n": "1", "threshold": "0.9"})
    form.add_field("image_file", b"p2", filename="p.jpg")
    faces = emulator.state.faces("people")
    async with session.post(SEARCH, data=form) as reply:
        by_file = await reply.json()
    replies = [
        (by_file, faces[2]),
        ((await post(session, SEARCH, image("p2") | {"top_n": 1}))[1], faces[2]),
        ((await post(session, SEARCH, {"image_url": url, "top_n": 1}))[1], faces[5]),
        ((await post(session, SEARCH, {"face_id": faces[1].face_id}))[1], faces[1]),
    ]
    for content, face in replies:
        assert content["faces"][0]["face_id"] == face.face_id
        assert content["faces"][0]["similarity"] == 1.0
        assert content["faces"][0]["external_fields"] == {}


async def test_order_and_limits(session: ClientSession) -> None:
    """The most similar come first; top_n and threshold cut the end off."""
    _, content = await post(session, SEARCH, image("p2"))
    alike = [face["similarity"] for face in content["faces"]]
    every = await names(session)
    assert alike == sorted(alike, reverse=True)
    assert sorted(every) == ["p0", "p1", "p2", "p3", "p4"]
    assert await names(session, top_n=2) == every[:2]
    assert await names(session, threshold=1) == ["p2"]
    assert await names(session, threshold=alike[2]) == every[:3]


async def test_sort_and_filter(session: ClientSession) -> None:
    """A sort orders by fields, one after the other, missing ones last."""
    by_age = [{"age": "asc"}, {"size": "desc"}]
    assert await names(session, sort=by_age) == ["p3", "p1", "p2", "p0", "p4"]
    falling = [{"age": "desc"}, {"size": "asc"}]
    assert await names(session, sort=falling) == ["p0", "p2", "p1", "p3", "p4"]
    assert await names(session, filter="age:10", sort=by_age) == ["p3", "p1"]
    assert await names(session, filter="age:99") == []


async def test_all_fields() -> None:
    """By a switch a search that names no fields returns all of them."""
    settings = EmulatorSettings(qps=None, search_fields="all")
    async with Emulator(settings) as emulator, connect(emulator) as session:
        emulator.state.add_face_set("people", external_fields=FIELDS)
        await add_five(session)
        _, content = await post(session, SEARCH, image("p4") | {"top_n": 1})
        assert content["faces"][0]["external_fields"] == {"size": 2.0, "color": "c4"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "FRS.0011"),
        ({"face_id": "nobody"}, "FRS.0403"),
        ({"face_id": ""}, "FRS.0011"),
        ({"face_id": "a", **image("p")}, "FRS.0012"),
        (image("emulator-faces=0"), "FRS.0304"),
        ({"image_base64": "?"}, "FRS.0015"),
        ({"image_url": "?"}, "FRS.0021"),
        (image("p") | {"top_n": 0}, "FRS.0012"),
        (image("p") | {"top_n": 1001}, "FRS.0012"),
        (image("p") | {"top_n": "5"}, "FRS.0012"),
        (image("p") | {"top_n": True}, "FRS.0012"),
        (image("p") | {"threshold": 1.1}, "FRS.0012"),
        (image("p") | {"threshold": -0.1}, "FRS.0012"),
        (image("p") | {"threshold": "0.5"}, "FRS.0012"),
        (image("p") | {"sort": {"age": "asc"}}, "FRS.0012"),
        (image("p") | {"sort": [{}]}, "FRS.0012"),
        (image("p") | {"sort": [{"color": "asc"}]}, "FRS.0032"),
        (image("p") | {"sort": [{"height": "asc"}]}, "FRS.0032"),
        (image("p") | {"sort": [{"age": "up"}]}, "FRS.0032"),
        (image("p") | {"sort": [{"age": ["asc"]}]}, "FRS.0032"),
        (image("p") | {"filter": "age:"}, "FRS.0012"),
        (image("p") | {"filter": 7}, "FRS.0012"),
        (image("p") | {"return_fields": "age"}, "FRS.0012"),
        (image("p") | {"return_fields": [7]}, "FRS.0012"),
        (image("p") | {"return_fields": ["height"]}, "FRS.0402"),
    ],
)
async def test_search_refused(session: ClientSession, body: object, code: str) -> None:
    """A search that breaks a rule is refused with its code."""
    status, content = await post(session, SEARCH, body)
    assert (status, content["error_code"]) == (400, code)


async def test_search_in_no_face_set(session: ClientSession) -> None:
    """A search in an unknown face set gets FRS.0302."""
    _, content = await post(session, "face-sets/nobody/search", image("p"))
    assert content["error_code"] == "FRS.0302"
