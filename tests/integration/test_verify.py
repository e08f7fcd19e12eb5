"""A verification in one process: what it says of faces is what the server holds."""

import json
import stat
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from bench import FACE_SET, Bench, Ended, face, fault, make_rows, start_emulator

ONE = "ShowFacesByFaceId"


def verify(bench: Bench, *arguments: str) -> Ended:
    """Verify into `check`, fast and without waiting unless the arguments differ."""
    usual = ("--run-dir", "check", "--settle", "0s")
    return bench.command("verify", *usual, *arguments)


def inputs(bench: Bench, *arguments: str) -> Ended:
    """Verify inputs."""
    return verify(bench, "--rate", "1000", *bench.target, *arguments)


def asked(bench: Bench) -> int:
    """How many faces the server was asked for."""
    return bench.emulator.witness.by_operation.get(ONE, 0)


def write_elsewhere(bench: Bench, number: int, **fields: Any) -> None:
    """Give a face other values, as another writer does."""
    found = {"face_id": face(number), "external_fields": fields}
    bench.emulator.state.seed_faces(FACE_SET, [found])


def mismatches(bench: Bench, name: str = "check") -> list[tuple[str, ...]]:
    """Return (row number, field, expected, found) of each line of mismatches.csv."""
    names = ("row_number", "field", "expected", "found")
    return [
        tuple(row[name] for name in names)
        for row in bench.record(name).view("mismatches")
    ]


def test_what_a_run_wrote_is_there(bench: Bench) -> None:
    """Every row that a run updated is read back once, and is the same."""
    bench.run(bench.prepare(30))
    ended = verify(bench, "job")

    assert ended.code == 0, ended.err
    assert bench.record("check").outcomes == {"same": 30}
    assert asked(bench) == 30
    assert bench.updates == 30
    assert "same        30" in ended.out
    assert "job wrote 30 of its 30 rows" in ended.err
    assert "estimate    30 rows take" in ended.err
    assert bench.record("check").view("mismatches") == []


def test_every_field_that_differs_is_told(bench: Bench) -> None:
    """A mismatch is a line for each field, with what is expected and what is found; exit 6."""
    rows = [{**row, "external_fields.team": "red"} for row in make_rows(9)]
    bench.seed([row["face_id"] for row in rows])
    bench.run(bench.write("faces.csv", rows))
    write_elsewhere(bench, 2, age=77, team="blue")
    write_elsewhere(bench, 3, age=3)
    write_elsewhere(bench, 5, age=None, team="")
    write_elsewhere(bench, 6, age=-6, team="=1+1")
    write_elsewhere(bench, 7, age=[7], team='ünï, "x"\n\u202e')
    ended = verify(bench, "job")

    assert ended.code == 6
    assert bench.record("check").outcomes == {"same": 4, "mismatch": 5}
    age, team = "external_fields.age", "external_fields.team"
    assert mismatches(bench) == [
        ("2", age, "2", "77"),
        ("2", team, "red", "blue"),
        ("3", team, "red", ""),
        ("5", age, "5", "null"),
        ("5", team, "red", '""'),
        ("6", age, "6", "-6"),
        ("6", team, "red", "'=1+1"),
        ("7", age, "7", "[7]"),
        ("7", team, "red", 'ünï, "x"\\n\\u202e'),
    ]
    assert {row["face_id"] for row in bench.record("check").view("mismatches")} == {
        face(n) for n in (2, 3, 5, 6, 7)
    }
    assert "file        check/mismatches.csv" in ended.out
    assert "5  REPLY.MISMATCH (mismatch): other values in" in ended.out


@pytest.mark.parametrize("age", [12, "12", 12.0], ids=repr)
def test_values_that_come_back_in_another_type_are_the_same(
    bench: Bench, age: Any
) -> None:
    """12, "12" and 12.0 are one integer, whatever type FRS hands it back in."""
    team = "external_fields.team"
    row = {"face_id": face(1), "external_fields.age": "12", team: "0012"}
    bench.seed([face(1)])
    bench.run(bench.write("faces.csv", [row]))
    write_elsewhere(bench, 1, age=age, team="0012")

    assert verify(bench, "job").code == 0
    assert bench.record("check").outcomes == {"same": 1}
    write_elsewhere(bench, 1, age=age, team=12)
    assert verify(bench, "job", "--run-dir", "check2").code == 6
    assert mismatches(bench, "check2") == [("1", team, "0012", "12")]


