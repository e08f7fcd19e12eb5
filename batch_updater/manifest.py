"""run.json: what a run is about, and which of its rows are still to be sent."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import pyarrow as pa
import pyarrow.compute as pc

from batch_updater.config.mapping_file import column_mapping
from batch_updater.config.options import BY_NAME
from batch_updater.config.settings import Settings, Texts
from batch_updater.errors import InputError, RunDirectoryError
from batch_updater.files.bulk import Lines, read_bulk
from batch_updater.files.formats import Compression
from batch_updater.files.inputs import STDIN, Input, InputFormat, fingerprint
from batch_updater.files.lock import locked
from batch_updater.files.replay import replay
from batch_updater.files.run_dir import MENDED, RunDirectory
from batch_updater.files.source import ReadOptions
from batch_updater.files.versions import FORMAT
from batch_updater.intake.rows import Intake
from batch_updater.mapping.columns import ColumnMapping
from batch_updater.models import FieldType, Outcome, Purpose, RowLayout, UpdateMode
from batch_updater.selection import Selection


@dataclass(frozen=True, slots=True)
class RunKey:
    """What a run is known by, wherever its directory is now: its id and its beginning."""

    run_id: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """
    run.json: what the run is about, enough to go on with it.

    Args:
        settings: as text, without the defaults and without secrets.
        rows: number of rows by source, as the survey counted them.
        declared: types of the face set's custom fields.
        face_number: faces the face set said to hold when the last session began.
        header: the inputs' own columns.
        endpoint, project_id: where it is; an earlier version did not note them.
        purpose: whether its rows are updates, or faces to read; an export without
            inputs lists the face set.
        parent: the run whose failed rows this one sends again, or empty.
        parent_run: what that run is known by; an earlier version did not note it.
        root_run: the run that the first of such retries began with.
        state: `running`, `finished` or `stopped`.
    """

    tool_version: str
    run_id: str
    created_at: str
    settings: Texts
    inputs: tuple[Input, ...]
    rows: Mapping[str, int]
    declared: Mapping[str, FieldType]
    header: tuple[str, ...]
    face_number: int = 0
    endpoint: str = ""
    project_id: str = ""
    purpose: Purpose = Purpose.UPDATE
    parent: str = ""
    parent_run: RunKey | None = None
    root_run: RunKey | None = None
    state: str = "running"

    @property
    def key(self) -> RunKey:
        """What the run is known by."""
        return RunKey(self.run_id, self.created_at)

    @property
    def layout(self) -> RowLayout:
        """All rows as one sequence."""
        return RowLayout(dict(self.rows))

    @property
    def plan(self) -> Input | None:
        """The plan that the run applies, or None."""
        plans = (i for i in self.inputs if i.format is InputFormat.PLAN)
        return next(plans, None)

    @property
    def lists(self) -> bool:
        """Whether this is an export that goes by listing."""
        return self.purpose is Purpose.EXPORT and not self.inputs

    def save(
        self, directory: RunDirectory, totals: Mapping[str, int] | None = None
    ) -> None:
        """Write run.json in one step, with the totals once they are known."""
        directory.write_manifest(
            {
                "format": FORMAT,
                "tool_version": self.tool_version,
                "run_id": self.run_id,
                "created_at": self.created_at,
                "purpose": self.purpose,
                "state": self.state,
                "parent": self.parent,
                "parent_run": asdict(self.parent_run) if self.parent_run else None,
                "root_run": asdict(self.root_run) if self.root_run else None,
                "settings": {k: list(v) for k, v in self.settings.items()},
                "inputs": [describe_input(i, self.rows[i.name]) for i in self.inputs],
                "header": list(self.header),
                "declared": dict(self.declared),
                "face_number": self.face_number,
                "endpoint": self.endpoint,
                "project_id": self.project_id,
                "totals": dict(totals or {}),
            }
        )


def describe_input(source: Input, rows: int) -> dict[str, Any]:
    """Return what is told of an input: what it was, and how many rows it had."""
    return {
        "name": source.name,
        "path": str(source.path),
        "format": str(source.format),
        "compression": source.compression,
        "size": source.size,
        "sha256": source.sha256,
        "rows": rows,
    }


def load_manifest(directory: RunDirectory) -> Manifest:
    """Read run.json; RunDirectoryError when it is none of ours."""
    if directory.journal.exists() and not directory.manifest.exists():
        raise _without_manifest(directory)
    content = directory.read_manifest()
    try:
        manifest = _read(content)
    except KeyError as error:
        raise _damaged(directory, f"{error.args[0]!r} is missing") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise _damaged(directory, str(error)) from None
    return _with_kept_inputs(manifest, directory)


def _without_manifest(directory: RunDirectory) -> RunDirectoryError:
    with locked(directory.journal, shared=True):  # or it is only just beginning
        began = any(record.kind == "result" for record in replay(directory.journal))
    if began:
        return RunDirectoryError(
            f"{directory.path} has lost its run.json",
            hint="Put it back: the journal alone does not say how its rows were read.",
        )
    return RunDirectoryError(
        f"the run in {directory.path} was killed before it began; nothing was sent",
        hint="Begin it again, in the same place if you like: "
        + shlex.join(["batch-updater", "run", "INPUT...", "--run-dir"])
        + f" {shlex.quote(str(directory.path))}",
    )


def _damaged(directory: RunDirectory, said: str) -> RunDirectoryError:
    return RunDirectoryError(
        f"{directory.manifest} is damaged: {said}",
        hint="Put it back as it was; the journal alone does not say how its rows "
        "were read.",
    )


def _with_kept_inputs(manifest: Manifest, directory: RunDirectory) -> Manifest:
    inputs = tuple(
        replace(source, path=_kept_path(source, directory))
        if source.name in {STDIN, MENDED} or source.format is InputFormat.PLAN
        else source
        for source in manifest.inputs
    )
    return replace(manifest, inputs=inputs)


def _kept_path(source: Input, directory: RunDirectory) -> Path:
    """
    Return where an input that is kept in a run directory is now.

    The directory may have been moved, alone or with that of the run whose rows are
    sent again, which stands beside it.
    """
    here = directory.path.absolute()
    beside = here.parent / source.path.parent.name
    for folder in (here, source.path.parent, beside):
        if (path := folder / source.path.name).exists():
            return path
    return source.path


def _read(content: Mapping[str, Any]) -> Manifest:
    inputs = _typed(content, "inputs", list)
    settings = _typed(content, "settings", dict)
    purpose = Purpose(content.get("purpose", Purpose.UPDATE))
    if not inputs and purpose is not Purpose.EXPORT:
        raise ValueError("'inputs' is []")
    return Manifest(
        tool_version=_typed(content, "tool_version", str),
        run_id=_typed(content, "run_id", str),
        created_at=_typed(content, "created_at", str),
        settings={name: _given(settings, name) for name in settings},
        inputs=tuple(_read_input(entry) for entry in inputs),
        rows={entry["name"]: _count(entry, "rows") for entry in inputs},
        declared={
            k: FieldType(v) for k, v in _typed(content, "declared", dict).items()
        },
        header=_texts(content, "header"),
        face_number=_count({"face_number": 0, **content}, "face_number"),
        endpoint=_typed({"endpoint": "", **content}, "endpoint", str),
        project_id=_typed({"project_id": "", **content}, "project_id", str),
        purpose=purpose,
        parent=_typed(content, "parent", str),
        parent_run=_run_key(content, "parent_run"),
        root_run=_run_key(content, "root_run"),
        state=_typed(content, "state", str),
    )


def _run_key(content: Mapping[str, Any], name: str) -> RunKey | None:
    if content.get(name) is None:
        return None
    entry = _typed(content, name, dict)
    return RunKey(_typed(entry, "run_id", str), _typed(entry, "created_at", str))


def _read_input(entry: Mapping[str, Any]) -> Input:
    compression = entry["compression"]
    if compression not in (None, *get_args(Compression)):
        raise ValueError(f"'compression' is {compression!r:.40}")
    return Input(
        path=Path(_typed(entry, "path", str)),
        name=_typed(entry, "name", str),
        format=InputFormat(entry["format"]),
        compression=compression,
        size=_count(entry, "size"),
        sha256=_typed(entry, "sha256", str),
    )


_Kind = TypeVar("_Kind")


def _typed(entry: Mapping[str, Any], name: str, kind: type[_Kind]) -> _Kind:
    value = entry[name]
    if type(value) is not kind:
        raise TypeError(f"{name!r} is {value!r:.40}")
    return value


def _count(entry: Mapping[str, Any], name: str) -> int:
    if (value := _typed(entry, name, int)) < 0:
        raise ValueError(f"{name!r} is {value}")
    return value


def _given(settings: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = _texts(settings, name)
    if not texts and name in BY_NAME and not BY_NAME[name].many:
        raise ValueError(f"{name!r} is []")  # it would be read as no limit at all
    return texts


def _texts(entry: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = _typed(entry, name, list)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name!r} is {texts!r:.40}")
    return tuple(texts)


def make_intake(
    settings: Settings, inputs: Sequence[Input], purpose: Purpose = Purpose.UPDATE
) -> Intake:
    """Return the intake that the settings describe; a plan's columns are its own."""
    mapping = column_mapping(settings)
    intake = Intake(
        inputs=inputs,
        options=ReadOptions(delimiter=settings.delimiter, encoding=settings.encoding),
        mapping=replace(mapping, ids_only=purpose is Purpose.EXPORT),
        face_set_name=settings.face_set or "",
        strict=settings.strict,
        complete=settings.update_mode is UpdateMode.REPLACE
        and purpose is not Purpose.EXPORT,
        include_values=settings.include_values,
        limit=settings.limit,
    )
    if not intake.planned:
        return intake
    return replace(intake, mapping=ColumnMapping(ids_only=True), limit=None)


