"""What an emulator is told at its start: frozen values, checked once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

DEFAULT_TOKEN = "emulator-token"  # noqa: S105 - a published stand-in, not a secret
DEFAULT_PROJECT_ID = "0123456789abcdef0123456789abcdef"

FieldsMode = Literal["merge", "replace"]
Strictness = Literal["strict", "lenient"]
MissingFaceCode = Literal["FRS.0303", "FRS.0403"]
MissingFaceSet = Literal["error", "empty"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The service's unknowns, each one a switch (frs-api.md section 10)."""

    external_fields: FieldsMode = "merge"
    missing_face_code: MissingFaceCode = "FRS.0303"
    missing_face_set: MissingFaceSet = "error"
    field_types: Strictness = "strict"
    string_values: Strictness = "lenient"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRules:
    """How calls are counted: `qps` calls a second, None for no limit."""

    qps: int | None = 10
    count_refused: bool = False
    per_operation: bool = False
    retry_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """Everything about one emulator; seconds are floats, port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0
    token: str = DEFAULT_TOKEN
    project_id: str = DEFAULT_PROJECT_ID
    data: Path | None = None
    seed: int = 0

    latency: float = 0.0
    jitter: float = 0.0

    qps: int | None = 10
    count_refused: bool = False
    quota_per_operation: bool = False
    retry_after: int | None = None

    external_fields: FieldsMode = "merge"
    missing_face_code: MissingFaceCode = "FRS.0303"
    missing_face_set: MissingFaceSet = "error"
    field_types: Strictness = "strict"
    string_values: Strictness = "lenient"

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_choice("external_fields", self.external_fields, get_args(FieldsMode))
        codes = get_args(MissingFaceCode)
        _check_choice("missing_face_code", self.missing_face_code, codes)
        answers = get_args(MissingFaceSet)
        _check_choice("missing_face_set", self.missing_face_set, answers)
        _check_choice("field_types", self.field_types, get_args(Strictness))
        _check_choice("string_values", self.string_values, get_args(Strictness))

    def rules(self) -> Rules:
        """Return the switches of the checks."""
        return Rules(
            external_fields=self.external_fields,
            missing_face_code=self.missing_face_code,
            missing_face_set=self.missing_face_set,
            field_types=self.field_types,
            string_values=self.string_values,
        )

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
    if settings.latency < 0 or settings.jitter < 0:
        raise ValueError("latency and jitter must not be negative")
    if settings.retry_after is not None and settings.retry_after < 0:
        raise ValueError(f"retry_after must not be negative: {settings.retry_after}")
    if not 0 <= settings.port <= 65535:
        raise ValueError(f"port must be from 0 to 65535: {settings.port}")


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}: {value!r}")
