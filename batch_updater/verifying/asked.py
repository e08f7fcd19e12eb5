"""What a verification is about, as its journal tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batch_updater.files.replay import Record, replay
from batch_updater.files.run_dir import RunDirectory
from batch_updater.manifest import Manifest, read_selection, rows_with
from batch_updater.models import Outcome
from batch_updater.selection import Selection

NOTE = "verify"

# Rows of which nothing can have reached the service.
_NEVER_SENT = frozenset(
    {Outcome.INVALID, Outcome.DUPLICATE, Outcome.DRIFTED, Outcome.MISSING}
)


@dataclass(frozen=True, slots=True)
class Verified:
    """
    What is read back.

    Args:
        run: the run that wrote the rows, its directory; empty for inputs.
        written: rows whose values may stand over those of earlier rows of their
            face; None for all of them.
        rows: how many there were before a sample was taken; None if there is none.
    """

    run: str = ""
    written: Selection | None = None
    rows: int | None = None

    def facts(self) -> dict[str, Any]:
        """Return what the journal says of it."""
        facts: dict[str, Any] = {"run": self.run}
        if self.written is not None:
            facts["written"] = list(self.written.ranges())
        if self.rows is not None:
            facts["sampled_from"] = self.rows
        return facts


def held_by(directory: RunDirectory, manifest: Manifest) -> Selection:
    """Return the rows of a run that faces held when it was done with them."""
    held = frozenset({Outcome.UPDATED, Outcome.UNCHANGED})
    return rows_with(directory, manifest.layout, held)


def may_be_written(directory: RunDirectory, manifest: Manifest) -> Selection:
    """
    Return the rows of a run whose values may be in their faces by now.

    A row that failed is among them: an attempt without an answer may have been
    applied, and a retry may have sent it since. So is one without an outcome, which
    was on its way when the run was killed, or has been resumed.
    """
    layout = manifest.layout
    return read_selection(directory, manifest) - rows_with(
        directory, layout, _NEVER_SENT
    )


def read_verified(directory: RunDirectory, total: int) -> Verified:
    """
    Return what a verification's journal says of it.

    Args:
        total: rows of its inputs.

    Raises:
        RunDirectoryError: the line is not one of ours.
    """
    for record in replay(directory.journal):
        if record.kind == NOTE:
            return _read(record, total)
        if record.kind == "result":
            break
    return Verified()


def _read(record: Record, total: int) -> Verified:
    facts: Mapping[str, Any] = record.facts
    run, rows = facts.get("run", ""), facts.get("sampled_from")
    written = facts.get("written")
    try:
        if type(run) is not str or type(rows) not in {int, type(None)}:
            raise record.damage()
        if not all(0 <= first <= last < total for first, last in written or ()):
            raise record.damage()
    except (TypeError, ValueError):
        raise record.damage() from None
    ranges = None if written is None else Selection.of_ranges(written, total)
    return Verified(run, ranges, rows)
