"""Adding, listing, showing and deleting faces over a real socket."""

import base64
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from batch_updater.emulator import Emulator, EmulatorSettings

FACES = "face-sets/people/faces"
FIELDS = {"age": "integer", "color": "string", "male": "boolean"}
URL = "https://bucket.obs.cn-north-4.myhuaweicloud.com/one.jpg"


def image(text: str) -> dict[str, object]:
    """Return the body of an added picture."""
    return {"image_base64": base64.b64encode(text.encode()).decode()}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator without a quota and with three faces."""
    async with Emulator(EmulatorSettings(qps=None)) as running:
        furnish(running)
        yield running


@pytest.fixture
async def session(emulator: Emulator) -> AsyncIterator[ClientSession]:
    """A client of that emulator."""
    async with connect(emulator) as made:
        yield made


def furnish(emulator: Emulator) -> None:
    """Give an emulator a face set with three faces."""
    emulator.state.add_face_set("people", external_fields=FIELDS)
    values: list[dict[str, object]] = [
        {"age": 10, "color": "red", "male": True},
        {"age": 20, "color": "red*"},
        {"age": 30, "color": "brown", "male": False},
    ]
    seeds = [
        {"face_id": f"f{n}", "external_image_id": f"i{n % 2}", "external_fields": each}
        for n, each in enumerate(values)
    ]
    emulator.state.seed_faces("people", seeds)


def connect(emulator: Emulator, version: str = "v2") -> ClientSession:
    """Return a client with the right token, at the right project."""
    base = f"{emulator.url}/{version}/{emulator.project_id}/"
    return ClientSession(base, headers={"X-Auth-Token": emulator.token})


async def call(
    session: ClientSession, method: str, path: str, json: object = None
) -> tuple[int, Any]:
    """Send one request; return status and body."""
    async with session.request(method, path, json=json) as reply:
        return reply.status, await reply.json()


def left(emulator: Emulator) -> list[str]:
    """Return the face ids that are left."""
    return [face.face_id for face in emulator.state.faces("people")]


async def send_form(session: ClientSession, **fields: str | bytes) -> tuple[int, Any]:
    """Add a face by a form; bytes go as a file."""
    form = FormData()
    for name, value in fields.items():
        named = "x.jpg" if isinstance(value, bytes) else None
        form.add_field(name, value, filename=named)
    async with session.post(FACES, data=form) as reply:
        return reply.status, await reply.json()


async def test_the_three_ways_to_add(emulator: Emulator) -> None:
    """A picture is added by base64, file and URL, over v1 as over v2."""
    fields = {"external_image_id": "mine", "external_fields": {"age": 7}}
    texts = {"external_image_id": "mine", "external_fields": '{"age": 7}'}
    for version in ("v1", "v2"):
        async with connect(emulator, version) as session:
            replies = [
                await call(session, "POST", FACES, image("a") | fields),
                await call(session, "POST", FACES, {"image_url": URL} | fields),
                await send_form(session, image_file=b"\r\n--a\xff\n", **texts),
            ]
        for status, content in replies:
            [face] = content["faces"]
            assert status == 200
            assert face["external_image_id"] == "mine"
            assert face["external_fields"] == {"age": 7}
            assert content["face_set_name"] == "people"
    assert len(left(emulator)) == 3 + 6


@pytest.mark.parametrize(
    ("count", "single", "added"),
    [("one", None, 1), ("emulator-faces=3", False, 3), ("emulator-faces=3", True, 1)],
)
async def test_several_faces_in_a_picture(
    session: ClientSession, count: str, single: bool | None, added: int
) -> None:
    """A picture's marker says how many faces it shows; `single` takes the largest."""
    content = (await call(session, "POST", FACES, image(count) | {"single": single}))[1]
    every = (await call(session, "POST", FACES, image(count)))[1]["faces"]
    sides = [face["bounding_box"]["width"] for face in content["faces"]]
    assert len(sides) == added
    assert sides[0] == max(face["bounding_box"]["width"] for face in every)
    assert len({face["external_image_id"] for face in content["faces"]}) == 1


