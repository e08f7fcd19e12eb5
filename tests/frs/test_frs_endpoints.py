"""Regions and endpoints: where requests may go."""

import pytest

from batch_updater.errors import UsageError
from batch_updater.frs.endpoints import (
    REGIONS,
    check_endpoint,
    endpoint_of_region,
    is_loopback,
)


@pytest.mark.parametrize("region", REGIONS)
def test_regions_have_an_endpoint(region: str) -> None:
    """Each known region has its host, over https."""
    assert endpoint_of_region(region) == f"https://face.{region}.myhuaweicloud.com"


def test_unknown_regions_are_refused() -> None:
    """An unknown region is not guessed; the hint lists the known ones."""
    with pytest.raises(UsageError) as caught:
        endpoint_of_region("cn-north-9")
    assert "cn-north-9" in caught.value.message
    assert "cn-north-4" in caught.value.hint
    assert "--endpoint" in caught.value.hint


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
