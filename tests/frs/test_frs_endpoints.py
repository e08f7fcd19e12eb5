"""Regions and endpoints: where requests may go."""

from pathlib import Path

import pytest

from batch_updater.errors import UsageError
from batch_updater.frs.endpoints import (
    REGIONS,
    check_endpoint,
    endpoint_of_region,
    is_loopback,
    region_of_endpoint,
)

NOWHERE = {"HUAWEICLOUD_SDK_REGIONS_FILE": "/dev/null"}


@pytest.mark.parametrize("region", REGIONS)
def test_regions_have_an_endpoint(region: str) -> None:
    """Each known region has its host, over https."""
    assert (
        endpoint_of_region(region, NOWHERE)
        == f"https://face.{region}.myhuaweicloud.com"
    )


def test_unknown_regions_are_refused() -> None:
    """An unknown region is not guessed; the hint lists the known ones."""
    with pytest.raises(UsageError) as caught:
        endpoint_of_region("cn-north-9", NOWHERE)
    assert "cn-north-9" in caught.value.message
    assert "cn-north-4" in caught.value.hint
    assert "--endpoint" in caught.value.hint


def test_the_sdk_s_names_for_regions(tmp_path: Path) -> None:
    """The SDK's variable goes first, then its regions.yaml, then the documents."""
    file = tmp_path / "regions.yaml"
    file.write_text(
        "FRS:\n- id: cn-north-9\n  endpoint: https://nine.example.com\n"
        "- id: cn-north-4\n  endpoints: [https://four.example.com, https://x]\n"
        "- id: broken\n- 5\n"
    )
    environ = {"HUAWEICLOUD_SDK_REGIONS_FILE": str(file)}
    assert endpoint_of_region("cn-north-9", environ) == "https://nine.example.com"
    assert endpoint_of_region("cn-north-4", environ) == "https://four.example.com"
    environ["HUAWEICLOUD_SDK_REGION_FRS_CN_NORTH_9"] = "https://a, https://b"
    assert endpoint_of_region("cn-north-9", environ) == "https://a"
    with pytest.raises(UsageError, match="broken"):
        endpoint_of_region("broken", environ)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), ("a: [", "no YAML")]
)
def test_bad_regions_files(tmp_path: Path, content: str | None, said: str) -> None:
    """A regions file that is named must be one."""
    file = tmp_path / "regions.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=said):
        endpoint_of_region("x", {"HUAWEICLOUD_SDK_REGIONS_FILE": str(file)})


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://face.cn-north-4.myhuaweicloud.com", "cn-north-4"),
        ("https://face.ap-new-9.myhuaweicloud.com:443/x", "ap-new-9"),
        ("https://face.cn-north-4.myhuaweicloud.com.evil.com", None),
        ("https://frs.example.com", None),
        ("http://127.0.0.1:8099", None),
    ],
)
def test_the_region_of_an_endpoint(url: str, region: str | None) -> None:
    """A documented host names its region; of others nothing is guessed."""
    assert region_of_endpoint(url) == region


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://face.example.com", "https://face.example.com"),
        ("https://face.example.com/", "https://face.example.com"),
        ("https://proxy.example.com/frs//", "https://proxy.example.com/frs"),
        ("HTTPS://face.example.com", "HTTPS://face.example.com"),
        ("http://127.0.0.1:8099", "http://127.0.0.1:8099"),
        ("http://127.8.8.8:8099", "http://127.8.8.8:8099"),
        ("http://localhost:1/", "http://localhost:1"),
        ("http://LOCALHOST", "http://LOCALHOST"),
        ("http://[::1]:8099", "http://[::1]:8099"),
    ],
)
def test_good_endpoints(url: str, endpoint: str) -> None:
    """https anywhere, http to this machine; no slash at the end."""
    assert check_endpoint(url, allow_http=False) == endpoint


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is not a URL"),
        ("face.example.com", "is not a URL"),
        ("//face.example.com", "is not a URL"),
        ("ftp://face.example.com", "is not a URL"),
        ("https://", "is not a URL"),
        ("https:///path", "is not a URL"),
        ("http://[::1", "is not a URL"),
        ("https://face.example.com:99999", "is not a URL"),
        ("https://face.example.com:port", "is not a URL"),
        ("https://face.example.com /x", "is not a URL"),
        ("https://face.example.com\n", "is not a URL"),
        ("https://face.example.com?x=1", "no user, query or fragment"),
        ("https://face.example.com?", "no user, query or fragment"),
        ("https://face.example.com/#", "no user, query or fragment"),
        ("https://user:canary@face.example.com", "no user, query or fragment"),
        ("ftp://user:canary@face.example.com", "no user, query or fragment"),
        ("http://face.example.com", "unencrypted"),
        ("http://localhost.example.com", "unencrypted"),
        ("http://127.0.0.1.example.com", "unencrypted"),
        ("http://0.0.0.0", "unencrypted"),
        ("http://192.168.1.1", "unencrypted"),
    ],
)
def test_bad_endpoints(url: str, said: str) -> None:
    """What cannot be a service's address is refused before a token goes there."""
    with pytest.raises(UsageError) as caught:
        check_endpoint(url, allow_http=False)
    assert said in caught.value.message
    assert "canary" not in caught.value.message


def test_http_can_be_allowed() -> None:
    """--allow-http is the user's word that the network is theirs."""
    assert (
        check_endpoint("http://frs.internal", allow_http=True) == "http://frs.internal"
    )


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104  (that nobody may take it for this machine)
        ("10.0.0.1", False),
        ("localhost.evil.com", False),
        ("", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    """Only what can mean nothing but this machine counts as loopback."""
    assert is_loopback(host) is loopback