async def test_marker_in_a_url(session: ClientSession) -> None:
    """A URL stands for its picture, with the marker too."""
    body = {"image_url": URL + "?emulator-faces=2"}
    _, content = await call(session, "POST", FACES, body)
    assert len(content["faces"]) == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"image_base64": ""}, "FRS.0011"),
        ({"image_base64": 7}, "FRS.0012"),
        ({"image_base64": "YQ=="} | {"image_url": URL}, "FRS.0012"),
        (image("a") | {"single": "yes"}, "FRS.0012"),
        (image("emulator-faces=0"), "FRS.0404"),
        ({"image_file": "text"}, "FRS.0012"),
        ({"image_url": "http://bucket.example/one.jpg"}, "FRS.0021"),
        ({"image_url": "one.jpg"}, "FRS.0021"),
        ({"image_url": "https://host"}, "FRS.0021"),
        ({"image_url": "https://host/with space"}, "FRS.0021"),
        ({"image_url": "\ud800"}, "FRS.0021"),
    ],
)
async def test_picture_refused(
    emulator: Emulator, session: ClientSession, body: object, code: str
) -> None:
    """A picture that breaks a rule is refused with its code, and none is added."""
    status, content = await call(session, "POST", FACES, body)
    assert (status, content["error_code"]) == (400, code)
    assert left(emulator) == ["f0", "f1", "f2"]


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 400)])
async def test_size_of_a_picture(
    session: ClientSession, more: int, status: int
) -> None:
    """A picture has 8 MB at most: FRS.0013."""
    body = json.dumps(image("a" * ((8 << 20) + more))).encode()
    typed = {"Content-Type": "application/json"}
    async with session.post(FACES, data=io.BytesIO(body), headers=typed) as reply:
        content = await reply.json()
    assert reply.status == status
    assert content.get("error_code", "FRS.0013") == "FRS.0013"


async def test_object_path_of_a_picture(session: ClientSession) -> None:
    """The path of an object is taken as the URL of a picture."""
    status, _ = await call(session, "POST", FACES, {"image_url": "/bucket/one.jpg"})
    assert status == 200


async def test_empty_file(session: ClientSession) -> None:
    """A form with an empty file gets FRS.0013."""
    _, content = await send_form(session, image_file=b"")
    assert content["error_code"] == "FRS.0013"


@pytest.mark.parametrize(
    ("start", "status"),
    [(b"\xff\xd8\xff", 200), (b"\x89PNG\r\n\x1a\n", 200), (b"BM", 200), (b"GIF8", 400)],
)
async def test_strict_formats(start: bytes, status: int) -> None:
    """With strict formats a file is a JPG, PNG or BMP by its first bytes: FRS.0016."""
    settings = EmulatorSettings(qps=None, image_format="strict")
    async with Emulator(settings) as emulator, connect(emulator) as session:
        furnish(emulator)
        got, content = await send_form(session, image_file=start + b"...")
        assert got == status
        assert content.get("error_code", "FRS.0016") == "FRS.0016"


async def test_capacity_of_a_group(emulator: Emulator, session: ClientSession) -> None:
    """A picture of more faces than there is room for adds none: FRS.0306."""
    emulator.state.face_sets["people"].capacity = 4
    status, content = await call(session, "POST", FACES, image("emulator-faces=2"))
    assert (status, content["error_code"]) == (403, "FRS.0306")
    assert len(left(emulator)) == 3


@pytest.mark.parametrize(
    ("query", "gone"),
    [
        ("face_id=f1", ["f1"]),
        ("external_image_id=i0", ["f0", "f2"]),
        ("age=10", ["f0"]),
        ("color=red", ["f0"]),
        ("color=red*", ["f1"]),
        ("male=false", ["f2"]),
    ],
)
async def test_delete(
    emulator: Emulator, session: ClientSession, query: str, gone: list[str]
) -> None:
    """Every face with the value goes, its place is free, and the answer counts them."""
    status, content = await call(session, "DELETE", f"{FACES}?{query}")
    face_set = emulator.state.face_sets["people"]
    assert status == 200
    assert content == {
        "face_number": len(gone),
        "face_set_id": face_set.face_set_id,
        "face_set_name": "people",
    }
    assert left(emulator) == [each for each in ("f0", "f1", "f2") if each not in gone]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "FRS.0011"),
        ("?face_id=f0&external_image_id=i0", "FRS.0012"),
        ("?color=red&color=brown", "FRS.0012"),
        ("?face_id=nobody", "FRS.0401"),
        ("?face_id=", "FRS.0401"),
        ("?color=", "FRS.0012"),
        ("?age=ten", "FRS.0012"),
        ("?age=99", "FRS.0401"),
        ("?height=1", "FRS.0402"),
        ("?offset=0", "FRS.0402"),
    ],
)
async def test_delete_refused(
    emulator: Emulator, session: ClientSession, query: str, code: str
) -> None:
    """A delete that means no face, or is not clear, deletes nothing."""
    status, content = await call(session, "DELETE", FACES + query)
    assert (status, content["error_code"]) == (400, code)
    assert len(left(emulator)) == 3


