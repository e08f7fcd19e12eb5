"""Folding defaults, file, environment and flags into one frozen value."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from batch_updater.config.modes import LogFormat, OutputMode
from batch_updater.config.option import Option
from batch_updater.config.options import (
    BY_NAME,
    CONFIG_VARIABLE,
    OPTIONS,
    PROFILE_VARIABLE,
    mask_of,
)
from batch_updater.config.parsing import Share
from batch_updater.config.secrets import MASK, read_secrets
from batch_updater.errors import UsageError
from batch_updater.files.formats import InputFormat
from batch_updater.mapping.columns import FieldColumn
from batch_updater.models import Against, OnDuplicate, OnInvalid, UpdateMode

DEFAULT_FILE = Path("batch-updater.toml")

Texts = Mapping[str, tuple[str, ...]]
"""Settings as text, by name; one text for each time they were given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    Every setting of a run; README explains them. Times are in seconds.

    The rooms below are given single values, never this.
    """

    format: InputFormat | None
    delimiter: str | None
    encoding: str
    limit: int | None
    on_duplicate: OnDuplicate
    on_invalid: OnInvalid
    check_ahead: bool
    strict: bool
    face_id: str | None
    external_image_id: str | None
    field: tuple[FieldColumn, ...]
    mapping: Path | None
    face_set: str | None
    to: Path | None
    page: int
    project_id: str | None
    region: str | None
    endpoint: str | None
    allow_http: bool
    ca_cert: Path | None
    proxy: str | None
    rate: float | None
    headroom: float
    share_quota: bool
    quota_dir: Path | None
    concurrency: int
    adaptive: bool
    max_attempts: int
    max_elapsed: float
    timeout: float
    settle: float
    dry_run: bool
    max_errors: Share | None
    same_failures: int | None
    max_outage: float | None
    max_duration: float | None
    stop_at: datetime | None
    update_mode: UpdateMode | None
    backup: bool
    changed_only: bool
    state: Path | None
    state_max_age: float
    against: Against
    drift_sample: Share
    exit_code_no_change: int
    max_changes: Share | None
    max_age: float
    check_drift: bool
    yes: bool
    sample: Share | None
    notify_url: str | None = dataclass_field(repr=False)
    run_dir: Path | None
    progress: str
    log_format: LogFormat
    output: OutputMode
    results_format: str
    include_values: bool
    auth: str
    iam_endpoint: str | None
    metadata_endpoint: str
    token_file: Path | None

    @property
    def requests_a_row(self) -> int:
        """How many requests a row takes: two where its face is read first."""
        reads = self.update_mode is UpdateMode.READ_MODIFY_WRITE
        return 2 if self.backup or reads else 1


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one place."""

    origin: str
    texts: Texts


@dataclass(frozen=True, slots=True)
class Resolved:
    """
    Settings, and where each of them comes from.

    Args:
        texts: what was given, without the defaults, secrets masked: run.json keeps
            it, but for those.
        environ: the environment, secrets included; never shown.
    """

    settings: Settings
    texts: Texts
    origins: Mapping[str, str]
    environ: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Resolved({self.settings!r})"

    def describe(self) -> Iterator[tuple[str, str, str]]:
        """Yield (name, value, origin) of every setting; secrets are masked."""
        for option in OPTIONS:
            given = self.texts.get(option.name)
            default = () if option.default is None else (option.default,)
            value = ", ".join(given or default)
            yield option.name, value, self.origins.get(option.name, "default")
        for name, variable in read_secrets(self.environ).given():
            yield name, MASK, f"environment {variable}"


def resolve(
    flags: Texts,
    environ: Mapping[str, str],
    *,
    recorded: Texts | None = None,
    defaults: Texts = MappingProxyType({}),
    inherited: Layer | None = None,
) -> Resolved:
    """
    Fold all layers; the later one wins, and its region over an earlier endpoint.

    Args:
        flags: what the command line says.
        environ: the environment.
        recorded: what an earlier run was given; it takes the place of file and
            environment, so that the same run goes on as it began.
        defaults: a command's own, instead of those of the table.
        inherited: what a plan or a run says of itself; only flags win over it.

    Raises:
        UsageError: a value that does not parse, named with its origin.
    """
    if recorded is not None:
        layers = [Layer("default", defaults), Layer("run.json", recorded)]
    else:
        path, profile = environ.get(CONFIG_VARIABLE), environ.get(PROFILE_VARIABLE)
        ours = Layer("default", defaults)
        layers = [ours, *read_file(path, profile), read_environment(environ)]
    layers += [layer for layer in (inherited, Layer("flag", flags)) if layer]
    texts: dict[str, tuple[str, ...]] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        if "region" in layer.texts:  # who names a region means no endpoint from below
            texts.pop("endpoint", None)
            origins.pop("endpoint", None)
        for name, given in layer.texts.items():
            texts[name] = given
            origins[name] = layer.origin
    values = {
        option.attribute: _parse(option, texts.get(option.name), origins)
        for option in OPTIONS
    }
    return Resolved(Settings(**values), _masked(texts), origins, environ)


