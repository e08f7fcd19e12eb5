"""
What a survey found, kept with its run, so that a resume need not look again.

Only a view of the inputs: it is believed when it was made by this version, of these
inputs, read and checked in this way, and is whole; else the inputs are looked at.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from batch_updater.files.run_dir import replace_file
from batch_updater.intake.planned import survey_plan
from batch_updater.intake.repeats import Refused
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import Survey, survey
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.rules import Problem
from batch_updater.models import OnDuplicate
from batch_updater.selection import Selection
from batch_updater.version import __version__

_MOST = 1 << 20  # refused rows; the inputs of more are looked at again


@dataclass(frozen=True, slots=True)
class Kept:
    """
    Where the findings of a survey lie.

    Args:
        key: a hash of all that they depend on.
        values: whether messages are kept, which may show values.
    """

    path: Path
    key: str
    values: bool = False

    def save(self, found: Survey) -> None:
        """Write findings down if that can be done; a run goes on without it."""
        if len(found.refused) > _MOST or not found.ahead:
            return
        pairs = found.refused.pairs()
        head = {"key": self.key, "refused": len(pairs), **_told(found, self.values)}
        data = orjson.dumps(head) + b"\n" + found.repeated.packed() + pairs.tobytes()
        with suppress(OSError):
            replace_file(self.path, _digest(data) + b"\n" + data)

    def load(self) -> Survey | None:
        """Return what was found, or None when that is not known any more."""
        try:
            digest, line, data = self.path.read_bytes().split(b"\n", 2)
            if digest != _digest(line + b"\n" + data):
                return None
            head = orjson.loads(line)
            return _found(head, data) if head["key"] == self.key else None
        except (OSError, ValueError):
            return None


def _digest(data: bytes) -> bytes:
    return sha256(data).hexdigest().encode()


def kept_in(path: Path, intake: Intake, types: FieldTypes, policy: OnDuplicate) -> Kept:
    """Return where the findings about these inputs, read and checked so, are kept."""
    depends = {
        "version": __version__,
        "inputs": [
            (i.name, i.size, i.sha256, i.format, i.compression) for i in intake.inputs
        ],
        "options": asdict(intake.options),
        "mapping": asdict(intake.mapping),
        "strict": intake.strict,
        "complete": intake.complete,
        "values": intake.include_values,
        "limit": intake.limit,
        "types": sorted(types.types.items()),
        "allowed": None if types.allowed is None else sorted(types.allowed),
        "policy": policy,
    }
    key = sha256(orjson.dumps(depends, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return Kept(path, key, intake.include_values)


def _told(found: Survey, values: bool) -> dict[str, Any]:
    def told(problem: Problem) -> tuple[str, str, str]:
        return problem.rule, problem.column, problem.message if values else ""

    return {
        "rows": dict(found.rows),
        "header": list(found.header),
        "rules": dict(found.rules),
        "warnings": dict(found.warnings),
        "invalid": found.invalid,
        "repeats": found.repeats,
        "statuses": dict(found.statuses),
        "changes": dict(found.changes),
        "examples": [
            (source, row, [told(problem) for problem in problems])
            for source, row, problems in found.examples
        ],
        "warning_examples": {
            rule: (source, row, told(problem))
            for rule, (source, row, problem) in found.warning_examples.items()
        },
    }


def _found(head: Mapping[str, Any], data: bytes) -> Survey:
    total = sum(head["rows"].values())
    bits, pairs = data[: (total + 7) // 8], data[(total + 7) // 8 :]
    refused = Refused(total)
    rows = np.frombuffer(pairs, dtype=np.int64).reshape(head["refused"], 2)
    if len(rows):
        refused.add(rows[:, 0].copy(), rows[:, 1].copy())
    return Survey(
        rows=head["rows"],
        header=tuple(head["header"]),
        rules=Counter(head["rules"]),
        warnings=Counter(head["warnings"]),
        warning_examples={
            rule: (source, row, Problem(*said))
            for rule, (source, row, said) in head["warning_examples"].items()
        },
        examples=[
            (source, row, [Problem(*each) for each in said])
            for source, row, said in head["examples"]
        ],
        invalid=head["invalid"],
        repeats=head["repeats"],
        statuses=Counter(head["statuses"]),
        changes=Counter(head["changes"]),
        refused=refused,
        repeated=Selection.unpacked(total, bits),
    )


def look(
    kept: Kept | None,
    intake: Intake,
    types: FieldTypes,
    policy: OnDuplicate,
    stopped: Callable[[], bool],
) -> Survey:
    """
    Return what a survey finds, from where it is kept if it is; keep it if it is not.

    Args:
        kept: None when there is no run directory yet.
        stopped: as survey asks it.
    """
    if kept and (found := kept.load()):
        return found
    if intake.planned:
        found = survey_plan(intake, stopped)
    else:
        found = survey(intake, types, policy, stopped)
    if kept and not stopped():
        kept.save(found)
    return found
