"""Secrets of the environment: never flags, never shown, never written down."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from urllib.parse import urlsplit

from batch_updater.errors import UsageError

TOKEN_VARIABLE = "BATCH_UPDATER_TOKEN"  # noqa: S105  (its name, not its value)
MASK = "***"


def _secret(variable: str) -> str:
    # Typed as what it holds: dataclasses.field returns its default's type.
    found: str = field(default="", repr=False, metadata={"variable": variable})
    return found


@dataclass(frozen=True, slots=True)
class Secrets:
    """Who we are, as the environment tells; empty where it is silent."""

    token: str = _secret(TOKEN_VARIABLE)
    access_key: str = _secret("HUAWEICLOUD_SDK_AK")
    secret_key: str = _secret("HUAWEICLOUD_SDK_SK")
    security_token: str = _secret("HUAWEICLOUD_SDK_SECURITY_TOKEN")
    iam_domain: str = _secret("BATCH_UPDATER_IAM_DOMAIN")
    iam_user: str = _secret("BATCH_UPDATER_IAM_USER")
    iam_password: str = _secret("BATCH_UPDATER_IAM_PASSWORD")
    proxy_user: str = _secret("BATCH_UPDATER_PROXY_USER")
    proxy_password: str = _secret("BATCH_UPDATER_PROXY_PASSWORD")

    def given(self) -> Iterator[tuple[str, str]]:
        """Yield (name, variable) of every secret there is."""
        for name, variable in VARIABLES.items():
            if getattr(self, name):
                yield name.replace("_", "-"), variable

    def as_environment(self) -> dict[str, str]:
        """Return the variables that would tell all of this."""
        return {
            variable: getattr(self, name)
            for name, variable in VARIABLES.items()
            if getattr(self, name)
        }

    def need(self, *names: str) -> None:
        """Raise a UsageError that names the variables of those that are missing."""
        missing = [VARIABLES[name] for name in names if not getattr(self, name)]
        if missing:
            there = [VARIABLES[name] for name in names if getattr(self, name)]
            though = f", though {_are(there)}" if there else ""
            raise UsageError(
                f"{_are(missing)} not set{though}",
                hint="They are of use together only: set all of them, or none.",
            )


def mask_url(url: str) -> str:
    """Return a URL without what may be a secret in it: user, password, path, query."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    path = MASK if parts.path.strip("/") or parts.query or parts.fragment else ""
    return f"{parts.scheme}://{MASK if user else ''}{at}{host}/{path}"


def _are(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last} are" if first else f"{last} is"


VARIABLES: Mapping[str, str] = {
    each.name: each.metadata["variable"] for each in fields(Secrets)
}


def read_secrets(environ: Mapping[str, str]) -> Secrets:
    """
    Return what the environment tells; an empty variable is not set.

    Raises:
        UsageError: a variable holds bytes that are no text.
    """
    return Secrets(
        **{name: _text(environ, variable) for name, variable in VARIABLES.items()}
    )


def _text(environ: Mapping[str, str], variable: str) -> str:
    said = environ.get(variable, "")
    try:
        said.encode()
    except UnicodeEncodeError:  # its own text would show some of it
        raise UsageError(f"{variable} is not UTF-8 text") from None
    return said
