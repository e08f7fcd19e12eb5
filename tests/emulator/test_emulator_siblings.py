"""The other face-set operations, and the gateway in front of all of them."""

import base64
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from batch_updater.emulator import Emulator, EmulatorSettings

IMAGE = base64.b64encode(b"any picture").decode()


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator without a quota and without face sets."""
    async with Emulator(EmulatorSettings(qps=None)) as running:
        yield running


@pytest.fixture
async def session(emulator: Emulator) -> AsyncIterator[ClientSession]:
    """A client of that emulator."""
    async with connect(emulator) as made:
        yield made


def connect(emulator: Emulator) -> ClientSession:
    """Return a client with the right token, at the right project."""
    base = f"{emulator.url}/v2/{emulator.project_id}/"
    return ClientSession(base, headers={"X-Auth-Token": emulator.token})


async def call(
    session: ClientSession, method: str, path: str, json: object = None
) -> tuple[int, dict[str, object]]:
    """Send one request; return status and body."""
    async with session.request(method, path, json=json) as reply:
        return reply.status, await reply.json()


async def test_create_face_set(session: ClientSession) -> None:
    """A new face set is answered with the whole FaceSetInfo (page 0088)."""
    body = {
        "face_set_name": "people",
        "face_set_capacity": "20000",
        "external_fields": {"age": {"type": "integer"}},
    }
    status, content = await call(session, "POST", "face-sets", body)
    info = content["face_set_info"]
    assert status == 200
    assert isinstance(info, dict)
    assert len(info.pop("face_set_id")) == 8
    assert len(info.pop("create_date")) == len("2019-09-09 11:33:11")
    assert info == {
        "face_number": 0,
        "face_set_name": "people",
        "face_set_capacity": 20000,
        "external_fields": {"age": {"type": "integer"}},
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "FRS.0011"),
        ({"face_set_name": ""}, "FRS.0011"),
        ({"face_set_name": 7}, "FRS.0012"),
        ({"face_set_name": "a" * 65}, "FRS.0012"),
        ({"face_set_name": "a b"}, "FRS.0012"),
        ({"face_set_name": "a", "face_set_capacity": 0}, "FRS.0012"),
        ({"face_set_name": "a", "face_set_capacity": 15_000}, "FRS.0012"),
        ({"face_set_name": "a", "face_set_capacity": 110_000}, "FRS.0012"),
        ({"face_set_name": "a", "face_set_capacity": "many"}, "FRS.0012"),
        ({"face_set_name": "a", "face_set_capacity": True}, "FRS.0012"),
        ({"face_set_name": "a", "external_fields": 1}, "FRS.0012"),
        ({"face_set_name": "a", "external_fields": {"b": "long"}}, "FRS.0012"),
        ({"face_set_name": "a", "external_fields": {"b": {"type": "x"}}}, "FRS.0012"),
        (
            {"face_set_name": "a", "external_fields": {"face_id": {"type": "long"}}},
            "FRS.0012",
        ),
        ({"face_set_name": "taken"}, "FRS.0301"),
    ],
)
async def test_create_face_set_refused(
    emulator: Emulator, session: ClientSession, body: object, code: str
) -> None:
    """A face set that breaks a rule of page 0088 is refused with its code."""
    emulator.state.add_face_set("taken")
    status, content = await call(session, "POST", "face-sets", body)
    assert (status, content["error_code"]) == (400, code)
    assert list(emulator.state.face_sets) == ["taken"]


async def test_eleventh_face_set(emulator: Emulator, session: ClientSession) -> None:
    """A user has ten face sets at most: FRS.0305."""
    for number in range(10):
        emulator.state.add_face_set(f"set{number}")
    _, content = await call(session, "POST", "face-sets", {"face_set_name": "more"})
    assert content["error_code"] == "FRS.0305"


async def test_show_and_delete(emulator: Emulator, session: ClientSession) -> None:
    """Face sets can be listed, shown and deleted."""
    emulator.state.add_face_set("people", external_fields={"age": "long"})
    emulator.state.seed_faces("people", [{"face_id": "a"}])
    _, listed = await call(session, "GET", "face-sets")
    _, shown = await call(session, "GET", "face-sets/people")
    assert listed["face_sets_info"] == [shown["face_set_info"]]
    assert isinstance(shown["face_set_info"], dict)
    assert shown["face_set_info"]["face_number"] == 1
    status, gone = await call(session, "DELETE", "face-sets/people")
    assert (status, gone) == (200, {"face_set_name": "people"})
    _, missing = await call(session, "GET", "face-sets/people")
    assert missing["error_code"] == "FRS.0302"


async def test_missing_face_set_as_empty_object() -> None:
    """GET of an unknown face set can be switched to 200 with an empty object."""
    settings = EmulatorSettings(qps=None, missing_face_set="empty")
    async with Emulator(settings) as emulator, connect(emulator) as session:
        reply = await call(session, "GET", "face-sets/nobody")
        assert reply == (200, {"face_set_info": {}})


async def test_add_face(emulator: Emulator, session: ClientSession) -> None:
    """An added face has an id of 8, a UUID if none was given, and can be found."""
    emulator.state.add_face_set("people", external_fields={"age": "integer"})
    body = {"image_base64": IMAGE, "external_fields": {"age": 3}}
    status, content = await call(session, "POST", "face-sets/people/faces", body)
    assert status == 200
    assert isinstance(content["faces"], list)
    (face,) = content["faces"]
    assert len(face["face_id"]) == 8
    assert len(face["external_image_id"]) == 36
    assert set(face["bounding_box"]) == {"width", "top_left_x", "top_left_y", "height"}
    assert face["external_fields"] == {"age": 3}
    path = f"face-sets/people/faces?face_id={face['face_id']}"
    assert await call(session, "GET", path) == (200, content)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "FRS.0011"),
        ({"image_base64": "no base64!"}, "FRS.0015"),
        ({"image_base64": IMAGE, "external_image_id": "a b"}, "FRS.0012"),
        ({"image_base64": IMAGE, "external_fields": {"size": 1}}, "FRS.0402"),
        ({"image_base64": IMAGE, "external_fields": {"age": "x"}}, "FRS.0012"),
    ],
)
async def test_add_face_refused(
    emulator: Emulator, session: ClientSession, body: object, code: str
) -> None:
    """A face that breaks a rule is refused with its code and not added."""
    emulator.state.add_face_set("people", external_fields={"age": "integer"})
    status, content = await call(session, "POST", "face-sets/people/faces", body)
    assert (status, content["error_code"]) == (400, code)
    assert emulator.state.faces("people") == []


async def test_capacity(emulator: Emulator, session: ClientSession) -> None:
    """A full face set takes no more: 403 FRS.0306."""
    emulator.state.add_face_set("people", capacity=1)
    emulator.state.seed_faces("people", [{"face_id": "a"}])
    body = {"image_base64": IMAGE}
    status, content = await call(session, "POST", "face-sets/people/faces", body)
    assert (status, content["error_code"]) == (403, "FRS.0306")


async def test_ids_are_repeatable() -> None:
    """Two emulators with the same seed make the same ids."""
    made = []
    for _ in range(2):
        async with Emulator() as emulator, connect(emulator) as session:
            emulator.state.add_face_set("people")
            body = {"image_base64": IMAGE}
            _, content = await call(session, "POST", "face-sets/people/faces", body)
            made.append(content)
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["f0", "f1", "f2", "f3", "f4"]),
        ("?limit=2", ["f0", "f1"]),
        ("?offset=5&limit=9", ["f5", "f6"]),
        ("?offset=9999&limit=1", []),
        ("?face_id=f3", ["f3"]),
    ],
)
async def test_list_faces(
    emulator: Emulator, session: ClientSession, query: str, ids: list[str]
) -> None:
    """A listing starts at offset 0 with limit 5; face_id asks for one face."""
    emulator.state.add_face_set("people")
    emulator.state.seed_faces("people", [{"face_id": f"f{n}"} for n in range(7)])
    status, content = await call(session, "GET", f"face-sets/people/faces{query}")
    assert status == 200
    assert isinstance(content["faces"], list)
    assert [face["face_id"] for face in content["faces"]] == ids


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("face-sets/people/faces?offset=9996", "FRS.0012"),
        ("face-sets/people/faces?limit=-1", "FRS.0012"),
        ("face-sets/people/faces?limit=x", "FRS.0012"),
        ("face-sets/people/faces?face_id=nobody", "FRS.0303"),
        ("face-sets/nobody/faces", "FRS.0302"),
        ("face-sets/nobody/faces?face_id=a", "FRS.0302"),
    ],
)
async def test_list_faces_refused(
    emulator: Emulator, session: ClientSession, path: str, code: str
) -> None:
    """A listing beyond the window of 10000, or of nothing, is refused."""
    emulator.state.add_face_set("people")
    status, content = await call(session, "GET", path)
    assert (status, content["error_code"]) == (400, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v3/{project}/face-sets"),
        ("GET", "/v2/{project}/face-sets/"),
        ("GET", "/v2/{project}/faces"),
        ("PATCH", "/v2/{project}/face-sets/people/faces"),
        ("PUT", "/v2/{project}/face-sets/people"),
        ("PUT", "/v2/{project}/face-sets/people/faces/x"),
        ("DELETE", "/v2/{project}/face-sets/people/faces/x"),
    ],
)
async def test_unknown_route(
    emulator: Emulator, session: ClientSession, method: str, path: str
) -> None:
    """A path or method FRS or the emulator does not have: 404 APIGW.0101."""
    path = path.format(project=emulator.project_id)
    async with session.request(method, path) as reply:
        content = await reply.json()
        assert reply.status == 404
        assert content["error_code"] == "APIGW.0101"
        assert content["request_id"] == reply.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("token", "code", "message"),
    [
        ("", "APIGW.0301", "x-auth-token not found"),
        ("wrong", "APIGW.0301", "decrypt token fail"),
    ],
)
async def test_bad_token(
    emulator: Emulator, session: ClientSession, token: str, code: str, message: str
) -> None:
    """Without the token the gateway says 401, and why."""
    headers = {"X-Auth-Token": token}
    async with session.get("face-sets", headers=headers) as reply:
        content = await reply.json()
    assert (reply.status, content["error_code"]) == (401, code)
    start = "Incorrect IAM authentication information: "
    assert content["error_msg"] == start + message


async def test_expired_token(emulator: Emulator, session: ClientSession) -> None:
    """An expired token gets 401 APIGW.0307 until it is valid again."""
    emulator.expire_token()
    status, content = await call(session, "GET", "face-sets")
    assert (status, content["error_code"]) == (401, "APIGW.0307")
    assert content["error_msg"] == "The token must be updated."
    emulator.expire_token(expired=False)
    assert (await call(session, "GET", "face-sets"))[0] == 200


async def test_new_token(emulator: Emulator, session: ClientSession) -> None:
    """A newly issued token is let in, and the one before has expired."""
    emulator.issue_token("second")
    _, content = await call(session, "GET", "face-sets")
    assert content["error_code"] == "APIGW.0307"
    async with connect(emulator) as renewed:
        assert (await call(renewed, "GET", "face-sets"))[0] == 200


async def test_other_project(emulator: Emulator, session: ClientSession) -> None:
    """A project that is not the token's gets 403 FRS.0028."""
    status, content = await call(session, "GET", "/v2/other/face-sets")
    assert (status, content["error_code"]) == (403, "FRS.0028")


