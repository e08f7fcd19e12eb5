"""A run directory: its name, its files, and run.json."""

import os
import secrets
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from batch_updater.errors import RunDirectoryError
from batch_updater.files.disk import RESERVE, discard, sync_directory, sync_file
from batch_updater.files.private import (
    copy_private,
    make_private_folder,
    move_private,
    replace_private,
)
from batch_updater.files.versions import refuse_newer

MENDED = "mended.csv"
_JSON = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """
    Paths of one run's files; the directory exists.

    Args:
        made: whether this process made it.
    """

    path: Path
    made: bool = False

    @property
    def run_id(self) -> str:
        """The directory's own name."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The append-only record."""
        return self.path / "journal.jsonl"

    @property
    def manifest(self) -> Path:
        """What the run is: settings, inputs, state."""
        return self.path / "run.json"

    @property
    def before(self) -> Path:
        """What faces held before they were changed."""
        return self.path / "before.jsonl"

    @property
    def rate(self) -> Path:
        """Where the rate is changed while the run goes on."""
        return self.path / "rate"

    @property
    def spool(self) -> Path:
        """What came in on stdin, kept so that the run can be resumed."""
        return self.path / "stdin"

    @property
    def mended(self) -> Path:
        """The rows of a retry that were mended by hand, in the order of the input."""
        return self.path / MENDED

    @property
    def plan(self) -> Path:
        """The plan that is applied, as it was when the run began."""
        return self.path / "plan.parquet"

    @property
    def survey(self) -> Path:
        """What the rows' check found, so that a resume need not check again."""
        return self.path / "survey"

    @property
    def known(self) -> Path:
        """What the state said of rows when a plan began."""
        return self.path / "known.parquet"

    @property
    def beginnings(self) -> tuple[Path, ...]:
        """What a run whose run.json is not there may hold: not begun, or lost."""
        return (
            self.journal,
            self.spool,
            self.mended,
            self.plan,
            self.survey,
            self.path / RESERVE,
            temporary_name(self.manifest),
        )

    def forget_rate(self) -> bool:
        """Remove what the rate was changed to; return whether there was anything."""
        try:
            self.rate.unlink()
        except OSError:
            return False
        return True

    def keep(self, path: Path, place: Path) -> Path:
        """Move an input into its place in this directory; return where it is."""
        if path != place.absolute():
            place.unlink(missing_ok=True)  # of a run that never began
            move_private(path, place)
            sync_file(place)
        return place.absolute()

    def keep_copy(self, path: Path, place: Path) -> Path:
        """Copy an input into its place in this directory; return where it is."""
        copy_private(path, place)
        sync_file(place)
        return place.absolute()

    def refuse_begun(self) -> None:
        """Raise RunDirectoryError when a run has begun here; hold its lock."""
        if self.manifest.exists():
            raise RunDirectoryError(
                f"the run directory {self.path} is not empty", hint=_instead_of(self)
            )

    def discard(self, files: Iterable[Path]) -> None:
        """Take back a run that could not begin: these files, and what we made."""
        with suppress(OSError):  # why it could not begin matters more
            for path in files:
                path.unlink(missing_ok=True)
            if self.made:
                self.path.rmdir()

    def read_manifest(self) -> dict[str, Any]:
        """Return run.json; RunDirectoryError when it is none of ours."""
        try:
            manifest = orjson.loads(self.manifest.read_bytes())
        except OSError as error:
            raise RunDirectoryError(
                f"{self.path} is no run directory: run.json: {error.strerror}",
                hint="Give the directory that a run named at its end, "
                "such as runs/20261122T170000Z-1a2b3c.",
            ) from None
        except orjson.JSONDecodeError:
            raise RunDirectoryError(f"{self.manifest} is damaged") from None
        if not isinstance(manifest, dict):
            raise RunDirectoryError(f"{self.manifest} is damaged")
        maker = manifest.get("tool_version")
        refuse_newer(self.manifest, manifest.get("format"), maker)
        return manifest

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace run.json in one step."""
        replace_file(self.manifest, orjson.dumps(manifest, option=_JSON))

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a JSON view in one step."""
        replace_file(self.path / name, orjson.dumps(content, option=_JSON))


def create_run_directory(asked: Path | None) -> RunDirectory:
    """
    Make a new directory: the one asked for, or runs/<UTC>-<short id>.

    One that is there must be empty, or hold only what a run left that was killed
    before it sent anything.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = asked or Path("runs") / f"{stamp}-{secrets.token_hex(3)}"
    try:
        directory = _make(path)
        if not directory.made:
            _refuse_occupied(directory)
        path.chmod(0o700)
    except (OSError, ValueError) as error:
        raise RunDirectoryError(
            f"cannot make the run directory {path}: "
            f"{getattr(error, 'strerror', None) or error}",
            hint="Give another one with --run-dir.",
        ) from None
    return directory


def _make(path: Path) -> RunDirectory:
    missing = [each for each in (path, *path.parents) if not each.exists()]
    make_private_folder(path)
    for each in missing:
        sync_directory(each.parent)
    return RunDirectory(path, made=bool(missing))


def _refuse_occupied(directory: RunDirectory) -> None:
    there = set(directory.path.iterdir())
    never_began = directory.journal in there and there <= {*directory.beginnings}
    never_began &= not directory.journal.is_symlink()
    if there and not never_began:
        raise RunDirectoryError(
            f"the run directory {directory.path} is not empty",
            hint=_instead_of(directory),
        )


def _instead_of(directory: RunDirectory) -> str:
    if not directory.manifest.exists():
        return "Give another --run-dir."
    path = shlex.quote(str(directory.path))
    return (
        f"Go on with the run in it: batch-updater resume {path}; "
        "or give another --run-dir."
    )


def open_run_directory(path: Path) -> RunDirectory:
    """Return an existing run directory; RunDirectoryError when it is none."""
    if not path.is_dir():
        raise RunDirectoryError(f"there is no run directory {path}")
    return RunDirectory(path)


def temporary_name(path: Path) -> Path:
    """Return the hidden name a file is written under before it is renamed."""
    return path.with_name(f".{path.name}.new")


def replace_file(path: Path, content: bytes) -> None:
    """Write a private file (0600) under another name, sync it, and rename it."""
    temporary = temporary_name(path)
    try:
        with replace_private(temporary) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError:
        discard(temporary)  # on a full disk it would be in the way
        raise
