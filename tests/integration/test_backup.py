"""Faces that are read first: what they held is kept, and what they hold stays."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from bench import FACE_SET, Bench, Record, Row, face, fault, make_rows, start_emulator

from batch_updater.files.before_images import read_images

ROWS = 12
OPTIONS = pytest.mark.parametrize("service", ["merge", "replace"])

Make = Callable[..., Bench]


@pytest.fixture
def bench_of(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make the bench of an emulator with other switches, in the same folder."""
    open_ones = []

    @contextmanager
    def opened(**switches: Any) -> Iterator[Bench]:
        with start_emulator(**switches) as emulator:
            monkeypatch.setenv("BATCH_UPDATER_TOKEN", emulator.token)
            yield Bench(bench.folder, emulator)

    def make(**switches: Any) -> Bench:
        open_ones.append(opened(**switches))
        return open_ones[-1].__enter__()

    yield make
    for each in reversed(open_ones):
        each.__exit__(None, None, None)


def seed(bench: Bench, count: int = ROWS, **more: object) -> None:
    """Put faces into the face set that hold both fields."""
    fields = {"age": 0, "team": "red", **more}
    raw = [
        {"face_id": face(n), "external_fields": fields, "external_image_id": f"id{n}"}
        for n in range(1, count + 1)
    ]
    bench.emulator.state.seed_faces(FACE_SET, raw)


def images(name: str = "job") -> dict[int, Mapping[str, Any]]:
    """Return what the faces of rows held before, by row number."""
    read = list(read_images(Path(name) / "before.jsonl"))
    assert len({each.row_number for each in read}) == len(read), "one for each row"
    return {each.row_number: each.before for each in read}


def gets(bench: Bench) -> int:
    """How many faces the server was asked for."""
    return bench.emulator.witness.by_operation.get("ShowFacesByFaceId", 0)


def forget_results(job: Path, rows: Sequence[int]) -> None:
    """Make a journal look as after a kill between the answers of rows and their lines."""
    journal = job / "journal.jsonl"
    lines = [orjson.loads(line) for line in journal.read_bytes().splitlines()]
    kept = [
        line
        for line in lines
        if line["kind"] != "end" and line.get("row_number") not in rows
    ]
    journal.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in kept))


@OPTIONS
@pytest.mark.parametrize("flags", [(), ("--update-mode", "read-modify-write")])
def test_other_fields_stay(
    bench_of: Make, service: str, flags: tuple[str, ...]
) -> None:
    """With --backup an update means the same, whether the service merges or replaces."""
    bench = bench_of(external_fields=service)
    seed(bench)
    source = bench.write("faces.csv", make_rows(ROWS))
    ended = bench.run(source, "--backup", *flags)
    assert (ended.code, bench.record().outcomes) == (0, {"updated": ROWS})
    for number in range(1, ROWS + 1):
        assert bench.stored(face(number)) == {"age": number, "team": "red"}
        before = images()[number]
        assert before["external_fields"] == {"age": 0, "team": "red"}
        assert before["external_image_id"] == f"id{number}"
    assert bench.updates + gets(bench) == bench.record().attempts == 2 * ROWS
    assert "2 requests a row" in ended.err


@OPTIONS
def test_merge_takes_for_granted_that_frs_merges(bench_of: Make, service: str) -> None:
    """The one mode that depends on it: a service that replaces loses the other fields."""
    bench = bench_of(external_fields=service)
    seed(bench)
    source = bench.write("faces.csv", make_rows(ROWS))
    assert bench.run(source, "--backup", "--update-mode", "merge").code == 0
    left = {"team": "red"} if service == "merge" else {}
    assert bench.stored(face(1)) == {"age": 1, **left}
    assert images()[1]["external_fields"] == {"age": 0, "team": "red"}


