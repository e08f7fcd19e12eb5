"""The official SDK as a client that signs: let in, and told what is wrong."""

import asyncio
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest

from batch_updater.emulator import Emulator, EmulatorSettings

NAME = "a b/c\u4f60~%41+&=?#"
VALUES = {"n": "\u4f60\u597d \U0001f600 \u00e9", "age": 7}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator with two face sets and a second project."""
    made = EmulatorSettings(qps=None, projects={"cn-east-3": "p2"})
    async with Emulator(made) as running:
        fields = {"n": "string", "age": "integer"}
        running.state.add_face_set("people", external_fields=fields)
        running.state.seed_faces("people", [{"face_id": "f1"}])
        running.state.add_face_set(NAME)
        yield running


def client(frs: ModuleType, url: str, credentials: Any, region: str = "") -> Any:
    """Return an FrsClient for these credentials."""
    from huaweicloudsdkcore.region.region import Region

    builder = frs.FrsClient.new_builder().with_credentials(credentials)
    if region:
        return builder.with_region(Region(region, url)).build()
    return builder.with_endpoint(url).build()


def basic(emulator: Emulator, ak: str = "emulator-ak", sk: str = "emulator-sk") -> Any:
    """Return the SDK's credentials for the default project."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials

    return BasicCredentials(ak, sk, emulator.project_id)


async def test_calls(frs: ModuleType, emulator: Emulator) -> None:
    """Signed calls pass, with names to encode and values in any script."""

    def work() -> Any:
        made = client(frs, emulator.url, basic(emulator))
        sets = made.show_all_face_sets(frs.ShowAllFaceSetsRequest())
        one = made.show_face_set(frs.ShowFaceSetRequest(face_set_name=NAME))
        body = frs.UpdateFaceReq(face_id="f1", external_fields=VALUES)
        request = frs.UpdateFaceRequest(
            face_set_name="people", enterprise_project_id="x y", body=body
        )
        updated = made.update_face(request)
        return (
            {info.face_set_name for info in sets.face_sets_info},
            one.face_set_info.face_set_name,
            (updated.face_number, updated.face_set_name, len(updated.x_request_id)),
        )

    names, shown, updated = await asyncio.to_thread(work)
    assert names == {"people", NAME}
    assert shown == NAME
    assert updated == (1, "people", 32)
    assert emulator.state.face("people", "f1").external_fields == VALUES


async def test_temporary_key(frs: ModuleType, emulator: Emulator) -> None:
    """A temporary key with its security token passes."""
    key = emulator.issue_key(60)
    credentials = basic(emulator, key.access, key.secret)
    credentials.with_security_token(key.security_token)
    made = client(frs, emulator.url, credentials)
    request = frs.ShowAllFaceSetsRequest()
    sets = await asyncio.to_thread(made.show_all_face_sets, request)
    assert len(sets.face_sets_info) == 2


async def test_project_by_region(frs: ModuleType, emulator: Emulator) -> None:
    """The SDK finds the project id of a region by itself, at IAM."""
    credentials = basic(emulator).with_iam_endpoint(emulator.url)
    credentials.project_id = None
    made = await asyncio.to_thread(client, frs, emulator.url, credentials, "cn-east-3")
    assert credentials.project_id == "p2"
    await asyncio.to_thread(made.show_all_face_sets, frs.ShowAllFaceSetsRequest())
    assert emulator.witness.identity == {"ListProjects": 1}
    assert emulator.witness.by_status == {"200": 1}


async def test_wrong_secret(frs: ModuleType, emulator: Emulator) -> None:
    """A wrong secret is told as such, with the request id, and locks the key."""
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    made = client(frs, emulator.url, basic(emulator, sk="wrong"))

    def attempt() -> Any:
        with pytest.raises(ClientRequestException) as caught:
            made.show_all_face_sets(frs.ShowAllFaceSetsRequest())
        return caught.value

    problems = [await asyncio.to_thread(attempt) for _ in range(7)]
    assert {(each.status_code, each.error_code) for each in problems} == {
        (401, "APIGW.0301")
    }
    assert "verify aksk signature fail" in problems[5].error_msg
    assert "AK access failed to reach the limit" in problems[6].error_msg
    assert all(len(each.request_id) == 32 for each in problems)