def check_unchanged(inputs: Sequence[Input]) -> None:
    """Raise InputError when a file is not the one that the run began with."""
    for source in inputs:
        try:
            size, sha256 = fingerprint(source.path)
        except InputError as error:
            raise InputError(
                f"{error.message}; the run began with it",
                hint="Put the file back where it was, readable for this user.",
            ) from None
        if (size, sha256) != (source.size, source.sha256):
            raise InputError(
                f"{source.path} has changed since the run began "
                f"({_how_changed(source, size)})",
                hint="Row numbers may mean other faces now. Put the file back, or "
                "start a new run with it.",
            )


def _how_changed(source: Input, size: int) -> str:
    if size == source.size:
        return "its size is the same, its content differs"
    how = f"{source.size:,} bytes then, {size:,} now"
    if size > source.size and fingerprint(source.path, most=source.size) == (
        source.size,
        source.sha256,
    ):
        return f"{how}: something was appended, all before it is the same"
    return how


def read_selection(directory: RunDirectory, manifest: Manifest) -> Selection:
    """
    Return the rows that a run is about: all, unless its journal says which.

    Raises:
        RunDirectoryError: the journal of a retry does not say which.
    """
    total = manifest.layout.total
    for record in replay(directory.journal):
        if record.kind == "selection":
            return record.selection(total)
        if record.kind == "result":
            break
    if manifest.parent:
        raise RunDirectoryError(
            f"{directory.journal} does not say which rows this retry is about: it "
            "was cut short",
            hint="Put the journal back as it was, or retry again: "
            + shlex.join(["batch-updater", "retry", manifest.parent]),
        )
    return Selection.all(total)


def rows_with(
    directory: RunDirectory, layout: RowLayout, outcomes: frozenset[Outcome]
) -> Selection:
    """Return the rows whose last outcome is one of these."""
    rows, wanted = Selection.none(layout.total), pa.array([*outcomes], pa.string())
    for lines in read_bulk(directory.journal, ("source", "row_number", "outcome")):
        if isinstance(lines, Lines):
            found = pc.is_in(lines.batch["outcome"], wanted)
            rows.change(lines.ordinals(layout), found.to_numpy(zero_copy_only=False))
    return rows


def pending_rows(directory: RunDirectory, manifest: Manifest) -> Selection:
    """
    Return the rows of a run that have no final outcome yet.

    What could not be read is read again: there is nothing to apply twice.
    """
    layout, again = manifest.layout, {Outcome.UNPROCESSED}
    if manifest.purpose is not Purpose.UPDATE:
        again.add(Outcome.FAILED)
    done = rows_with(directory, layout, frozenset(Outcome) - again)
    return read_selection(directory, manifest) - done


def ended(manifest: Manifest, *, early: bool) -> Manifest:
    """Return the manifest of a run whose session has ended."""
    return replace(manifest, state="stopped" if early else "finished")
