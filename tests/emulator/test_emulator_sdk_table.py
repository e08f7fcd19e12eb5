"""The official SDK's table of operations: every one on face sets and faces, signed."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from batch_updater.emulator import Emulator, EmulatorSettings, Fault

FACE_SET = "people"
IMAGE = base64.b64encode(b"any picture").decode()
URL = "https://bucket.obs.example.com/one.jpg"
OURS = re.compile(
    r"\w*face_sets?|add_faces\w*|show_faces\w*|update_face|delete_face\w*"
)
MORE = re.compile(r"batch_delete_faces|search_face_by_\w+")


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator without a quota and without face sets."""
    async with Emulator(EmulatorSettings(qps=None)) as running:
        yield running


def client(frs: ModuleType, emulator: Emulator, kind: str = "FrsClient") -> Any:
    """Return a client of the SDK that signs."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials

    keys = BasicCredentials("emulator-ak", "emulator-sk", emulator.project_id)
    builder = getattr(frs, kind).new_builder().with_credentials(keys)
    return builder.with_endpoint(emulator.url).build()


class Table:
    """Calls operations of the SDK, and writes down what each came to."""

    def __init__(self, frs: ModuleType, made: Any) -> None:
        self.rows: dict[str, str] = {}
        self._frs, self._client = frs, made

    def call(
        self, operation: str, told: Callable[[Any], Any], body: Any = None, **query: Any
    ) -> Any:
        """Call an operation on the face set; `told` takes from its response."""
        kind = "".join(word.capitalize() for word in operation.split("_"))
        named = {"face_set_name": FACE_SET} | query
        if operation in ("create_face_set", "show_all_face_sets"):
            named = {}
        request = getattr(self._frs, f"{kind}Request")(**named)
        if body is not None:
            request.body = body
        response = getattr(self._client, operation)(request)
        assert response.x_request_id
        self.rows[operation] = told(response)
        return response


def fill(table: Table, frs: ModuleType, picture: Path) -> None:
    """Call every operation once, in an order in which each has something to do."""
    from huaweicloudsdkcore.http.formdata import FormFile

    age = {"age": frs.TypeInfo(type="integer")}
    made = frs.CreateFaceSetReq(face_set_name=FACE_SET, external_fields=age)
    table.call("create_face_set", lambda r: r.face_set_info.face_set_capacity, made)
    table.call("show_all_face_sets", lambda r: len(r.face_sets_info))
    table.call("show_face_set", lambda r: r.face_set_info.face_number)

    def added(response: Any) -> Any:
        return response.faces[0].external_image_id

    by_base64 = frs.AddFacesBase64Req(image_base64=IMAGE, external_image_id="one")
    by_url = frs.AddFacesUrlReq(image_url=URL, external_image_id="two")
    first = table.call("add_faces_by_base64", added, by_base64).faces[0].face_id
    second = table.call("add_faces_by_url", added, by_url).faces[0].face_id
    with picture.open("rb") as file:
        by_file = frs.AddFacesByFileRequestBody(
            image_file=FormFile(file), external_image_id="three"
        )
        table.call("add_faces_by_file", added, by_file)

    def counted(response: Any) -> Any:
        return response.face_number

    update = frs.UpdateFaceReq(face_id=first, external_fields={"age": 7})
    table.call("update_face", counted, update)
    table.call("show_faces_by_limit", lambda r: len(r.faces), offset=0, limit=10)
    shown = "show_faces_by_face_id"
    table.call(shown, lambda r: r.faces[0].external_fields["age"], face_id=first)
    search(table, frs, picture, first)
    table.call("delete_face_by_face_id", counted, face_id=second)
    named = {"external_image_id": "three"}
    table.call("delete_face_by_external_image_id", counted, **named)
    batch = frs.DeleteFacesBatchReq(filter="age:[5 TO *]")
    table.call("batch_delete_faces", counted, batch)
    table.call("delete_face_set", lambda r: r.face_set_name)


def search(table: Table, frs: ModuleType, picture: Path, face_id: str) -> None:
    """Search for a face in the four ways there are."""
    from huaweicloudsdkcore.http.formdata import FormFile

    def best(response: Any) -> Any:
        return response.faces[0].similarity

    by_base64 = frs.FaceSearchBase64Req(image_base64=IMAGE, top_n=1)
    table.call("search_face_by_base64", best, by_base64)
    by_url = frs.FaceSearchUrlReq(image_url=URL, top_n=1)
    table.call("search_face_by_url", best, by_url)
    by_face_id = frs.FaceSearchFaceIdReq(face_id=face_id, top_n=1)
    table.call("search_face_by_face_id", best, by_face_id)
    with picture.open("rb") as file:
        by_file = frs.SearchFaceByFileRequestBody(image_file=FormFile(file), top_n=1)
        table.call("search_face_by_file", best, by_file)


async def test_the_table(frs: ModuleType, emulator: Emulator, tmp_path: Path) -> None:
    """Every operation on face sets and faces that the SDK has succeeds, once each."""
    picture = tmp_path / "one.jpg"
    picture.write_bytes(b"any picture")
    made = client(frs, emulator)
    table = Table(frs, made)
    await asyncio.to_thread(fill, table, frs, picture)

    named = [name.removesuffix("_invoker") for name in dir(made)]
    offered = {n for n in named if OURS.fullmatch(n) or MORE.fullmatch(n)}
    assert set(table.rows) == offered
    assert table.rows == {
        "create_face_set": 100_000,
        "show_all_face_sets": 1,
        "show_face_set": 0,
        "add_faces_by_base64": "one",
        "add_faces_by_url": "two",
        "add_faces_by_file": "three",
        "update_face": 1,
        "show_faces_by_limit": 3,
        "show_faces_by_face_id": 7,
        "search_face_by_base64": 1.0,
        "search_face_by_url": 1.0,
        "search_face_by_face_id": 1.0,
        "search_face_by_file": 1.0,
        "delete_face_by_face_id": 1,
        "delete_face_by_external_image_id": 1,
        "batch_delete_faces": 1,
        "delete_face_set": FACE_SET,
    }
    assert emulator.witness.by_status == {"200": len(table.rows)}
    assert not emulator.state.face_sets


async def test_other_ways_to_call(frs: ModuleType, emulator: Emulator) -> None:
    """The asynchronous client and the invoker, with a retry of its own, work too."""
    from huaweicloudsdkcore.retry.backoff_strategy import BackoffStrategies

    emulator.state.add_face_set(FACE_SET)
    emulator.state.seed_faces(FACE_SET, [{"face_id": "f"}])
    error = Fault(name="error", action="respond", code="FRS.0018", after=1)
    emulator.script([error])
    body = frs.UpdateFaceReq(face_id="f", external_image_id="a")
    request = frs.UpdateFaceRequest(face_set_name=FACE_SET, body=body)

    def work() -> tuple[Any, Any]:
        made = client(frs, emulator, "FrsAsyncClient")
        first = made.update_face_async(request).result()
        invoker = client(frs, emulator).update_face_invoker(request)
        retried = invoker.with_retry(
            lambda _, error: error is not None, 2, BackoffStrategies.NONE
        )
        return first, retried.invoke()

    replies = await asyncio.to_thread(work)

    assert [reply.face_number for reply in replies] == [1, 1]
    assert emulator.witness.by_status == {"200": 2, "500": 1}


async def test_what_the_sdk_makes_of_a_429(frs: ModuleType, emulator: Emulator) -> None:
    """A throttled POST keeps code and request id; a PUT loses both in the SDK."""
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    emulator.script(
        [
            Fault(name=name, action="respond", operation=name, code="FRS.0033")
            for name in ("CreateFaceSet", "UpdateFace")
        ]
    )
    made = client(frs, emulator)
    new = frs.CreateFaceSetRequest()
    new.body = frs.CreateFaceSetReq(face_set_name=FACE_SET)
    body = frs.UpdateFaceReq(face_id="f", external_image_id="a")
    update = frs.UpdateFaceRequest(face_set_name=FACE_SET, body=body)

    def refused(operation: str, request: Any) -> tuple[int, str, int]:
        with pytest.raises(ClientRequestException) as caught:
            getattr(made, operation)(request)
        error = caught.value
        return error.status_code, error.error_code, len(error.request_id)

    post = await asyncio.to_thread(refused, "create_face_set", new)
    put = await asyncio.to_thread(refused, "update_face", update)

    assert post == (429, "FRS.0033", 32)
    assert put == (429, "429", 0)
