"""Regions and their hosts (FRS API page 0057)."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from batch_updater.errors import UsageError

REGIONS = (
    "cn-north-4",
    "cn-east-3",
    "cn-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "cn-north-1",
)


def endpoint_of_region(region: str) -> str:
    """Return the https endpoint of a region, or raise UsageError."""
    if region not in REGIONS:
        known = ", ".join(REGIONS)
        raise UsageError(
            f"region {region!r} has no known FRS endpoint",
            hint=f"Known regions: {known}. For another one give --endpoint URL.",
        )
    return f"https://face.{region}.myhuaweicloud.com"


def check_endpoint(url: str, *, allow_http: bool) -> str:
    """Return the endpoint without a trailing slash; http only where it is safe."""
    if any(sign in url for sign in "@?#"):
        raise UsageError("--endpoint is a plain URL: no user, query or fragment")
    parts = _split(url)
    if not parts or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(
            f"--endpoint {url!r} is not a URL",
            hint="It looks like https://face.cn-north-4.myhuaweicloud.com",
        )
    if parts.scheme == "http" and not (allow_http or is_loopback(parts.hostname)):
        raise UsageError(
            f"--endpoint {url!r} would send the token unencrypted",
            hint="Use https, or say --allow-http if the network is yours.",
        )
    return url.rstrip("/")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is none
    except ValueError:
        return None
    return None if any(c.isspace() for c in url) else parts


def is_loopback(host: str) -> bool:
    """Return whether a host name can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