@OPTIONS
def test_replace_needs_whole_rows(bench_of: Make, service: str) -> None:
    """Rows that leave a field out are invalid before anything is sent; others are sent."""
    bench = bench_of(external_fields=service)
    seed(bench)
    rows: list[Row] = [
        {**row, "external_fields.team": "" if n % 4 == 0 else "blue", "new": f"x{n}"}
        for n, row in enumerate(make_rows(ROWS), 1)
    ]
    source = bench.write("faces.csv", rows)
    flags = ("--update-mode", "replace", "--external-image-id", "new")
    ended = bench.run(source, *flags)
    assert ended.code == 1
    assert bench.record().outcomes == {"updated": 9, "invalid": 3}
    invalid = bench.record().view("invalid")
    assert {row["_column"] for row in invalid} == {"external_fields.team"}
    assert {row["_rule"] for row in invalid} == {"incomplete"}
    assert bench.stored(face(1)) == {"age": 1, "team": "blue"}
    assert bench.stored(face(4)) == {"age": 0, "team": "red"}
    assert gets(bench) == 0
    checked = bench.command("check", source, *flags, "--output", "json")
    assert checked.json["invalid"] == 3
    assert "9 clean, 3 invalid" in ended.err
    assert not Path("job/before.jsonl").exists()


def test_nothing_to_change(bench: Bench) -> None:
    """A face that holds all that is wanted is `unchanged`: read, but not sent."""
    seed(bench)
    source = bench.write("faces.csv", make_rows(ROWS))
    assert bench.run(source, "--backup").code == 0
    ended = bench.run(source, "--backup", "--run-dir", "again")
    assert (ended.code, bench.record("again").outcomes) == (0, {"unchanged": ROWS})
    assert bench.updates == ROWS
    assert images("again") == {}


@pytest.mark.parametrize("code", ["FRS.0303", "FRS.0403", "empty"])
def test_a_missing_face(bench_of: Make, code: str) -> None:
    """A face that is not there fails with the read's own code, and is not sent."""
    bench = bench_of(missing_face_get=code)
    seed(bench, ROWS - 1)
    source = bench.write("faces.csv", make_rows(ROWS))
    assert bench.run(source, "--backup").code == 1
    assert bench.record().outcomes == {"updated": ROWS - 1, "failed": 1}
    row = bench.record().row(ROWS)
    assert row["error_code"] == {"empty": "REPLY.NO_FACE"}.get(code, "FRS.0303") or code
    assert bench.updates == ROWS - 1
    assert ROWS not in images()


def test_reads_that_fail(bench: Bench) -> None:
    """A read is tried again as any call; a face that is never read is not changed."""
    seed(bench)
    asked = "ShowFacesByFaceId"
    bench.emulator.script(
        [
            fault("respond", name="once", code="FRS.0018", operation=asked),
            fault("reset", operation=asked, face_id=face(3)),
            fault(
                "respond",
                name="never read",
                code="FRS.0018",
                operation=asked,
                face_id=face(5),
                times=2,
            ),
        ]
    )
    source = bench.write("faces.csv", make_rows(ROWS))
    flags = ("--max-attempts", "2")
    assert bench.run(source, "--backup", *flags).code == 1
    assert bench.record().outcomes == {"updated": ROWS - 1, "failed": 1}
    failed = bench.record().row(5)
    assert (failed["error_code"], failed["error_class"]) == ("FRS.0018", "transient")
    assert failed["ambiguous"] == "False", "a read changes nothing"
    assert bench.stored(face(5)) == {"age": 0, "team": "red"}
    assert bench.record().attempts == gets(bench) + bench.updates
    ended = bench.command("retry", "job", "--run-dir", "second")
    assert (ended.code, bench.stored(face(5))["age"]) == (0, 5)
    assert set(images("second")) == {5}, "a retry takes --backup from its run"


def test_what_cannot_be_sent_back(bench: Bench) -> None:
    """Empty text in an integer field, as a real face held it, is not dropped silently."""
    seed(bench, age="")
    source = bench.write(
        "faces.csv", [{"face_id": face(1), "external_fields.team": "blue"}]
    )
    ended = bench.run(source, "--backup", "--output", "json")
    assert ended.code == 1
    assert bench.record().codes == {"PLAN.UNKEEPABLE": 1}
    (error,) = ended.json["errors"]
    assert "external_fields.age" in error["message"]
    assert "--update-mode merge" in error["remedy"]
    again = bench.run(source, "--backup", "--update-mode=merge", "--run-dir", "merged")
    assert again.code == 0
    assert bench.stored(face(1)) == {"age": "", "team": "blue"}


def test_a_lost_answer(bench: Bench) -> None:
    """After a kill between PUT and journal line, a resume says `updated`, and the image stays."""
    seed(bench)
    source = bench.write("faces.csv", make_rows(ROWS))
    assert bench.run(source, "--backup").code == 0
    before = images()
    forget_results(Path("job"), [2, 3, 5])
    assert bench.command("resume", "job").code == 0
    assert bench.record().outcomes == {"updated": ROWS}
    assert images() == before
    assert bench.updates == ROWS + 3


