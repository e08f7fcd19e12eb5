"""Writes the data files of this folder; the same ones each time."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from dirty_rows import COLUMNS, dirty_objects, dirty_rows
from face_set import FIELDS, Face, make_faces, seed

HERE = Path(__file__).parent
FACE_COLUMNS = (
    "face_id",
    "external_image_id",
    *(f"external_fields.{name}" for name in FIELDS),
    "note",
)
# The columns of people.csv, as mapping.toml maps them.
PEOPLE_COLUMNS = {
    "person": "face_id",
    "photo": "external_image_id",
    "since": "external_fields.timestamp",
    "citizen_no": "external_fields.id",
    "team": "external_fields.department",
    "level": "external_fields.floor",
    "picture_quality": "external_fields.score",
    "hours": "external_fields.weekly_hours",
    "executive": "external_fields.vip",
    "remark": "note",
}
PEOPLE = 200
ARROW_TYPES = {
    "long": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "float": pa.float32(),
    "boolean": pa.bool_(),
    "string": pa.string(),
}


def write_all(folder: Path) -> None:
    """Write every data file into a folder."""
    rows = [_cells(face) for face in make_faces()]
    texts = [{name: _text(value) for name, value in row.items()} for row in rows]
    _write_csv(folder / "faces.csv", FACE_COLUMNS, texts)
    _write_parquet(folder / "faces.parquet", rows)
    _write_csv(folder / "people.csv", PEOPLE_COLUMNS, map(_person, texts[:PEOPLE]))
    _write_csv(folder / "dirty.csv", COLUMNS, dirty_rows())
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in dirty_objects()]
    (folder / "dirty.jsonl").write_text("".join(lines), encoding="utf-8")
    _write_seed(folder / "emulator.json", seed())


def _cells(face: Face) -> dict[str, object]:
    fields = {f"external_fields.{name}": face.fields.get(name) for name in FIELDS}
    ids = {"face_id": face.face_id, "external_image_id": face.image_id}
    return {**ids, **fields, "note": face.note or None}


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _person(row: Mapping[str, str]) -> dict[str, str]:
    return {name: row[column] for name, column in PEOPLE_COLUMNS.items()}


def _write_csv(
    path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, str]]
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(path: Path, rows: list[dict[str, object]]) -> None:
    types = {f"external_fields.{name}": ARROW_TYPES[FIELDS[name]] for name in FIELDS}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in FACE_COLUMNS])
    table = pa.Table.from_pylist(rows, schema=schema)
    pq.write_table(table, path, compression="zstd", row_group_size=1_000)


def _write_seed(path: Path, content: dict[str, object]) -> None:
    # One line a face, so that a change of the generator can be read in a diff.
    faces = content["faces"]
    assert isinstance(faces, list)  # noqa: S101  (for the type checker)
    lines = ",\n".join(json.dumps(face, separators=(",", ":")) for face in faces)
    head = json.dumps({**content, "faces": []})
    path.write_text(head.removesuffix("]}") + f"\n{lines}\n]}}\n", encoding="ascii")


if __name__ == "__main__":
    write_all(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