def test_a_face_that_was_deleted_is_missing(bench: Bench) -> None:
    """A face that is gone is `missing`, stands in missing.csv with its own columns, and is exit 6."""
    bench.run(bench.prepare(5))
    gone = fault("respond", operation=ONE, face_id=face(4), code="FRS.0303", times=0)
    bench.emulator.script([gone])
    ended = verify(bench, "job")

    assert ended.code == 6
    assert bench.record("check").outcomes == {"same": 4, "missing": 1}
    [row] = bench.record("check").view("missing")
    assert (row["face_id"], row["note"]) == (face(4), "line, 4")
    assert "missing.csv has them" in ended.out


def test_a_face_that_cannot_be_read_is_asked_again_by_resume(bench: Bench) -> None:
    """A face that could not be read is `failed`, exit 1, and resume asks for it alone."""
    bench.run(bench.prepare(6))
    bad = fault("respond", operation=ONE, face_id=face(2), code="FRS.0018")
    bench.emulator.script([bad])
    ended = verify(bench, "job", "--max-attempts", "1")

    assert ended.code == 1
    assert bench.record("check").outcomes == {"same": 5, "failed": 1}
    assert "next        batch-updater resume check" in ended.out
    write_elsewhere(bench, 2, age=99)
    assert bench.command("resume", "check", "--settle", "0s").code == 6
    assert bench.record("check").outcomes == {"same": 5, "mismatch": 1}
    assert mismatches(bench) == [("2", "external_fields.age", "2", "99")]
    assert asked(bench) == 7


def test_a_mismatch_outweighs_a_face_that_cannot_be_read(bench: Bench) -> None:
    """Exit 6 when some faces hold something else, whatever else went wrong."""
    bench.run(bench.prepare(4))
    bad = fault("respond", operation=ONE, face_id=face(2), code="FRS.0018")
    bench.emulator.script([bad])
    write_elsewhere(bench, 3, age=33)

    assert verify(bench, "job", "--max-attempts", "1").code == 6
    outcomes = {"same": 2, "failed": 1, "mismatch": 1}
    assert bench.record("check").outcomes == outcomes


