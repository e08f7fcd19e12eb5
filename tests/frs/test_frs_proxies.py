"""Proxies: which one leads to a URL, and that their passwords never show."""

import pytest

from batch_updater.errors import UsageError
from batch_updater.frs.proxies import Proxy, check_asked, find_proxy, parse_proxy

CANARY = "canary-Pa55"
FRS = "https://face.cn-north-4.myhuaweicloud.com"
PROXY = "http://proxy.example.com:3128"


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        (PROXY, Proxy(PROXY)),
        ("proxy.example.com:3128", Proxy(PROXY)),
        ("https://proxy.example.com", Proxy("https://proxy.example.com")),
        ("http://u:p%40ss@proxy.example.com:3128/", Proxy(PROXY, "u", "p@ss")),
        ("http://[::1]:3128", Proxy("http://[::1]:3128")),
    ],
)
def test_proxies_are_read(text: str, proxy: Proxy) -> None:
    """User and password are taken out of the URL, decoded."""
    assert parse_proxy(text, "HTTPS_PROXY") == proxy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://",
        f"socks5://u:{CANARY}@proxy:1080",
        f"http://u:{CANARY}@proxy:99999",
        f"http://u:{CANARY}@[::1",
        f"http://u:{CANARY}@{'a' * 64}.com",
        f"http://u:{CANARY}@a..b:3128",
        f"http://u:{CANARY}\udcff@proxy:3128",
    ],
)
def test_bad_proxies(text: str) -> None:
    """What cannot be a proxy is refused by the name of its variable, unseen."""
    with pytest.raises(UsageError) as caught:
        parse_proxy(text, "HTTPS_PROXY")
    assert "HTTPS_PROXY" in caught.value.message
    assert CANARY not in caught.value.message + caught.value.hint


def test_a_flag_carries_no_password() -> None:
    """Flags are seen by everybody: user and password have variables of their own."""
    with pytest.raises(ValueError, match="BATCH_UPDATER_PROXY_PASSWORD") as caught:
        check_asked(f"http://user:{CANARY}@proxy.example.com:3128")
    assert CANARY not in str(caught.value)
    assert check_asked("proxy.example.com:3128") == PROXY
    assert check_asked("off") == "off"
    with pytest.raises(ValueError, match="SOCKS"):
        check_asked("socks5://proxy.example.com:1080")


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY),
        ({"HTTP_PROXY": PROXY, "http_proxy": PROXY}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "a.b, .myhuaweicloud.com"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*.myhuaweicloud.com"}, None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "face.cn-north-4.myhuaweicloud.com"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "cloud.com"}, PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "myhuaweicloud.com:8443"}, PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": " ,"}, PROXY),
        ({"HTTPS_PROXY": ""}, None),
    ],
)
def test_the_environment_s_proxy(environ: dict[str, str], found: str | None) -> None:
    """HTTPS_PROXY leads to https, NO_PROXY names hosts and domains, not endings."""
    proxy = find_proxy(FRS, environ)
    assert (proxy and proxy.url) == found


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:8099", "http://localhost:1", "http://[::1]:8099"),
        *("http://169.254.169.254", "http://[fe80::1]"),
    ],
)
def test_this_machine_is_reached_straight(url: str) -> None:
    """Neither the emulator nor the metadata service is asked for at a company's proxy."""
    environ = {"http_proxy": PROXY, "https_proxy": PROXY, "all_proxy": PROXY}
    assert find_proxy(url, environ) is None
    assert find_proxy("http://frs.internal", environ) == Proxy(PROXY)


def test_a_port_in_no_proxy() -> None:
    """host:port excepts that port alone."""
    environ = {"https_proxy": PROXY, "no_proxy": "frs.internal:8443"}
    assert find_proxy("https://frs.internal:8443", environ) is None
    assert find_proxy("https://frs.internal", environ) == Proxy(PROXY)


@pytest.mark.parametrize(
    ("url", "named", "excepted"),
    [
        ("https://[2001:db8::1]", "2001:db8::1", True),
        ("https://[2001:db8::1]", "[2001:db8::1]", True),
        ("https://[2001:DB8:0:0::1]:8443", "[2001:db8::1]:8443", True),
        ("https://[2001:db8::1]", "[2001:db8::1]:8443", False),
        ("https://[2001:db8::1]", "2001:db8::/32", True),
        ("https://[2001:db8::1]", "10.0.0.0/8", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "10.1.2.3:443", True),
        ("https://10.1.2.3:8443", "10.1.2.3:443", False),
        ("https://frs.internal", "10.0.0.0/8", False),
        ("https://frs.internal", "frs.internal:443", True),
        ("https://FRS.Internal.", "frs.internal", True),
        ("https://frs.internal", "INTERNAL.", True),
        ("https://frs.internal", ".", False),
        ("https://frs.internal", "[", False),
    ],
)
def test_spellings_in_no_proxy(url: str, named: str, excepted: bool) -> None:
    """Addresses, networks, usual ports, capitals and a full stop at the end count."""
    proxy = find_proxy(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": f"x, {named}"})
    assert (proxy is None) == excepted


def test_no_password_in_any_rendering() -> None:
    """repr shows where the proxy is, not who we are to it."""
    proxy = parse_proxy(f"http://u:{CANARY}@proxy.example.com", "HTTPS_PROXY")
    assert CANARY not in f"{proxy!r} {proxy}"