async def test_batch_delete(emulator: Emulator, session: ClientSession) -> None:
    """A filter deletes all the faces it means; its errors name the place."""
    path = f"{FACES}/batch"
    body = {"filter": "age:[20 TO *] && (!color:br*)"}
    assert (await call(session, "DELETE", path, body))[1]["face_number"] == 1
    assert left(emulator) == ["f0", "f2"]
    _, none = await call(session, "DELETE", path, {"filter": "age:99"})
    _, wrong = await call(session, "DELETE", path, {"filter": "age:[1 TO"})
    _, missing = await call(session, "DELETE", path, {})
    codes = [each["error_code"] for each in (none, wrong, missing)]
    assert codes == ["FRS.0401", "FRS.0012", "FRS.0011"]
    assert "at character 10" in wrong["error_msg"]


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("added", ["f0", "f1", "f2"]),
        ("reverse", ["f2", "f1", "f0"]),
        ("shuffled", ["f1", "f0", "f2"]),
    ],
)
async def test_list_order(order: Any, ids: list[str]) -> None:
    """A listing has the order of the switch, the same on every page."""
    settings = EmulatorSettings(qps=None, list_order=order)
    async with Emulator(settings) as emulator, connect(emulator) as session:
        furnish(emulator)
        listed: list[str] = []
        for offset in range(3):
            path = f"{FACES}?offset={offset}&limit=1"
            _, content = await call(session, "GET", path)
            listed += [face["face_id"] for face in content["faces"]]
        assert listed == ids


async def test_operations_of_the_account(
    emulator: Emulator, session: ClientSession
) -> None:
    """The witness counts by route, and a fault can name the SDK's operation."""
    emulator.script([])
    await call(session, "POST", FACES, image("a"))
    await call(session, "POST", FACES, {"image_url": URL})
    await call(session, "POST", "face-sets/people/search", {"face_id": "f0"})
    for query in ("face_id=x", "external_image_id=x", "age=99"):
        await call(session, "DELETE", f"{FACES}?{query}")
    await call(session, "DELETE", f"{FACES}/batch", {"filter": "age:99"})
    assert emulator.witness.by_operation == {
        "AddFaces": 2,
        "SearchFace": 1,
        "DeleteFaceByFaceId": 1,
        "DeleteFaceByExternalImageId": 1,
        "DeleteFaceByField": 1,
        "BatchDeleteFaces": 1,
    }


async def test_separate_versions() -> None:
    """Face sets of v1 and v2 are the same ones, or by a switch two worlds."""
    settings = EmulatorSettings(qps=None, versions="separate")
    async with Emulator(settings) as emulator:
        furnish(emulator)
        async with connect(emulator, "v1") as session:
            _, before = await call(session, "GET", "face-sets")
            await call(session, "POST", "face-sets", {"face_set_name": "old"})
    assert before == {"face_sets_info": []}
    assert list(emulator.state.face_sets) == ["people"]
    project = emulator.project_id
    assert list(emulator.state_of(project, "v1").face_sets) == ["old"]


async def test_projects_are_isolated(emulator: Emulator) -> None:
    """What one project has, another has not, up to ten face sets each."""
    other = emulator.state_of("other")
    other.add_face_set("people")
    assert other.faces("people") == []
    assert len(left(emulator)) == 3
    assert other.face_sets["people"].face_set_id != (
        emulator.state.face_sets["people"].face_set_id
    )


async def test_doors_of_another_project(emulator: Emulator) -> None:
    """A seed and a look can name a project and a version."""
    seed = {"face_set_name": "far", "project_id": "other", "faces": [{"face_id": "a"}]}
    async with ClientSession(emulator.url) as session:
        data = json.dumps(seed).encode()
        assert (await session.post("/_emulator/seed", data=data)).status == 200
        here = await session.get("/_emulator/faces/far")
        there = await session.get("/_emulator/faces/far?project_id=other&version=v1")
        wrong = await session.get("/_emulator/faces/far?version=v3")
    assert [here.status, there.status, wrong.status] == [404, 200, 400]
    assert list(emulator.state_of("other").face_sets["far"].faces) == ["a"]
