"""The SDK's credentials file, ~/.huaweicloud/credentials (facts page, section 5.5)."""

from collections.abc import Mapping
from configparser import ConfigParser, Error
from dataclasses import dataclass
from pathlib import Path

from batch_updater.errors import UsageError
from batch_updater.frs.credentials import SigningKey, check_optional, check_secret
from batch_updater.frs.secret_files import read_secret_file
from batch_updater.frs.signing import AccessKey

CREDENTIALS_FILE = Path("~/.huaweicloud/credentials")
_SECTION = "basic"
_FORM = "It needs a line [basic], then lines such as ak = ... and sk = ..."


@dataclass(frozen=True, slots=True)
class KeyProfile:
    """What the section [basic] of a credentials file says; empty where it is silent."""

    credential: SigningKey
    project_id: str = ""
    iam_endpoint: str = ""


def read_profile(path: Path) -> KeyProfile:
    """Read a credentials file; UsageError names the file, never a value in it."""
    parser = ConfigParser(interpolation=None)
    try:
        text = read_secret_file(path, "credentials file", hint=_FORM)
        parser.read_string(text)
    except Error:  # its text quotes lines, secrets included
        said = f"credentials file {path} is not in INI form"
        raise UsageError(said, hint=_FORM) from None
    if not parser.has_section(_SECTION):
        said = f"credentials file {path} has no section [{_SECTION}]"
        raise UsageError(said, hint=_FORM)
    return _profile(path, parser[_SECTION])


def _profile(path: Path, said: Mapping[str, str]) -> KeyProfile:
    key = AccessKey(
        check_secret(said.get("ak", ""), f"{path} [{_SECTION}] ak", "access key"),
        check_secret(said.get("sk", ""), f"{path} [{_SECTION}] sk", "secret key"),
        check_optional(
            said.get("security_token", ""),
            f"{path} [{_SECTION}] security_token",
            "security token",
        ),
    )
    return KeyProfile(
        SigningKey(key), said.get("project_id", ""), said.get("iam_endpoint", "")
    )
