"""Regions and their hosts (FRS API page 0057), and the SDK's ways to name others."""

import ipaddress
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from batch_updater.errors import UsageError
from batch_updater.frs.secret_files import find_file, read_secret_file

REGIONS = (
    "cn-north-4",
    "cn-east-3",
    "cn-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "cn-north-1",
)
REGION_VARIABLE = "HUAWEICLOUD_SDK_REGION_FRS_"
REGIONS_FILE_VARIABLE = "HUAWEICLOUD_SDK_REGIONS_FILE"
REGIONS_FILE = Path("~/.huaweicloud/regions.yaml")
METADATA_ENDPOINT = "http://169.254.169.254"
_FRS_HOST = re.compile(r"face\.([a-z0-9-]+)\.myhuaweicloud\.com")


def endpoint_of_region(region: str, environ: Mapping[str, str]) -> str:
    """
    Return the endpoint of a region, unchecked.

    What HUAWEICLOUD_SDK_REGION_FRS_<REGION> says wins, then regions.yaml, then the
    documented hosts.

    Raises:
        UsageError: nobody knows the region.
    """
    variable = REGION_VARIABLE + region.replace("-", "_").upper()
    if said := environ.get(variable):
        return said.split(",")[0].strip()
    if said := _regions_of_file(environ).get(region):
        return said
    if region in REGIONS:
        return documented_endpoint(region)
    known = ", ".join(REGIONS)
    raise UsageError(
        f"region {region!r} has no known FRS endpoint",
        hint=f"Known regions: {known}. For another one give --endpoint URL, or set "
        f"{variable}.",
    )


def documented_endpoint(region: str) -> str:
    """Return the endpoint that a region has by the documents' pattern."""
    return f"https://face.{region}.myhuaweicloud.com"


def iam_endpoint_of(region: str) -> str:
    """Return where IAM of a region issues tokens (facts page, section 6)."""
    return f"https://iam.{region}.myhuaweicloud.com"


def region_of_endpoint(url: str) -> str | None:
    """Return the region that a documented FRS host names, or None."""
    found = _FRS_HOST.fullmatch(urlsplit(url).hostname or "")
    return found[1] if found else None


def check_endpoint(url: str, *, allow_http: bool, flag: str = "--endpoint") -> str:
    """
    Return an endpoint without a trailing slash; http only where it is safe.

    Args:
        flag: what says the endpoint, for messages.

    Raises:
        UsageError: it is no plain URL, or would send a secret unencrypted.
    """
    if any(sign in url for sign in "@?#"):
        raise UsageError(f"{flag} is a plain URL: no user, query or fragment")
    parts = _split(url)
    if not parts or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(
            f"{flag} {url!r} is not a URL",
            hint="It looks like https://face.cn-north-4.myhuaweicloud.com",
        )
    if parts.scheme == "http" and not (allow_http or is_loopback(parts.hostname)):
        raise UsageError(
            f"{flag} {url!r} would send credentials unencrypted",
            hint="Use https, or say --allow-http if the network is yours.",
        )
    return url.rstrip("/")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is none
        url.encode()
    except ValueError:
        return None
    whole = url.isprintable() and " " not in url and is_host(parts.hostname or "")
    return parts if whole else None


def is_host(host: str) -> bool:
    """Return whether a name server could be asked for a host: no label is too long."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether a host name can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_link_local(host: str) -> bool:
    """Return whether a host is an address that no router passes on."""
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


def _regions_of_file(environ: Mapping[str, str]) -> dict[str, str]:
    named = environ.get(REGIONS_FILE_VARIABLE)
    path = find_file(named, REGIONS_FILE, REGIONS_FILE_VARIABLE)
    if path is None:
        return {}
    content = _load_yaml(path)
    listed = content.get("FRS") if isinstance(content, dict) else None
    return dict(filter(None, map(_region, listed if isinstance(listed, list) else [])))


def _region(entry: object) -> tuple[str, str] | None:
    if not isinstance(entry, dict):
        return None
    name, said = entry.get("id"), entry.get("endpoint") or entry.get("endpoints")
    first = said[0] if isinstance(said, list) and said else said
    return (name, first) if isinstance(name, str) and isinstance(first, str) else None


def _load_yaml(path: Path) -> Any:
    text = read_secret_file(path, "regions file")
    try:
        yaml = import_module("yaml")
    except ImportError:
        raise UsageError(
            f"regions file {path} needs a YAML reader",
            hint="pip install 'batch-updater[yaml]', or give --endpoint URL.",
        ) from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise UsageError(f"regions file {path} is no YAML") from None
