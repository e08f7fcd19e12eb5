"""The sample data: made the same each time, and as dirty as it says."""

import ast
import asyncio
import csv
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet as pq

from batch_updater import mapping
from batch_updater.config.mapping_file import read_mapping
from batch_updater.emulator.app import Emulator
from batch_updater.emulator.faults.fault import Fault
from batch_updater.emulator.faults.script import read_script
from batch_updater.emulator.settings import EmulatorSettings
from batch_updater.files.inputs import resolve_inputs
from batch_updater.files.source import ReadOptions
from batch_updater.frs.protocol import encode_update
from batch_updater.intake.items import make_items
from batch_updater.intake.rows import Intake
from batch_updater.intake.survey import survey
from batch_updater.mapping.columns import ColumnMapping
from batch_updater.models import FieldType, OnDuplicate, Task
from batch_updater.selection import Selection

DATA = Path(__file__).parents[2] / "sample_data"
TEXTS = ("faces.csv", "people.csv", "dirty.csv", "dirty.jsonl", "emulator.json")
SEED = json.loads((DATA / "emulator.json").read_text("ascii"))
FACE_SET = SEED["face_set_name"]
DECLARED = {name: FieldType(kind) for name, kind in SEED["external_fields"].items()}
STRICT = "strict:"
NUMBERS = [str(k) for k in FieldType if k not in {"string", "boolean"}]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Give an emulator that holds the face set of the sample data."""
    async with Emulator(EmulatorSettings(qps=None)) as running:
        running.state.add_face_set(FACE_SET, external_fields=SEED["external_fields"])
        running.state.seed_faces(FACE_SET, SEED["faces"])
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that the generator has just filled."""
    folder = tmp_path_factory.mktemp("made")
    subprocess.run([sys.executable, DATA / "make_sample_data.py", folder], check=True)
    return folder


@pytest.mark.parametrize("name", TEXTS)
def test_generator_makes_the_committed_texts(made: Path, name: str) -> None:
    """Running the generator again changes no byte of a text file."""
    assert (made / name).read_bytes() == (DATA / name).read_bytes()


def test_generator_makes_the_committed_parquet(made: Path) -> None:
    """Running the generator again gives the same rows of the same types."""
    again, committed = (pq.read_table(f / "faces.parquet") for f in (made, DATA))
    assert again.schema == committed.schema
    assert again.equals(committed)


def bodies(name: str, columns: ColumnMapping | None = None) -> list[bytes]:
    """Return the body of each row of a sample file; every row must be clean."""
    inputs = resolve_inputs([str(DATA / name)], None)
    said = columns or ColumnMapping()
    intake = Intake(
        inputs=inputs, options=ReadOptions(), mapping=said, face_set_name=FACE_SET
    )
    types = intake.settle_types(DECLARED)
    found = survey(intake, types, OnDuplicate.ERROR)
    pending = Selection.all(found.total)
    chunks = make_items(intake, types, found, pending)
    items = [item for chunk in chunks for item in chunk]
    return [encode_update(item.update) for item in items if isinstance(item, Task)]


def test_csv_and_parquet_send_the_same_bodies() -> None:
    """The rows of faces.csv and of faces.parquet become the same requests, in order."""
    from_csv = bodies("faces.csv")
    assert len(from_csv) == 3_000
    assert from_csv == bodies("faces.parquet")


def test_mapped_columns_send_the_same_bodies() -> None:
    """people.csv with mapping.toml becomes what the same rows of faces.csv become."""
    people = bodies("people.csv", read_mapping(DATA / "mapping.toml"))
    assert people == bodies("faces.csv")[: len(people)]


def test_first_row_is_the_services_example() -> None:
    """The first request is the example of the service's documentation."""
    assert json.loads(bodies("faces.csv")[0]) == {
        "face_id": "iexEBb6t",
        "external_image_id": "imageID",
        "external_fields": {"timestamp": 12, "id": "300018629384756"},
    }


@pytest.mark.parametrize("trap", ["00123456", "12345678", "1234e567", "Infinity"])
def test_ids_that_look_like_numbers_survive(trap: str) -> None:
    """A face id that a reader might take for a number is sent as it is written."""
    rows = [json.loads(body) for body in bodies("faces.csv")]
    assert [row["face_id"] for row in rows].count(trap) == 1


def test_values_that_look_like_nothing_survive() -> None:
    """NA, nan, null, 1e5, inf and 00123456 are values of text fields, as written."""
    rows = [json.loads(body).get("external_fields", {}) for body in bodies("faces.csv")]
    sent = {value for row in rows for value in row.values() if isinstance(value, str)}
    assert {"NA", "nan", "null", "1e5", "inf", "00123456"} <= sent


