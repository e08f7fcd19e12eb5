"""The SDK's credentials file, ~/.huaweicloud/credentials (facts page, section 5.5)."""

from configparser import ConfigParser, Error
from dataclasses import dataclass
from pathlib import Path

from batch_updater.errors import UsageError
from batch_updater.frs.credentials import SigningKey, check_secret
from batch_updater.frs.signing import AccessKey

CREDENTIALS_FILE = Path("~/.huaweicloud/credentials")
_SECTION = "basic"


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
        raise UsageError(f"credentials file {path}: {error.strerror}") from None
    except (Error, UnicodeDecodeError):  # their texts quote lines, secrets included
        raise UsageError(
            f"credentials file {path} is not in INI form",
            hint="It needs a line [basic], then lines such as ak = ... and sk = ...",
        ) from None
    said = dict(parser[_SECTION]) if parser.has_section(_SECTION) else {}
    key = AccessKey(
        check_secret(said.get("ak", ""), f"{path} [{_SECTION}] ak", "access key"),
        check_secret(said.get("sk", ""), f"{path} [{_SECTION}] sk", "secret key"),
        said.get("security_token", "").strip(),
    )
    return KeyProfile(
        SigningKey(key), said.get("project_id", ""), said.get("iam_endpoint", "")
    )