def _masked(texts: Texts) -> Texts:
    return {
        name: tuple(map(mask_of(name) or str, given)) for name, given in texts.items()
    }


def _parse(
    option: Option, given: tuple[str, ...] | None, origins: Mapping[str, str]
) -> Any:
    if given is None:
        given = () if option.default is None else (option.default,)
    values = [_parse_one(option, text, origins) for text in given]
    if option.many:
        return tuple(values)
    return values[-1] if values else None


def _parse_one(option: Option, text: str, origins: Mapping[str, str]) -> Any:
    try:
        return option.parse(_check_choice(option, _check_text(text)))
    except ValueError as error:
        origin = origins.get(option.name, "default")
        where = "" if origin == "flag" else f" (from {origin})"
        said = "" if option.unquoted else f" {text!r}"
        raise UsageError(f"--{option.name}{said}{where}: {error}") from None


def _check_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not valid UTF-8") from None
    return text


def _check_choice(option: Option, text: str) -> str:
    if option.choices and text not in option.choices:
        raise ValueError(f"give one of {', '.join(option.choices)}")
    return text


def read_environment(environ: Mapping[str, str]) -> Layer:
    """Return what BATCH_UPDATER_* variables say; an empty one is not set."""
    texts = {}
    for option in OPTIONS:
        text = environ.get(option.variable) or environ.get(option.also or "-")
        if text:
            texts[option.name] = tuple(text.split(",")) if option.many else (text,)
    return Layer("environment", texts)


def never_recorded(environ: Mapping[str, str]) -> Texts:
    """
    Return what file and environment say of settings that no run records.

    A file that cannot be read says nothing: whoever goes on with a run needs none.
    """
    path, profile = environ.get(CONFIG_VARIABLE), environ.get(PROFILE_VARIABLE)
    try:
        layers = read_file(path, profile)
    except UsageError:
        layers = []
    return {
        name: given
        for layer in (*layers, read_environment(environ))
        for name, given in layer.texts.items()
        if mask_of(name)
    }


def read_file(path: str | None, profile: str | None) -> list[Layer]:
    """
    Return the layers of batch-updater.toml: its top, then the profile.

    Raises:
        UsageError: the file is missing though named, is no TOML, or has a key
            that is no setting.
    """
    file = Path(path) if path else DEFAULT_FILE
    if not path and not file.exists():
        if profile:
            raise UsageError(
                f"--profile {profile!r}: there is no {DEFAULT_FILE} here",
                hint="Name the file with --config FILE.",
            )
        return []
    content = read_toml(file, "--config")
    profiles = _pop_profiles(content, file)
    layers = [Layer(str(file), _texts_of(content, file))]
    if profile:
        if profile not in profiles:
            raise UsageError(f"{file}: there is no [profile.{profile}]")
        origin = f"{file} [profile.{profile}]"
        layers.append(Layer(origin, _texts_of(profiles[profile], file)))
    return layers


def _pop_profiles(content: dict[str, Any], file: Path) -> Mapping[str, Any]:
    profiles = content.pop("profile", {})
    tables = profiles.values() if isinstance(profiles, dict) else [profiles]
    if all(isinstance(table, dict) for table in tables):
        return dict(profiles)
    raise UsageError(
        f"{file}: profile must be a table: [profile.NAME]",
        hint="Which one is used is said with --profile NAME.",
    )


def read_toml(path: Path, flag: str) -> dict[str, Any]:
    """Return a TOML file's content; UsageError names file and place."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{flag} {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{flag} {path} is no TOML: {error}") from None


def _texts_of(content: Mapping[str, Any], file: Path) -> Texts:
    texts = {}
    for name, value in content.items():
        option = BY_NAME.get(name)
        if option is None:
            close = get_close_matches(name, BY_NAME, n=1)
            guess = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"{file}: there is no setting {name!r}{guess}")
        if isinstance(value, list) and not option.many:
            raise UsageError(f"{file}: {name} takes one value, not a list")
        values = value if isinstance(value, list) else [value]
        texts[name] = tuple(_text_of(v, name, file) for v in values)
    return texts


def _text_of(value: object, name: str, file: Path) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise UsageError(f"{file}: {name} must be text, a number or true/false")


def check_table() -> list[str]:
    """Return the settings that the table and Settings do not share; tests use it."""
    table = {option.attribute for option in OPTIONS}
    return sorted(table ^ {field.name for field in fields(Settings)})