def test_settings_of_the_run_hold(bench: Bench) -> None:
    """--backup and --update-mode are the run's: resume and retry need not repeat them."""
    seed(bench)
    source = bench.write("faces.csv", make_rows(ROWS))
    assert bench.run(source, "--backup", "--update-mode", "merge").code == 0
    assert bench.record().manifest["settings"]["backup"] == ["true"]
    assert bench.record().manifest["settings"]["update-mode"] == ["merge"]
    (Path("job") / "before.jsonl").unlink()
    forget_results(Path("job"), [1])
    assert (
        bench.command("resume", "job", "--update-mode", "read-modify-write").code == 0
    )
    changed = [line for line in bench.record().journal if line["kind"] == "session"]
    assert changed[1]["settings"] == {"update-mode": ["merge", "read-modify-write"]}


@OPTIONS
def test_rows_of_one_face(bench_of: Make, service: str) -> None:
    """In order, also where a read shows an update only later: nothing old is sent back."""
    bench = bench_of(external_fields=service, update_lag=0.5)
    seed(bench, 3)
    rows: list[Row] = []
    for turn in range(5):
        field, other = ("age", "team") if turn % 2 else ("team", "age")
        value = str(turn) if field == "age" else f"t{turn}"
        for n in range(1, 4):
            cells = {f"external_fields.{field}": value, f"external_fields.{other}": ""}
            rows.append({"face_id": face(n), **dict(sorted(cells.items()))})
    source = bench.write("faces.csv", rows)
    assert bench.run(source, "--backup", "--on-duplicate", "in-order").code == 0
    assert bench.record().outcomes == {"updated": len(rows)}
    for n in range(1, 4):
        held = bench.emulator.state.face(FACE_SET, face(n)).external_fields
        assert held == {"age": 3, "team": "t4"}
    assert images()[1]["external_fields"] == {"age": 0, "team": "red"}
    assert images()[4]["external_fields"] == {"age": 0, "team": "t0"}


def test_a_damaged_file_of_images(bench: Bench) -> None:
    """A resume that cannot trust them sends nothing, and names the line."""
    seed(bench)
    source = bench.write("faces.csv", make_rows(ROWS))
    assert bench.run(source, "--backup").code == 0
    forget_results(Path("job"), [2])
    path = Path("job/before.jsonl")
    path.write_bytes(b"nonsense\n" + path.read_bytes())
    ended = bench.command("resume", "job")
    assert ended.code == 2
    assert "before.jsonl, line 1 is damaged" in ended.err
    assert bench.updates == ROWS


def test_no_place_for_an_image(bench: Bench) -> None:
    """Where before.jsonl cannot be made, the run is refused, and nothing is sent."""
    seed(bench)
    source = bench.write("faces.csv", make_rows(ROWS))
    assert bench.run(source, "--limit", "1").code == 0
    Path("job/before.jsonl").mkdir()
    forget_results(Path("job"), [1])
    ended = bench.command("resume", "job", "--backup")
    assert (ended.code, bench.updates) == (2, 1)
    assert "nothing was sent" in ended.err
    assert "before.jsonl" in ended.err


def test_personal_data_stays_in_its_file(bench: Bench) -> None:
    """Values stand in before.jsonl, which is for that; not in journal, results or output."""
    seed(bench, team="secretteam")
    source = bench.write("faces.csv", make_rows(ROWS))
    ended = bench.run(source, "--backup", "--output", "json")
    assert "secretteam" in Path("job/before.jsonl").read_text("utf-8")
    told = [ended.out, ended.err]
    told += [
        (Path("job") / name).read_text() for name in ("journal.jsonl", "results.csv")
    ]
    assert not [text for text in told if "secretteam" in text]


def test_views_do_not_need_them(bench: Bench) -> None:
    """`results` makes the views of a run again without its before-images."""
    seed(bench)
    source = bench.write("faces.csv", make_rows(ROWS))
    assert bench.run(source, "--backup").code == 0
    Path("job/before.jsonl").unlink()
    assert bench.command("results", "job").code == 0
    assert Record(Path("job")).outcomes == {"updated": ROWS}
    assert json.loads(Path("job/summary.json").read_bytes())["outcomes"]["drifted"] == 0
