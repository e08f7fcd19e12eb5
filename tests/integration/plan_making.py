"""Plans for tests: what faces hold is read from the emulator's own memory."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from bench import FACE_SET, FIELDS, Bench

from batch_updater.files.lines import format_time
from batch_updater.files.plan_file import PLAN_SCHEMA, PlanFacts, open_plan
from batch_updater.mapping.comparison import ABSENT, differences, held_in, update_of
from batch_updater.models import FieldType, PlanStatus
from batch_updater.version import __version__

AGE = "external_fields.age"
TEAM = "external_fields.team"
IMAGE = "external_image_id"

PlanRow = dict[str, Any]

_TYPES = {name: FieldType(kind) for name, kind in FIELDS.items()}


def facts(bench: Bench, **otherwise: Any) -> PlanFacts:
    """Return what a plan for the bench's face set is about, made just now."""
    flags = iter(bench.target)
    settings = {flag.removeprefix("--"): (next(flags),) for flag in flags}
    made = PlanFacts(
        kind="plan",
        tool_version=__version__,
        created_at=ago(),
        endpoint=bench.emulator.url,
        project_id=bench.emulator.project_id,
        face_set_name=FACE_SET,
        declared=FIELDS,
        face_number=len(bench.emulator.state.faces(FACE_SET)),
        against="remote",
        settings={**settings, "rate": ("1000",)},
    )
    return replace(made, **otherwise)


def ago(**time: float) -> str:
    """Return the moment so long ago, as a plan says it."""
    return format_time((datetime.now(UTC) - timedelta(**time)).timestamp())


def wants(
    bench: Bench, face_id: str, seen_in: str | None = "face", **fields: Any
) -> PlanRow:
    """
    Return the row of a face that is to hold these fields, as plan would write it.

    Args:
        fields: custom fields by their own names, or external_image_id.
    """
    named = {k if k == IMAGE else f"external_fields.{k}": v for k, v in fields.items()}
    face = bench.emulator.state.face(FACE_SET, face_id).as_json()
    update = update_of(face_id, named)
    held = held_in(face) if seen_in else {}
    different = differences(update, held, _TYPES)
    changes = [
        {
            "field": each.field,
            "old": None if each.held is ABSENT else json.dumps(each.held),
            "new": json.dumps(each.wanted),
        }
        for each in different
    ]
    row = plan_row(face_id, PlanStatus.CHANGE if changes else PlanStatus.SAME)
    wanted = {k: v for k, v in fields.items() if k == IMAGE}
    if custom := {k: v for k, v in fields.items() if k != IMAGE}:
        wanted["external_fields"] = custom
    return row | {
        "changes": changes,
        "update": json.dumps(wanted) if changes else None,
        "before": json.dumps(face) if seen_in in {"face", "listing"} else None,
        "seen_in": seen_in,
    }


def plan_row(
    face_id: str, status: PlanStatus, code: str = "", said: str = ""
) -> PlanRow:
    """Return the row of a face with nothing to send."""
    return {
        "source": "faces.csv",
        "face_set_name": FACE_SET,
        "face_id": face_id,
        "status": status,
        "changes": [],
        "seen_in": "face",
        "error_code": code or None,
        "error_msg": said or None,
    }


def write_plan(
    bench: Bench,
    rows: Iterable[Mapping[str, Any]],
    name: str = "plan.parquet",
    **otherwise: Any,
) -> str:
    """
    Write a plan; return the file's name.

    Args:
        otherwise: facts of it that are not the usual ones.
    """
    numbered = [{"row_number": n, **row} for n, row in enumerate(rows, 1)]
    counts = {s: sum(r["status"] == s for r in numbered) for s in PlanStatus}
    made = facts(
        bench, **{"counts": {str(k): n for k, n in counts.items()}, **otherwise}
    )
    with open_plan(bench.folder / name, made) as plan:
        if numbered:
            plan.write(pa.RecordBatch.from_pylist(numbered, schema=PLAN_SCHEMA))
    return name


def ages(bench: Bench, count: int, add: int = 100, **options: Any) -> list[PlanRow]:
    """Return a row for each of the first faces, which are to be so much older."""
    faces = bench.emulator.state.faces(FACE_SET)[:count]
    return [
        wants(bench, f.face_id, age=int(str(f.external_fields["age"])) + add, **options)
        for f in faces
    ]


def seed_ages(bench: Bench, count: int) -> list[str]:
    """Put faces into the face set that have an age, their number; return their ids."""
    ids = [f"face{number:04d}" for number in range(1, count + 1)]
    seeded = [
        {
            "face_id": face_id,
            "external_image_id": f"img{n}",
            "external_fields": {"age": n},
        }
        for n, face_id in enumerate(ids, 1)
    ]
    bench.emulator.state.seed_faces(FACE_SET, seeded)
    return ids


def held(bench: Bench) -> dict[str, dict[str, Any]]:
    """Return all that the service holds, by face id."""
    faces = bench.emulator.state.faces(FACE_SET)
    return {face.face_id: {**held_in(face.as_json())} for face in faces}


def apply(bench: Bench, *arguments: str, run_dir: str = "job") -> Any:
    """Apply plan.parquet, or what the arguments say, into `job`; ask nothing."""
    plan = () if arguments and arguments[0].endswith(".parquet") else ("plan.parquet",)
    usual = ("--run-dir", run_dir, "--yes")
    return bench.command("apply", *plan, *arguments, *usual)


def path_of(bench: Bench, name: str) -> Path:
    """Return where a file of the bench lies."""
    return bench.folder / name
