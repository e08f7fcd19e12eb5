"""Settings and secrets to what the client needs: where to, as whom, which way."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from batch_updater.config.secrets import Secrets, read_secrets
from batch_updater.config.settings import Resolved, Settings
from batch_updater.config.sign_in import Ways, find_profile
from batch_updater.errors import UsageError
from batch_updater.frs.auth import Source
from batch_updater.frs.credentials import is_project_id
from batch_updater.frs.endpoints import (
    check_endpoint,
    endpoint_of_region,
    iam_endpoint_of,
    is_link_local,
    is_loopback,
    region_of_endpoint,
)
from batch_updater.frs.iam import Scope
from batch_updater.frs.profiles import KeyProfile
from batch_updater.frs.proxies import OFF, Proxy, find_proxy
from batch_updater.frs.transport import ProxyFor, make_ssl_context


@dataclass(frozen=True, slots=True)
class Connection:
    """
    Where to send to, as whom, and which way.

    Args:
        project_id: empty when it must be looked up.
        source: where credentials come from.
        region: the name to look the project up by, or empty.
        iam_endpoint: where to look it up, or empty.
    """

    endpoint: str
    project_id: str
    source: Source
    region: str
    iam_endpoint: str
    ssl_context: ssl.SSLContext
    proxy_for: ProxyFor = field(repr=False)


def connect_to_face_set(resolved: Resolved) -> Connection:
    """Return the connection of a command that is about one face set."""
    face_set_of(resolved)
    return make_connection(resolved)


def face_set_of(resolved: Resolved) -> str:
    """Return the face set that a command is about; UsageError when none is given."""
    if not resolved.settings.face_set:
        raise UsageError(
            "no face set is given", hint="Say which one with --face-set NAME."
        )
    return resolved.settings.face_set


def make_connection(resolved: Resolved) -> Connection:
    """Return the connection; UsageError names the setting that is missing."""
    settings, environ = resolved.settings, resolved.environ
    endpoint = endpoint_of(settings, environ)
    secrets = read_secrets(environ)
    found = find_profile(environ) if _needs_profile(settings, secrets) else None
    profile = found[1] if found else None
    region = settings.region or region_of_endpoint(endpoint) or ""
    iam = _iam_endpoint(settings, profile, region, endpoint)
    project_id = _project_id(settings, profile)
    if not project_id and not (region and iam):
        raise UsageError(
            "no project is given",
            hint="Say which one with --project-id ID or HUAWEICLOUD_SDK_PROJECT_ID; "
            "with --region NAME it can be looked up.",
        )
    ways = Ways(
        asked=settings.auth,
        secrets=secrets,
        token_file=settings.token_file,
        token_file_first=resolved.origins.get("token-file") == "flag",
        profile=found,
        iam_endpoint=iam,
        scope=Scope(project_id, region),
        metadata_endpoint=_metadata_endpoint(settings),
    )
    return Connection(
        endpoint=endpoint,
        project_id=project_id,
        source=ways.choose(),
        region=region,
        iam_endpoint=iam,
        ssl_context=make_ssl_context(settings.ca_cert),
        proxy_for=proxies_of(settings.proxy, secrets, environ),
    )


def whereabouts(resolved: Resolved) -> tuple[str, str]:
    """
    Return endpoint and project without asking anybody, or for anybody's credentials.

    Raises:
        UsageError: the project could only be looked up.
    """
    settings, environ = resolved.settings, resolved.environ
    endpoint = endpoint_of(settings, environ)
    found = None if settings.project_id else find_profile(environ)
    project_id = _project_id(settings, found[1] if found else None)
    if not project_id:
        raise UsageError(
            "no project is given, and nobody is asked for it",
            hint="Say which one with --project-id ID or HUAWEICLOUD_SDK_PROJECT_ID.",
        )
    return endpoint, project_id


def _project_id(settings: Settings, profile: KeyProfile | None) -> str:
    project_id = settings.project_id or (profile.project_id if profile else "")
    if project_id and not is_project_id(project_id):
        raise UsageError(
            "the project's id has characters that no id has, or is too long",
            hint="It stands in the console under My Credentials: 32 letters and digits.",
        )
    return project_id


def _needs_profile(settings: Settings, secrets: Secrets) -> bool:
    # A file that nobody asks must not be able to spoil anything.
    keyed = secrets.access_key or secrets.secret_key
    if settings.auth == "aksk":
        return not keyed
    named = secrets.token or settings.token_file or secrets.iam_user or keyed
    return settings.auth == "auto" and not (named or secrets.iam_password)


def endpoint_of(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the service's URL; UsageError when neither it nor a region is given."""
    said = settings.endpoint
    if not said and settings.region:
        said = endpoint_of_region(settings.region, environ)
    if said:
        return check_endpoint(said, allow_http=settings.allow_http)
    raise UsageError(
        "no region is given",
        hint="Say --region cn-north-4, or --endpoint URL. To rehearse without an "
        "account, start `batch-updater emulator` and give its URL.",
    )


def _iam_endpoint(
    settings: Settings, profile: KeyProfile | None, region: str, endpoint: str
) -> str:
    said = settings.iam_endpoint or (profile.iam_endpoint if profile else "")
    if not said and is_loopback(urlsplit(endpoint).hostname or ""):
        said = endpoint  # the emulator, which is its own IAM
    if said:
        allow = settings.allow_http
        return check_endpoint(said, allow_http=allow, flag="--iam-endpoint")
    return iam_endpoint_of(region) if region else ""


def _metadata_endpoint(settings: Settings) -> str:
    # Link-local: no packet to it leaves the machine's own network.
    return check_endpoint(
        settings.metadata_endpoint, allow_http=True, flag="--metadata-endpoint"
    )


def proxies_of(
    asked: str | None, secrets: Secrets, environ: Mapping[str, str]
) -> ProxyFor:
    """Return which proxy leads where: what --proxy asks for, else the environment."""
    if asked is None:
        return partial(find_proxy, environ=environ)
    if asked == OFF:
        return lambda url: None
    proxy = Proxy(asked, secrets.proxy_user, secrets.proxy_password)
    # The metadata service answers this machine alone.
    return lambda url: None if is_link_local(urlsplit(url).hostname or "") else proxy
