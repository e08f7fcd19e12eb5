"""The official SDK as a client: each operation by its own model classes."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from batch_updater.emulator import Emulator, EmulatorSettings

IMAGE = base64.b64encode(b"any picture").decode()
URL = "https://bucket.obs.example.com/one.jpg"

Ask = Callable[..., Any]


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK's module; importing it writes into the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    import huaweicloudsdkfrs.v2 as module

    return module


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator without a quota and without face sets."""
    async with Emulator(EmulatorSettings(qps=None)) as running:
        yield running


@pytest.fixture
def ask(sdk: Any, emulator: Emulator) -> Ask:
    """Call an operation of the SDK by its name in snake case; return its response."""
    client = make_client(sdk, emulator)

    async def asked(operation: str, body: Any = None, **members: Any) -> Any:
        kind = "".join(word.capitalize() for word in operation.split("_"))
        request = getattr(sdk, f"{kind}Request")(**members)
        if body is not None:
            request.body = body
        return await asyncio.to_thread(getattr(client, operation), request)

    return asked


def make_client(sdk: Any, emulator: Emulator) -> Any:
    """Return a client that signs."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials

    keys = BasicCredentials("emulator-ak", "emulator-sk", emulator.project_id)
    builder = sdk.FrsClient.new_builder().with_credentials(keys)
    return builder.with_endpoint(emulator.url).build()


async def test_face_sets(sdk: Any, ask: Ask) -> None:
    """A face set is made, listed, shown and deleted."""
    body = sdk.CreateFaceSetReq(
        face_set_name="people", external_fields={"age": sdk.TypeInfo(type="integer")}
    )
    made = (await ask("create_face_set", body)).face_set_info
    listed = (await ask("show_all_face_sets")).face_sets_info
    shown = (await ask("show_face_set", face_set_name="people")).face_set_info
    gone = await ask("delete_face_set", face_set_name="people")
    assert (made.face_set_capacity, made.face_number) == (100_000, 0)
    assert listed == [shown] == [made]
    assert gone.face_set_name == "people"


async def test_adding(sdk: Any, emulator: Emulator, ask: Ask, tmp_path: Path) -> None:
    """A face is added by base64, URL and file, and its fields arrive."""
    from huaweicloudsdkcore.http.formdata import FormFile

    emulator.state.add_face_set("people", external_fields={"age": "integer"})
    picture = tmp_path / "one.jpg"
    picture.write_bytes(b"\xff\xd8\xff\r\n--")
    given = {"external_image_id": "mine", "single": True}
    by_base64 = sdk.AddFacesBase64Req(
        image_base64=IMAGE, external_fields={"age": 7}, **given
    )
    by_url = sdk.AddFacesUrlReq(image_url=URL, external_fields={"age": 7}, **given)
    with picture.open("rb") as file:
        by_file = sdk.AddFacesByFileRequestBody(
            image_file=FormFile(file), external_fields='{"age": 7}', **given
        )
        bodies = {"base64": by_base64, "url": by_url, "file": by_file}
        for kind, body in bodies.items():
            operation = f"add_faces_by_{kind}"
            reply = await ask(operation, body, face_set_name="people")
            [face] = reply.faces
            assert (face.external_image_id, face.external_fields["age"]) == ("mine", 7)
            assert face.bounding_box.width == face.bounding_box.height
            assert reply.x_request_id


async def test_showing_updating_and_deleting(
    sdk: Any, emulator: Emulator, ask: Ask
) -> None:
    """Faces are listed, shown, updated and deleted, each as its page says."""
    emulator.state.add_face_set("people", external_fields={"age": "integer"})
    seeds = [{"face_id": f"f{n}", "external_image_id": f"i{n}"} for n in range(4)]
    emulator.state.seed_faces("people", seeds)
    body = sdk.UpdateFaceReq(face_id="f3", external_fields={"age": 7})
    assert (await ask("update_face", body, face_set_name="people")).face_number == 1
    listed = await ask("show_faces_by_limit", face_set_name="people", offset=1, limit=2)
    shown = await ask("show_faces_by_face_id", face_set_name="people", face_id="f3")
    assert [face.face_id for face in listed.faces] == ["f1", "f2"]
    assert shown.faces[0].external_fields == {"age": 7}
    gone = [
        await ask("delete_face_by_face_id", face_set_name="people", face_id="f0"),
        await ask(
            "delete_face_by_external_image_id",
            face_set_name="people",
            external_image_id="i1",
        ),
        await ask(
            "batch_delete_faces",
            sdk.DeleteFacesBatchReq(filter="age:[5 TO *]"),
            face_set_name="people",
        ),
    ]
    assert [each.face_number for each in gone] == [1, 1, 1]
    assert [face.face_id for face in emulator.state.faces("people")] == ["f2"]


async def test_searching(
    sdk: Any, emulator: Emulator, ask: Ask, tmp_path: Path
) -> None:
    """A face is found by base64, URL, file and id, with all that a search may ask."""
    from huaweicloudsdkcore.http.formdata import FormFile

    emulator.state.add_face_set("people", external_fields={"age": "integer"})
    body = sdk.AddFacesBase64Req(image_base64=IMAGE, external_fields={"age": 7})
    added = await ask("add_faces_by_base64", body, face_set_name="people")
    body = sdk.AddFacesUrlReq(image_url=URL)
    await ask("add_faces_by_url", body, face_set_name="people")
    picture = tmp_path / "one.jpg"
    picture.write_bytes(b"any picture")
    listed = {"filter": "age:7", "top_n": 1, "threshold": 0.9}
    more = {"sort": [{"age": "asc"}], "return_fields": ["age"], **listed}
    texts = {"sort": '[{"age": "asc"}]', "return_fields": '["age"]', **listed}
    with picture.open("rb") as file:
        bodies = {
            "base64": sdk.FaceSearchBase64Req(image_base64=IMAGE, **more),
            "face_id": sdk.FaceSearchFaceIdReq(face_id=added.faces[0].face_id, **more),
            "file": sdk.SearchFaceByFileRequestBody(image_file=FormFile(file), **texts),
        }
        for kind, asked in bodies.items():
            reply = await ask(f"search_face_by_{kind}", asked, face_set_name="people")
            [face] = reply.faces
            assert (face.similarity, face.external_fields) == (1.0, {"age": 7})
    asked = sdk.FaceSearchUrlReq(image_url=URL, threshold=1)
    [face] = (await ask("search_face_by_url", asked, face_set_name="people")).faces
    assert face.similarity == 1.0


async def test_errors(sdk: Any, ask: Ask) -> None:
    """A refusal reaches the SDK's user with code, message and request id."""
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    body = sdk.UpdateFaceReq(face_id="f3", external_image_id="a")
    with pytest.raises(ClientRequestException) as refused:
        await ask("update_face", body, face_set_name="nobody")
    assert refused.value.error_code == "FRS.0302"
    assert refused.value.error_msg == "The face set does not exist."
    assert refused.value.request_id
