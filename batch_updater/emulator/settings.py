"""What an emulator is told at its start: frozen values, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from batch_updater.emulator.rules import Rules, check_rules, rules_of

DEFAULT_TOKEN = "emulator-token"  # noqa: S105 - a published stand-in, not a secret
DEFAULT_PROJECT_ID = "0123456789abcdef0123456789abcdef"
DEFAULT_PROJECT = "cn-north-4"
DAY = 86_400.0
TEN_YEARS = 3652 * DAY
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRules:
    """
    How calls are counted: `qps` calls a second, None for no limit.

    `burst` more may come in a second before one is refused: whether the service has
    such a tolerance, and what shares a quota, is not documented (section 10).
    """

    qps: int | None = 10
    burst: int = 0
    count_refused: bool = False
    per_operation: bool = False
    per_project: bool = False
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class CallLimit:
    """The gateway's quota: `calls` of one user to one API in any `seconds`."""

    calls: int
    seconds: int

    def __post_init__(self) -> None:
        if self.calls < 1 or self.seconds < 1:
            raise ValueError(f"gateway_quota must be at least 1 call in 1 s: {self}")

    @property
    def unit(self) -> str:
        """The largest of second, minute, hour and day that divides the window."""
        return [name for name, size in UNITS.items() if self.seconds % size == 0][-1]

    @property
    def window(self) -> str:
        """The window as the gateway writes it, like `1 minute`."""
        return f"{self.seconds // UNITS[self.unit]} {self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRules(Rules):
    """
    Who is let in: names, secrets, lives in seconds.

    `projects` maps the name of a project to its id; DEFAULT_PROJECT has `project_id`.
    """

    token: str = field(default=DEFAULT_TOKEN, repr=False)
    project_id: str = DEFAULT_PROJECT_ID
    ak: str = "emulator-ak"
    sk: str = field(default="emulator-sk", repr=False)
    iam_domain: str = "emulator-domain"
    iam_user: str = "emulator-user"
    iam_password: str = field(default="emulator-password", repr=False)
    projects: Mapping[str, str] = field(default_factory=dict)
    token_life: float = DAY
    metadata_key_life: float = DAY

    @property
    def all_projects(self) -> Mapping[str, str]:
        """Every project by its name."""
        return {DEFAULT_PROJECT: self.project_id, **self.projects}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings(IdentityRules):
    """
    Everything about one emulator; seconds are floats, port 0 takes a free one.

    `lag` hides a face that was just added, `update_lag` the new values of an update.
    `clock_offset` sets its clock wrong. Who is let in is as in IdentityRules; the
    switches of the service's unknowns are those of Rules.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    clock_offset: float = 0.0

    data: Path | None = None
    seed: int = 0

    latency: float = 0.0
    jitter: float = 0.0
    lag: float = 0.0
    update_lag: float = 0.0

    qps: int | None = 10
    burst: int = 0
    count_refused: bool = False
    quota_per_operation: bool = False
    quota_per_project: bool = False
    retry_after: int | None = None
    iam_qps: int | None = None
    gateway_quota: CallLimit | None = None
    ratelimit_headers: bool = False

    def __post_init__(self) -> None:
        _check_numbers(self)
        check_rules(self)
        _check_clock(self)
        _check_pairs(self)

    def rules(self) -> Rules:
        """Return the switches of the checks."""
        return rules_of(self)

    def quota_rules(self) -> QuotaRules:
        """Return the switches of the quota."""
        return QuotaRules(
            qps=self.qps,
            burst=self.burst,
            count_refused=self.count_refused,
            per_operation=self.quota_per_operation,
            per_project=self.quota_per_project,
            retry_after=self.retry_after,
        )

    def identity_rules(self) -> IdentityRules:
        """Return who is let in."""
        names = (each.name for each in fields(IdentityRules))
        return IdentityRules(**{name: getattr(self, name) for name in names})


def _check_numbers(settings: EmulatorSettings) -> None:
    if settings.qps is not None and settings.qps < 1:
        raise ValueError(
            f"qps must be at least 1, or None for unlimited: {settings.qps}"
        )
    for name in ("burst", "latency", "jitter", "lag", "update_lag"):
        if getattr(settings, name) < 0:
            raise ValueError(f"{name} must not be negative")
    if settings.retry_after is not None and settings.retry_after < 0:
        raise ValueError(f"retry_after must not be negative: {settings.retry_after}")
    if settings.iam_qps is not None and settings.iam_qps < 1:
        raise ValueError(f"iam_qps must be at least 1, or None: {settings.iam_qps}")
    if not 0 <= settings.port <= 65535:
        raise ValueError(f"port must be from 0 to 65535: {settings.port}")


def _check_clock(settings: EmulatorSettings) -> None:
    for name in ("token_life", "metadata_key_life"):
        if not 0 < getattr(settings, name) <= TEN_YEARS:
            raise ValueError(f"{name} must be above nought, and ten years at most")
    if not abs(settings.clock_offset) <= TEN_YEARS:
        raise ValueError("clock_offset must be ten years at most")


def _check_pairs(settings: EmulatorSettings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ValueError("a TLS certificate and its key belong together: give both")
    if settings.ratelimit_headers and settings.gateway_quota is None:
        raise ValueError("ratelimit_headers tell of a gateway_quota: give one")
    if DEFAULT_PROJECT in settings.projects:
        raise ValueError(f"projects must not name {DEFAULT_PROJECT}: it is project_id")
