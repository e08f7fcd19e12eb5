"""Settings and secrets to what the client needs: endpoint, project, credentials."""

from dataclasses import dataclass

from batch_updater.config.options import TOKEN_VARIABLE
from batch_updater.config.settings import Resolved, Settings
from batch_updater.errors import UsageError
from batch_updater.frs.auth import Auth, FixedToken, TokenFile
from batch_updater.frs.endpoints import check_endpoint, endpoint_of_region


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to send to, and as whom."""

    endpoint: str
    project_id: str
    auth: Auth


def make_connection(resolved: Resolved) -> Connection:
    """Return the connection; UsageError names the setting that is missing."""
    settings = resolved.settings
    if not settings.face_set:
        raise UsageError(
            "no face set is given", hint="Say which one with --face-set NAME."
        )
    if not settings.project_id:
        raise UsageError(
            "no project is given",
            hint="Say which one with --project-id ID or HUAWEICLOUD_SDK_PROJECT_ID.",
        )
    return Connection(_endpoint(settings), settings.project_id, _auth(resolved))


def _endpoint(settings: Settings) -> str:
    if settings.endpoint:
        return check_endpoint(settings.endpoint, allow_http=settings.allow_http)
    if settings.region:
        return endpoint_of_region(settings.region)
    raise UsageError(
        "no region is given",
        hint="Say --region cn-north-4, or --endpoint URL. To rehearse without an "
        "account, start `batch-updater emulator` and give its URL.",
    )


def _auth(resolved: Resolved) -> Auth:
    file = resolved.settings.token_file
    if file and (resolved.token is None or resolved.origins["token-file"] == "flag"):
        return TokenFile(file)
    if resolved.token is not None:
        return FixedToken(resolved.token)
    raise UsageError(
        "there are no credentials",
        hint=f"Put a project-scoped token into {TOKEN_VARIABLE}, or into a file "
        "named by --token-file.",
    )
