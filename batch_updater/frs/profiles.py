"""The SDK's credentials file, ~/.huaweicloud/credentials (facts page, section 5.5)."""

from collections.abc import Mapping
from configparser import ConfigParser, Error
from dataclasses import dataclass
from pathlib import Path

from batch_updater.errors import UsageError
from batch_updater.frs.credentials import SigningKey, check_secret
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
        parser.read_string(path.read_text("utf-8"))
    except OSError as error:
        said = f"credentials file {path}: {error.strerror}"
        raise UsageError(said, hint=_FORM) from None
    except (Error, UnicodeDecodeError):  # their texts quote lines, secrets included
        said = f"credentials file {path} is not in INI form, in UTF-8"
        raise UsageError(said, hint=_FORM) from None
    if not parser.has_section(_SECTION):
        said = f"credentials file {path} has no section [{_SECTION}]"
        raise UsageError(said, hint=_FORM)
    return _profile(path, parser[_SECTION])


def _profile(path: Path, said: Mapping[str, str]) -> KeyProfile:
    key = AccessKey(
        check_secret(said.get("ak", ""), f"{path} [{_SECTION}] ak", "access key"),
        check_secret(said.get("sk", ""), f"{path} [{_SECTION}] sk", "secret key"),
        said.get("security_token", "").strip(),
    )
    return KeyProfile(
        SigningKey(key), said.get("project_id", ""), said.get("iam_endpoint", "")
    )