def dirty(name: str) -> list[dict[str, object]]:
    """Return the rows of a dirty file."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        if name.endswith(".jsonl"):
            return [json.loads(line) for line in file]
        return [dict(row) for row in csv.DictReader(file)]


def expectations(name: str, *, strict: bool) -> list[tuple[str, str]]:
    """Return why and by which rules each bad row of a file must be refused."""
    pairs = [(str(row["why"]), str(row["expected_rule"])) for row in dirty(name)]
    soft = [(why, rule) for why, rule in pairs if rule.startswith(STRICT)]
    kept = pairs if strict else [pair for pair in pairs if pair not in soft]
    return [(why, rule.removeprefix(STRICT)) for why, rule in kept if rule]


def once(rules: str) -> str:
    """Return a list of rules as a view has it, each of them once."""
    return "; ".join(dict.fromkeys(rules.split("; ")))


async def check(emulator: Emulator, *arguments: str) -> dict[str, Any]:
    """Run `check --output json` and return what it prints; some rows are bad."""
    command = [sys.executable, "-m", "batch_updater", "check", *arguments]
    command += ["--face-set", FACE_SET, "--against-face-set", "--output", "json"]
    command += ["--endpoint", emulator.url, "--project-id", emulator.project_id]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env=os.environ | {"BATCH_UPDATER_TOKEN": emulator.token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("strict", [False, True], ids=["plain", "strict"])
@pytest.mark.parametrize("name", ["dirty.csv", "dirty.jsonl"])
async def test_each_dirty_row_breaks_the_rule_it_names(
    emulator: Emulator, tmp_path: Path, name: str, strict: bool
) -> None:
    """`check` refuses exactly the rows that name a rule, and for that rule."""
    view = tmp_path / "invalid.csv"
    mode = "--strict" if strict else "--no-strict"
    told = await check(emulator, str(DATA / name), "--invalid-csv", str(view), mode)
    with view.open(encoding="utf-8", newline="") as file:
        found = [(row["why"], once(row["_rule"])) for row in csv.DictReader(file)]
    wanted = expectations(name, strict=strict)
    assert found == wanted
    assert told["read"] == len(dirty(name))
    assert told["clean"] == len(dirty(name)) - len(wanted)
    assert set(told["rules"]) == {r for _, rs in wanted for r in rs.split("; ")}


def test_every_rule_of_the_code_has_a_sample() -> None:
    """A rule that the code can report is in a dirty file, and the other way round."""
    rows = [row for name in ("dirty.csv", "dirty.jsonl") for row in dirty(name)]
    rules = [str(row["expected_rule"]).removeprefix(STRICT) for row in rows]
    sampled = {rule for text in rules for rule in text.split("; ") if rule}
    assert sampled == rules_of_the_code()


def rules_of_the_code() -> set[str]:
    """Return the name of every rule that the source of `mapping` can report."""
    folder = Path(mapping.__file__).parent
    trees = [ast.parse(path.read_text("utf-8")) for path in folder.glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {name for node in nodes for said in _said(node) for name in _names(said)}
    return {name for name in names if name.isidentifier()}


def _said(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions of a node that stand where a rule's name stands."""
    match node:
        case ast.Return(ast.Tuple([rule, _])):  # return "rule", f"..."
            yield rule
        case ast.Assign([ast.Name("said" | "problem")], ast.Tuple([rule, _])):
            yield rule
        case ast.Call(ast.Name("Problem"), [rule, *_]):  # Problem("rule", column, ...)
            yield rule
        case ast.Call(args=[*arguments]):  # file(..., ("rule", said))
            yield from (pair for each in arguments for pair in _pair(each))
        case ast.Assign([ast.Name("rule" | "DUPLICATE_RULE")], value):
            yield from (c for c in ast.walk(value) if isinstance(c, ast.Constant))
        case _:
            pass


def _pair(argument: ast.expr) -> Iterator[ast.expr]:
    match argument:
        case ast.Tuple([ast.Constant(), ast.Tuple() as inner]):
            yield from _pair(inner)
        case ast.Tuple([ast.Constant() as rule, ast.Name() | ast.JoinedStr()]):
            yield rule
        case _:
            pass


def _names(said: ast.expr) -> Iterator[str]:
    match said:
        case ast.Constant(str(name)):
            yield name
        case ast.JoinedStr([_, ast.Constant(str(rest))]):  # f"{kind}_range"
            yield from (kind + rest for kind in NUMBERS)
        case _:
            pass


def test_faults_are_about_faces_that_are_there() -> None:
    """Every face that faults.toml names is in the emulator's seed and in faces.csv."""
    faults: list[Fault] = read_script(DATA / "faults.toml")
    named = {fault.face_id for fault in faults if fault.face_id}
    known = {face["face_id"] for face in SEED["faces"]}
    rows = {json.loads(body)["face_id"] for body in bodies("faces.csv")}
    assert named <= known & rows


def test_a_few_people_have_left() -> None:
    """Two or three rows of faces.csv are about faces that do not exist."""
    known = {face["face_id"] for face in SEED["faces"]}
    rows = {json.loads(body)["face_id"] for body in bodies("faces.csv")}
    assert len(rows - known) == 3


def test_mapping_file_names_columns_of_people() -> None:
    """Every column that mapping.toml names is in the header of people.csv."""
    said = tomllib.loads((DATA / "mapping.toml").read_text("utf-8"))
    specs = [said["face_id"], said["external_image_id"], *said["fields"].values()]
    named = {spec["column"] if isinstance(spec, dict) else spec for spec in specs}
    with (DATA / "people.csv").open(encoding="utf-8", newline="") as file:
        assert named < set(next(csv.reader(file)))
