"""What an emulator is told at its start: frozen values, checked once."""

from dataclasses import dataclass
from pathlib import Path

from batch_updater.emulator.rules import Rules, check_rules, rules_of

DEFAULT_TOKEN = "emulator-token"  # noqa: S105 - a published stand-in, not a secret
DEFAULT_PROJECT_ID = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRules:
    """How calls are counted: `qps` calls a second, None for no limit."""

    qps: int | None = 10
    count_refused: bool = False
    per_operation: bool = False
    retry_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings(Rules):
    """
    Everything about one emulator; seconds are floats, port 0 takes a free one.

    `lag` hides a face that was just added, `update_lag` the new values of an update.
    The switches of the service's unknowns are those of Rules.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str = DEFAULT_TOKEN
    project_id: str = DEFAULT_PROJECT_ID
    data: Path | None = None
    seed: int = 0

    latency: float = 0.0
    jitter: float = 0.0
    lag: float = 0.0
    update_lag: float = 0.0

    qps: int | None = 10
    count_refused: bool = False
    quota_per_operation: bool = False
    retry_after: int | None = None

    def __post_init__(self) -> None:
        _check_numbers(self)
        check_rules(self)

    def rules(self) -> Rules:
        """Return the switches of the checks."""
        return rules_of(self)

    def quota_rules(self) -> QuotaRules:
        """Return the switches of the quota."""
        return QuotaRules(
            qps=self.qps,
            count_refused=self.count_refused,
            per_operation=self.quota_per_operation,
            retry_after=self.retry_after,
        )


def _check_numbers(settings: EmulatorSettings) -> None:
    if settings.qps is not None and settings.qps < 1:
        raise ValueError(
            f"qps must be at least 1, or None for unlimited: {settings.qps}"
        )
    for name in ("latency", "jitter", "lag", "update_lag"):
        if getattr(settings, name) < 0:
            raise ValueError(f"{name} must not be negative")
    if settings.retry_after is not None and settings.retry_after < 0:
        raise ValueError(f"retry_after must not be negative: {settings.retry_after}")
    if not 0 <= settings.port <= 65535:
        raise ValueError(f"port must be from 0 to 65535: {settings.port}")
