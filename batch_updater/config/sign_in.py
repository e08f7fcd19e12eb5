"""Which credentials a command uses: the way that --auth names, or the first there is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from batch_updater.config.secrets import TOKEN_VARIABLE, Secrets
from batch_updater.errors import UsageError
from batch_updater.frs.auth import Given, InFile, Login, Machine, Source, read_token
from batch_updater.frs.credentials import (
    Password,
    SigningKey,
    Token,
    check_optional,
    check_secret,
)
from batch_updater.frs.iam import Scope
from batch_updater.frs.profiles import CREDENTIALS_FILE, KeyProfile, read_profile
from batch_updater.frs.secret_files import find_file
from batch_updater.frs.signing import AccessKey

CREDENTIALS_VARIABLE = "HUAWEICLOUD_SDK_CREDENTIALS_FILE"
_TOKEN_GOES = (
    f"a project-scoped token into {TOKEN_VARIABLE} or a file named by --token-file"
)
_KEY_GOES = (
    "an access key into HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, "
    "or ~/.huaweicloud/credentials"
)
_HINTS = {
    "auto": f"Put {_TOKEN_GOES}; or {_KEY_GOES}; or an IAM user into "
    "BATCH_UPDATER_IAM_DOMAIN, _IAM_USER and _IAM_PASSWORD. On a cloud server with an "
    "agency: --auth metadata.",
    "token": f"Put {_TOKEN_GOES}; or say another way: --auth aksk, for example.",
    "aksk": f"Put {_KEY_GOES}; or say another way: --auth token, for example.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """
    Everything that could tell who we are.

    Args:
        asked: what --auth says.
        token_file: the file of the token, if one is named.
        token_file_first: whether it was named on the command line, so that it wins
            over a token in the environment.
        profile: the SDK's credentials file and what it says, if it is there.
        iam_endpoint: where IAM is, or empty when nobody can tell.
    """

    asked: str
    secrets: Secrets
    token_file: Path | None
    token_file_first: bool
    profile: tuple[Path, KeyProfile] | None
    iam_endpoint: str
    scope: Scope
    metadata_endpoint: str

    def choose(self) -> Source:
        """
        Return where credentials come from.

        Raises:
            UsageError: there are none, or only half of them.
        """
        match self.asked:
            case "token":
                found = self._token()
            case "aksk":
                found = self._key() or self._profile_key()
            case "password":
                found = self._login(asked=True)
            case "metadata":
                found = Machine(self.metadata_endpoint)
            case _:
                found = (
                    self._token()
                    or self._key()
                    or self._login(asked=False)
                    or self._profile_key()
                )
        if found is None:
            said = "" if self.asked == "auto" else f" for --auth {self.asked}"
            raise UsageError(f"there are no credentials{said}", hint=_HINTS[self.asked])
        return found

    def _token(self) -> Source | None:
        token = self.secrets.token
        if self.token_file and (self.token_file_first or not token):
            return InFile(self.token_file, read_token)
        if not token:
            return None
        return Given(Token(check_secret(token, TOKEN_VARIABLE)), TOKEN_VARIABLE)

    def _key(self) -> Source | None:
        said = self.secrets
        if not (said.access_key or said.secret_key):
            return None
        said.need("access_key", "secret_key")
        key = AccessKey(
            check_secret(said.access_key, "HUAWEICLOUD_SDK_AK", "access key"),
            check_secret(said.secret_key, "HUAWEICLOUD_SDK_SK", "secret key"),
            check_optional(
                said.security_token, "HUAWEICLOUD_SDK_SECURITY_TOKEN", "security token"
            ),
        )
        return Given(SigningKey(key), "HUAWEICLOUD_SDK_AK")

    def _profile_key(self) -> Source | None:
        if self.profile is None:
            return None
        path, _ = self.profile
        return InFile(path, lambda path: read_profile(path).credential)

    def _login(self, *, asked: bool) -> Source | None:
        said = self.secrets
        if not (asked or said.iam_user or said.iam_password):
            return None
        said.need("iam_domain", "iam_user", "iam_password")
        if not self.iam_endpoint:
            raise UsageError(
                "nobody says where IAM is",
                hint="Give --region NAME, or --iam-endpoint URL.",
            )
        if not (self.scope.project_id or self.scope.region):
            raise UsageError(
                "a token needs a project", hint="Give --project-id ID or --region NAME."
            )
        password = Password(said.iam_domain, said.iam_user, said.iam_password)
        return Login(self.iam_endpoint, password, self.scope)


def find_profile(environ: Mapping[str, str]) -> tuple[Path, KeyProfile] | None:
    """
    Return the SDK's credentials file and what it says, or None when there is none.

    Raises:
        UsageError: it cannot be read, or is named and not there.
    """
    named = environ.get(CREDENTIALS_VARIABLE)
    path = find_file(named, CREDENTIALS_FILE, CREDENTIALS_VARIABLE)
    return (path, read_profile(path)) if path else None