@pytest.fixture
def slow_to_show(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench whose readers see what an update wrote 0.4 s later."""
    with start_emulator(update_lag=0.4) as emulator:
        monkeypatch.setenv("BATCH_UPDATER_TOKEN", emulator.token)
        yield Bench(bench.folder, emulator)


def test_lag_after_writing_is_waited_for(slow_to_show: Bench) -> None:
    """What was just written, and is not seen yet, is read again; without --settle too."""
    bench = slow_to_show
    bench.run(bench.prepare(8))
    ended = bench.command("verify", "job", "--run-dir", "check")

    assert ended.code == 0, ended.out
    assert bench.record("check").outcomes == {"same": 8}
    assert 8 < asked(bench) == bench.record("check").attempts
    assert bench.record("check").manifest["settings"]["settle"] == ["3s"]


def test_once_settled_one_look_is_enough(bench: Bench) -> None:
    """After --settle a face that does not match is not asked for again."""
    bench.run(bench.prepare(12))
    for number in range(1, 13):
        write_elsewhere(bench, number, age=0)
    ended = verify(bench, "job", "--rate", "40", "--settle", "50ms")

    assert ended.code == 6
    assert bench.record("check").outcomes == {"mismatch": 12}
    assert 12 < asked(bench) < 20
    last = bench.record("check").row(12)
    assert last["attempts"] == "1"


def test_a_face_that_changes_while_it_is_read(bench: Bench) -> None:
    """The last look counts: a value that comes within --settle is the same."""
    bench.run(bench.prepare(3))
    old = json.dumps(
        {
            "face_set_id": "a",
            "face_set_name": FACE_SET,
            "faces": [{"face_id": face(2), "external_fields": {"age": 1}}],
        }
    )
    bench.emulator.script(
        [fault("respond", operation=ONE, face_id=face(2), status=200, body=old)]
    )

    assert verify(bench, "job", "--settle", "200ms").code == 0
    assert bench.record("check").row(2)["attempts"] == "2"


def test_inputs_are_verified_without_a_run(bench: Bench) -> None:
    """A file says what should be there, whoever wrote it; rows that break a rule are told."""
    name = bench.prepare(6)
    rows = [*make_rows(6), {**make_rows(1)[0], "face_id": ""}]
    bench.write(name, rows)
    for number in (1, 2, 4, 5, 6):
        write_elsewhere(bench, number, age=number)
    ended = inputs(bench, name)

    assert ended.code == 6
    outcomes = {"same": 5, "mismatch": 1, "invalid": 1}
    assert bench.record("check").outcomes == outcomes
    assert mismatches(bench) == [("3", "external_fields.age", "3", "")]
    assert bench.updates == 0


def test_only_rows_that_the_run_wrote_count(bench: Bench) -> None:
    """Rows that failed or were refused are not read back, but told."""
    rows = make_rows(6)
    rows[3]["external_fields.age"] = "old"
    bench.seed([face(n) for n in range(1, 6)])
    bench.run(bench.write("faces.csv", rows))
    assert bench.record().outcomes == {"updated": 4, "invalid": 1, "failed": 1}
    ended = verify(bench, "job")

    assert ended.code == 0
    assert bench.record("check").outcomes == {"same": 4}
    assert bench.record("check").summary["read"] == 4
    assert "job wrote 4 of its 6 rows" in ended.err
    assert "1 row failed in it" in ended.err


def test_a_retry_is_verified_by_its_own_directory(bench: Bench) -> None:
    """Rows that a retry has updated are those of the retry."""
    name = bench.prepare(5)
    bench.emulator.script([fault("respond", face_id=face(2), code="FRS.0018")])
    bench.run(name, "--max-attempts", "1")
    assert bench.command("retry", "job", "--run-dir", "again").code == 0

    assert verify(bench, "job").code == 0
    assert bench.record("check").outcomes == {"same": 4}
    assert verify(bench, "again", "--run-dir", "check2").code == 0
    assert [row["row_number"] for row in bench.record("check2").results] == ["2"]


IN_ORDER = [
    {"face_id": face(1), "external_fields.age": "1", "external_fields.team": "red"},
    {"face_id": face(2), "external_fields.age": "2", "external_fields.team": "red"},
    {"face_id": face(1), "external_fields.age": "3", "external_fields.team": ""},
    {"face_id": face(3), "external_fields.age": "4", "external_fields.team": ""},
    {"face_id": face(3), "external_fields.age": "5", "external_fields.team": "red"},
]


@pytest.mark.parametrize("by_run", [True, False])
def test_the_last_write_of_each_field_counts(bench: Bench, by_run: bool) -> None:
    """Of several rows of a face, each field is held against the last row that names it."""
    bench.seed([face(n) for n in (1, 2, 3)])
    name = bench.write("faces.csv", IN_ORDER)
    assert bench.run(name, "--on-duplicate", "in-order").code == 0
    say = ("--on-duplicate", "in-order")
    ended = verify(bench, "job") if by_run else inputs(bench, name, *say)

    assert ended.code == 0, ended.out
    assert "1 row left out: later rows of the same faces" in ended.err
    told = [row["row_number"] for row in bench.record("check").results]
    assert told == ["1", "2", "3", "5"]
    write_elsewhere(bench, 1, age=9, team="blue")
    again = ("--run-dir", "check2")
    ended = (
        verify(bench, "job", *again) if by_run else inputs(bench, name, *say, *again)
    )
    assert ended.code == 6
    assert mismatches(bench, "check2") == [
        ("1", "external_fields.team", "red", "blue"),
        ("3", "external_fields.age", "3", "9"),
    ]


def test_a_row_whose_later_row_failed_is_not_held_to_its_fields(bench: Bench) -> None:
    """What may have been written by a later row, which a retry sends, is no mismatch."""
    bench.seed([face(n) for n in (1, 2, 3)])
    name = bench.write("faces.csv", IN_ORDER)
    bad = fault("respond", face_id=face(1), after=1, code="FRS.0018")
    bench.emulator.script([bad])
    bench.run(name, "--on-duplicate", "in-order", "--max-attempts", "1")
    assert bench.record().row(3)["outcome"] == "failed"
    assert bench.command("retry", "job", "--run-dir", "again").code == 0
    assert bench.stored(face(1)) == {"age": 3, "team": "red"}

    assert verify(bench, "job").code == 0
    told = [row["row_number"] for row in bench.record("check").results]
    assert told == ["1", "2", "5"]


def test_a_sample_is_the_same_after_a_resume(bench: Bench) -> None:
    """A sample is chosen once, recorded, and finished by resume; the summary names it."""
    bench.run(bench.prepare(200))
    bench.emulator.script(
        [fault("respond", operation=ONE, after=4, code="FRS.0302")]  # the run stops
    )
    ended = verify(bench, "job", "--sample", "10%", "--concurrency", "1")
    assert ended.code == 3
    [chosen] = [
        line for line in bench.record("check").journal if line["kind"] == "selection"
    ]

    assert bench.command("resume", "check").code == 0
    results = bench.record("check").results
    wanted = {n + 1 for first, last in chosen["rows"] for n in range(first, last + 1)}
    assert {int(row["row_number"]) for row in results} == wanted
    assert bench.record("check").outcomes == {"same": 20}
    assert "a random sample of 200 rows" in bench.record("check").summary["note"]
    assert asked(bench) == 21


def test_samples_differ_and_are_never_empty(bench: Bench) -> None:
    """Two samples of a run are different rows; the smallest share is one row, 0 is refused."""
    bench.run(bench.prepare(100))
    chosen = []
    for number in (1, 2):
        where = ("--run-dir", f"sample{number}")
        assert verify(bench, "job", "--sample", "20", *where).code == 0
        results = bench.record(f"sample{number}").results
        chosen.append([row["row_number"] for row in results])
        assert len(results) == 20
    assert chosen[0] != chosen[1]
    assert inputs(bench, "faces.csv", "--sample", "0.1%").code == 0
    assert len(bench.record("check").results) == 1
    for none in ("0", "0%"):
        ended = verify(bench, "job", "--sample", none, "--run-dir", "none")
        assert ended.code == 2
        assert "--sample is 0" in ended.err


def test_values_stay_in_private_files(bench: Bench) -> None:
    """Values stand in mismatches.csv and the journal, 0600, and neither in logs nor in JSON."""
    rows = [{"face_id": face(1), "external_fields.team": "Secret-Name"}]
    bench.seed([face(1)])
    bench.run(bench.write("faces.csv", rows))
    write_elsewhere(bench, 1, team="Other-Name")
    ended = verify(bench, "job", "-vv", "--output", "json")
    told = bench.command("results", "check", "--row", "1", "--output", "json")

    assert ended.code == 6
    assert told.json["results"][0]["outcome"] == "mismatch"
    assert "REPLY.MISMATCH" in ended.err
    for text in (ended.out, ended.err, told.out, told.err):
        assert "-Name" not in text
    check = bench.folder / "check"
    holding = {each.name for each in check.iterdir() if b"-Name" in each.read_bytes()}
    assert holding == {"mismatches.csv", "journal.jsonl"}
    modes = {stat.S_IMODE(each.stat().st_mode) for each in check.iterdir()}
    assert modes == {0o600}
    assert ended.json["outcomes"]["mismatch"] == 1
    assert ended.json["exit_code"] == 6
    assert ended.json["file"] == "check/mismatches.csv"


def test_include_values_shows_them(bench: Bench) -> None:
    """With --include-values results.csv and JSON have what differs."""
    bench.run(bench.prepare(2))
    write_elsewhere(bench, 2, age=5)
    assert verify(bench, "job", "--include-values").code == 6
    payload = json.loads(bench.record("check").row(2)["payload"])
    assert payload == {
        "differences": [{"field": "external_fields.age", "wanted": 2, "held": 5}]
    }


def test_views_are_made_again(bench: Bench) -> None:
    """mismatches.csv is a view of the journal: results makes it again, without the input too."""
    bench.run(bench.prepare(3))
    write_elsewhere(bench, 2, age=5)
    verify(bench, "job")
    told = mismatches(bench)
    (bench.folder / "check" / "mismatches.csv").unlink()
    (bench.folder / "faces.csv").unlink()
    ended = bench.command("results", "check")

    assert ended.code == 0
    assert mismatches(bench) == told == [("2", "external_fields.age", "2", "5")]


def test_an_update_that_is_not_merged_is_found(bench: Bench) -> None:
    """Where FRS replaces the fields that a later row does not name, verify says so."""
    with start_emulator(external_fields="replace") as emulator:
        other = Bench(bench.folder, emulator)
        other.seed([face(n) for n in (1, 2, 3)])
        name = other.write("faces.csv", IN_ORDER)
        assert other.run(name, "--on-duplicate", "in-order").code == 0
        assert verify(other, "job").code == 6
    assert mismatches(bench) == [("1", "external_fields.team", "red", "")]


def test_no_mismatch_is_made_up(bench: Bench) -> None:
    """Whatever failed, was applied unseen, or was retried since: what is there is no mismatch."""
    left_out = 0
    for seed in range(4):
        chance = Random(seed)
        fields = ("external_fields.age", "external_fields.team")
        rows = [
            {
                "face_id": face(chance.randint(1, 6)),
                fields[0]: str(n),
                fields[1]: chance.choice(["", f"t{n}"]),
            }
            for n in range(40)
        ]
        bench.seed([face(n) for n in range(1, 7)])
        name, job = bench.write(f"{seed}.csv", rows), f"job{seed}"
        words = ("--on-duplicate", "in-order", "--max-attempts", "1", "--run-dir", job)
        every = (
            fault("respond", code="FRS.0018", every=7, times=0),
            fault("reset-after-commit", every=5, times=0),
        )
        bench.emulator.script(every)
        assert bench.run(name, *words).code == 1
        bench.all_fired()
        bench.emulator.script([])
        if seed % 2:
            bench.command("retry", job, "--run-dir", f"again{seed}")
            assert verify(bench, f"again{seed}", "--run-dir", f"b{seed}").code == 0
        ended = verify(bench, job, "--run-dir", f"a{seed}")
        assert ended.code == 0, ended.out
        left_out += "left out: later rows" in ended.err
    assert left_out