async def test_request_ids(session: ClientSession) -> None:
    """Every reply, an error too, carries its own X-Request-Id of 32 hex digits."""
    seen = set()
    for path in ("face-sets", "face-sets/nobody", "nowhere"):
        async with session.get(path) as reply:
            seen.add(int(reply.headers["X-Request-Id"], 16))
            assert len(reply.headers["X-Request-Id"]) == 32
    assert len(seen) == 3


async def test_quota_over_the_wire() -> None:
    """Calls beyond the quota get 429 FRS.0033, with Retry-After when it is set."""
    settings = EmulatorSettings(qps=2, retry_after=3)
    # A clock that stands still puts every call into the same second.
    async with Emulator(settings, clock=lambda: 0.0) as emulator:
        async with connect(emulator) as session:
            replies = [await session.get("face-sets") for _ in range(3)]
            assert [reply.status for reply in replies] == [200, 200, 429]
            assert (await replies[2].json())["error_code"] == "FRS.0033"
            assert replies[2].headers["Retry-After"] == "3"
        assert emulator.witness.by_code == {"FRS.0033": 1}


async def test_latency_precedes_the_answer() -> None:
    """A request travels for a while, whether it is answered well or refused."""
    settings = EmulatorSettings(latency=0.002, jitter=0.001)
    async with Emulator(settings) as emulator, connect(emulator) as session:
        assert (await call(session, "GET", "face-sets"))[0] == 200
        assert (await call(session, "GET", "nowhere"))[0] == 404
        assert emulator.witness.by_status == {"200": 1, "404": 1}


@pytest.mark.parametrize(
    "wrong",
    [{"qps": 0}, {"latency": -1}, {"retry_after": -1}, {"port": 70000}],
)
def test_settings_out_of_range(wrong: dict[str, int]) -> None:
    """A setting out of its range is refused when it is made."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EmulatorSettings(**wrong)  # type: ignore[arg-type]


def test_settings_unknown_choice() -> None:
    """A switch that does not exist is refused by name."""
    with pytest.raises(ValueError, match="external_fields"):
        EmulatorSettings(external_fields="mix")  # type: ignore[arg-type]


async def test_instances_are_independent() -> None:
    """Two emulators in one process share nothing."""
    async with Emulator() as one, Emulator() as other, connect(one) as session:
        one.state.add_face_set("people")
        await call(session, "GET", "face-sets")
        assert other.state.face_sets == {}
        assert (one.witness.requests, other.witness.requests) == (1, 0)


def test_url_before_the_start() -> None:
    """An emulator that does not listen has no address to give."""
    with pytest.raises(RuntimeError, match="not started"):
        _ = Emulator().url
