"""run.json: what a run is about, and which of its rows are still to be sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from batch_updater.config.mapping_file import column_mapping
from batch_updater.config.settings import Settings, Texts
from batch_updater.errors import InputError
from batch_updater.files.inputs import Input, InputFormat, fingerprint
from batch_updater.files.journal import replay, selected_rows
from batch_updater.files.run_dir import FORMAT, RunDirectory
from batch_updater.files.source import ReadOptions
from batch_updater.intake.items import Selection
from batch_updater.intake.rows import Intake
from batch_updater.models import FieldType, Outcome, RowLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """
    run.json: what the run is about, enough to go on with it.

    Args:
        settings: as text, without the defaults and without secrets.
        rows: number of rows by source, as the survey counted them.
        declared: types of the face set's custom fields.
        header: the inputs' own columns.
        parent: the run whose failed rows this one sends again, or empty.
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
    parent: str = ""
    state: str = "running"

    @property
    def layout(self) -> RowLayout:
        """All rows as one sequence."""
        return RowLayout(dict(self.rows))

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
                "state": self.state,
                "parent": self.parent,
                "settings": {k: list(v) for k, v in self.settings.items()},
                "inputs": [_describe_input(i, self.rows[i.name]) for i in self.inputs],
                "header": list(self.header),
                "declared": dict(self.declared),
                "totals": dict(totals or {}),
            }
        )


def _describe_input(source: Input, rows: int) -> dict[str, Any]:
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
    content = directory.read_manifest()
    inputs = content["inputs"]
    return Manifest(
        tool_version=content["tool_version"],
        run_id=content["run_id"],
        created_at=content["created_at"],
        settings={name: tuple(given) for name, given in content["settings"].items()},
        inputs=tuple(_read_input(entry) for entry in inputs),
        rows={entry["name"]: entry["rows"] for entry in inputs},
        declared={k: FieldType(v) for k, v in content["declared"].items()},
        header=tuple(content["header"]),
        parent=content["parent"],
        state=content["state"],
    )


def _read_input(entry: Mapping[str, Any]) -> Input:
    return Input(
        path=Path(entry["path"]),
        name=entry["name"],
        format=InputFormat(entry["format"]),
        compression=entry["compression"],
        size=entry["size"],
        sha256=entry["sha256"],
    )


def make_intake(settings: Settings, inputs: Sequence[Input]) -> Intake:
    """Return the intake that the settings describe."""
    return Intake(
        inputs=inputs,
        options=ReadOptions(delimiter=settings.delimiter, encoding=settings.encoding),
        mapping=column_mapping(settings),
        face_set_name=settings.face_set or "",
        strict=settings.strict,
        include_values=settings.include_values,
        limit=settings.limit,
    )


def check_unchanged(inputs: Sequence[Input]) -> None:
    """Raise InputError when a file is not the one that the run began with."""
    for source in inputs:
        try:
            size, sha256 = fingerprint(source.path)
        except OSError as error:
            raise InputError(
                f"{source.path}: {error.strerror}; the run began with it",
                hint="Put the file back where it was.",
            ) from None
        if (size, sha256) != (source.size, source.sha256):
            raise InputError(
                f"{source.path} has changed since the run began "
                f"({source.size:,} bytes then, {size:,} now)",
                hint="Row numbers may mean other faces now. Put the file back, or "
                "start a new run with it.",
            )


def read_selection(directory: RunDirectory, total: int) -> Selection:
    """Return the rows that a run is about: all, unless its journal says which."""
    for record in replay(directory.journal):
        if record.kind == "selection":
            return selected_rows(record.facts["rows"], total)
        if record.kind == "result":
            break
    return np.ones(total, dtype=np.bool_)


def rows_with(
    directory: RunDirectory, layout: RowLayout, outcomes: frozenset[Outcome]
) -> Selection:
    """Return the rows whose last outcome is one of these."""
    rows = np.zeros(layout.total, dtype=np.bool_)
    for record in replay(directory.journal):
        if record.kind == "result":
            facts = record.facts
            ordinal = layout.ordinal(facts["source"], facts["row_number"])
            rows[ordinal] = facts["outcome"] in outcomes
    return rows


def failed_rows(directory: RunDirectory, layout: RowLayout) -> Selection:
    """Return the rows of a run that failed."""
    return rows_with(directory, layout, frozenset({Outcome.FAILED}))


def pending_rows(directory: RunDirectory, layout: RowLayout) -> Selection:
    """Return the rows of a run that have no final outcome yet."""
    final = frozenset(Outcome) - frozenset({Outcome.UNPROCESSED})
    done = rows_with(directory, layout, final)
    return read_selection(directory, layout.total) & ~done


def ended(manifest: Manifest, *, early: bool) -> Manifest:
    """Return the manifest of a run whose session has ended."""
    return replace(manifest, state="stopped" if early else "finished")
