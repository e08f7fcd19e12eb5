"""An export in one process: what is in the file is what the server holds."""

import csv
import json
import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from bench import FACE_SET, Bench, Ended, face, fault, meanwhile

ONE, LIST = "ShowFacesByFaceId", "ShowFacesByLimit"
ODD = {
    "face_id": "oddodd00",
    "external_fields": {"age": "", "team": 'ünï, "x"\nNA'},
}


def seed(bench: Bench, count: int) -> list[dict[str, Any]]:
    """Put faces with fields into the face set; return them."""
    faces = [
        {"face_id": face(n), "external_fields": {"age": n, "team": "NA"}}
        for n in range(1, count + 1)
    ]
    bench.emulator.state.seed_faces(FACE_SET, faces)
    return faces


def export(bench: Bench, *arguments: str) -> Ended:
    """Export into `faces.csv` and `job`, fast unless the arguments differ."""
    where = bench.target[: bench.target.index("--face-set")]
    usual = ("--rate", "1000", "--run-dir", "job", "-o", "faces.csv", *where)
    return bench.command("export", FACE_SET, *usual, *arguments)


def read(bench: Bench, name: str = "faces.csv") -> list[dict[str, Any]]:
    """Return the rows of an exported file."""
    path = bench.folder / name
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def exists(bench: Bench, name: str = "faces.csv") -> bool:
    """Return whether the file is there, finished or not."""
    return any(name in each.name for each in bench.folder.iterdir())


def asked(bench: Bench, operation: str) -> int:
    """How many calls of an operation the server saw."""
    return bench.emulator.witness.by_operation.get(operation, 0)


@pytest.mark.parametrize("name", ["faces.csv", "faces.parquet"])
def test_round_trip(bench: Bench, name: str) -> None:
    """A run of an exported file leaves every face as it was."""
    seed(bench, 230)
    bench.emulator.state.seed_faces(FACE_SET, [ODD])
    before = bench.emulator.state.faces(FACE_SET)
    ended = export(bench, "-o", name)

    assert ended.code == 0, ended.err
    assert len(read(bench, name)) == 231
    assert asked(bench, LIST) == 3
    assert bench.run(name, "--run-dir", "back").code == 0
    assert bench.record("back").outcomes == {"updated": 231}
    assert bench.emulator.state.faces(FACE_SET) == before


def test_values_stand_in_their_columns(bench: Bench) -> None:
    """Columns are those that run takes; what does not fit its column is in `other`."""
    bench.emulator.state.seed_faces(FACE_SET, [ODD])
    ended = export(bench)
    [row] = read(bench)

    assert row["external_fields.team"] == ODD["external_fields"]["team"]  # type: ignore[index]
    assert row["external_fields.age"] == ""
    assert row["other"] == '{"external_fields": {"age": ""}}'
    assert row["external_image_id"]
    assert int(row["bounding_box.width"]) > 0
    assert "fits no column of its own: 1" in ended.out


def test_files_are_private(bench: Bench) -> None:
    """The file and the record of an export are for their owner alone: 0600 and 0700."""
    seed(bench, 3)
    assert export(bench).code == 0

    job = bench.folder / "job"
    files = [bench.folder / "faces.csv", *job.iterdir()]
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    assert stat.S_IMODE(job.stat().st_mode) == 0o700


@pytest.mark.parametrize("code", ["FRS.0303", "FRS.0403"])
def test_by_ids(bench: Bench, code: str) -> None:
    """Each id is asked for once, in the order of the file; missing ones are listed."""
    seed(bench, 20)
    bench.emulator.script([fault("respond", operation=ONE, face_id=face(9), code=code)])
    ids = [face(3), "nobody00", face(1), face(3), "", face(9), face(2)]
    bench.write("ids.csv", [{"Face": each, "note": f"n{each}"} for each in ids])
    ended = export(bench, "--ids", "ids.csv", "--face-id", "Face")

    assert ended.code == 1
    assert [row["face_id"] for row in read(bench)] == [face(3), face(1), face(2)]
    outcomes = bench.record().outcomes
    expected = {"exported": 3, "missing": 2, "invalid": 1, "duplicate": 1}
    assert outcomes == expected
    missing = bench.record().view("missing")
    assert [(row["Face"], row["note"]) for row in missing] == [
        ("nobody00", "nnobody00"),
        (face(9), f"n{face(9)}"),
    ]
    assert missing[1]["_error_code"] == code
    assert asked(bench, ONE) == 5


def test_a_face_that_an_empty_list_denies_is_missing(bench: Bench) -> None:
    """An unknown id may also be answered with 200 and no face."""
    seed(bench, 2)
    empty = '{"face_set_id":"a","face_set_name":"staff","faces":[]}'
    denies = fault("respond", operation=ONE, face_id=face(2), status=200, body=empty)
    bench.emulator.script([denies])
    bench.write("ids.csv", [{"face_id": face(1)}, {"face_id": face(2)}])

    assert export(bench, "--ids", "ids.csv").code == 1
    assert bench.record().outcomes == {"exported": 1, "missing": 1}
    assert bench.record().codes == {"REPLY.NO_FACE": 1}


def test_ids_of_another_face_set_stop_the_export(bench: Bench) -> None:
    """When the first faces are all missing, the ids are wrong: it stops with 4, without a file."""
    bench.write("ids.csv", [{"face_id": face(n)} for n in range(1, 61)])
    ended = export(bench, "--ids", "ids.csv", "--same-failures", "20")

    assert ended.code == 4
    assert "the first 20 rows sent all failed with FRS.0303" in ended.out
    assert not exists(bench)
    assert bench.command("resume", "job", "--same-failures", "off").code == 1
    assert bench.record().outcomes == {"missing": 60}
    assert read(bench) == []


def test_a_face_that_was_just_added_is_waited_for(bench: Bench) -> None:
    """--settle asks again for a face that is not seen yet."""
    seed(bench, 2)
    bench.write("ids.csv", [{"face_id": face(1)}, {"face_id": face(2)}])
    unseen = fault("respond", operation=ONE, face_id=face(2), code="FRS.0303")
    bench.emulator.script([unseen])

    assert export(bench, "--ids", "ids.csv", "--settle", "2s").code == 0
    assert bench.record().outcomes == {"exported": 2}


def test_same_columns_by_list_and_by_ids(bench: Bench) -> None:
    """An export's file is input for an export by ids, which makes the same file."""
    seed(bench, 40)
    assert export(bench).code == 0
    by_ids = ("--ids", "faces.csv", "-o", "again.csv", "--run-dir", "second")
    assert export(bench, *by_ids).code == 0

    assert read(bench) == read(bench, "again.csv")


def test_bad_moments_are_survived(bench: Bench) -> None:
    """Throttling, errors, broken connections and half answers cost tries, not faces."""
    seed(bench, 30)
    bench.write("ids.csv", [{"face_id": face(n)} for n in range(1, 31)])
    bench.emulator.script(
        [
            fault("respond", name="429", operation=ONE, code="FRS.0033", after=3),
            fault("respond", name="500", operation=ONE, code="FRS.0018", after=7),
            fault("reset", operation=ONE, after=9),
            fault("partial", operation=ONE, after=12),
        ]
    )
    ended = export(bench, "--ids", "ids.csv")

    assert ended.code == 0, ended.out
    assert bench.record().outcomes == {"exported": 30}
    assert bench.record().attempts == asked(bench, ONE) == 34


def test_failed_ids_are_asked_again_by_resume(bench: Bench) -> None:
    """A face that could not be read is no loss: resume asks again, and for it alone."""
    seed(bench, 5)
    bench.write("ids.csv", [{"face_id": face(n)} for n in range(1, 6)])
    bad = fault("respond", operation=ONE, face_id=face(2), code="FRS.0018")
    bench.emulator.script([bad])
    ended = export(bench, "--ids", "ids.csv", "--max-attempts", "1")

    assert ended.code == 1
    assert "next        batch-updater resume job" in ended.out
    assert [row["face_id"] for row in read(bench)] == [face(n) for n in (1, 3, 4, 5)]
    assert bench.command("resume", "job").code == 0
    assert [row["face_id"] for row in read(bench)] == [face(n) for n in range(1, 6)]
    assert asked(bench, ONE) == 6


def test_beyond_the_window(bench: Bench) -> None:
    """The first 10,000 are written, that is said, and the next command spares them."""
    faces = [{"face_id": f"f{n:07d}"} for n in range(10_030)]
    bench.emulator.state.seed_faces(FACE_SET, faces)
    ended = export(bench, "--page", "3000")

    assert ended.code == 1
    assert "the other 30 can be exported by their ids alone: --ids FILE" in ended.err
    assert "the face set holds 10,030 faces" in ended.out
    assert "exported    10,000\n" in ended.out
    assert f"next        batch-updater export {FACE_SET} " in ended.out
    assert ended.out.splitlines()[-1].endswith("--ids FILE --to OTHERS.csv")
    assert len(read(bench)) == 10_000


def test_faces_that_come_and_go_are_told(bench: Bench) -> None:
    """Faces removed while listing shift the pages: the count says so, exit is 1."""
    seed(bench, 100)
    bench.emulator.script([fault("delay", operation=LIST, seconds=0.3, after=2)])
    state = bench.emulator.state

    def remove() -> None:
        for n in range(1, 6):
            state.remove_face(state.face_sets[FACE_SET], face(n))

    with meanwhile(lambda: asked(bench, LIST) == 3, remove):
        ended = export(bench, "--page", "20")

    rows = [row["face_id"] for row in read(bench)]
    assert ended.code == 1
    assert len(rows) == len(set(rows)) == 95
    assert "95 faces were listed, but the face set said to hold 100" in ended.out


def test_pages_that_overlap_give_each_face_once(bench: Bench) -> None:
    """A service that repeats faces over pages does not repeat rows in the file."""
    seed(bench, 6)
    held = [each.as_json() for each in bench.emulator.state.faces(FACE_SET)]
    overlapping = json.dumps({"faces": held[1:4]})
    bench.emulator.script(
        [fault("respond", operation=LIST, status=200, body=overlapping, after=1)]
    )
    ended = export(bench, "--page", "3")

    assert [row["face_id"] for row in read(bench)] == [face(n) for n in (1, 2, 3, 4)]
    assert ended.code == 1
    assert "4 faces were listed, but the face set said to hold 6" in ended.out


def test_short_pages_are_no_end(bench: Bench) -> None:
    """A service that gives less than was asked for is asked on, to the last face."""
    seed(bench, 6)
    held = [each.as_json() for each in bench.emulator.state.faces(FACE_SET)]
    short = json.dumps({"faces": held[:2]})
    bench.emulator.script([fault("respond", operation=LIST, status=200, body=short)])

    assert export(bench, "--page", "5").code == 0
    assert [row["face_id"] for row in read(bench)] == [face(n) for n in range(1, 7)]


def test_a_page_that_cannot_be_had_leaves_no_file(bench: Bench) -> None:
    """Half a snapshot is none: no file, exit 4, and resume goes on at that page."""
    seed(bench, 50)
    bench.emulator.script([fault("respond", operation=LIST, code="FRS.0018", after=2)])
    ended = export(bench, "--page", "10", "--max-attempts", "1")

    assert ended.code == 4
    assert "the faces from number 21 on cannot be listed: FRS.0018" in ended.out
    assert not exists(bench)
    assert bench.command("resume", "job").code == 0
    assert len(read(bench)) == 50
    assert asked(bench, LIST) == 3 + 4  # the lost page again, and an empty one
    assert bench.record().manifest["state"] == "finished"


def test_refused(bench: Bench) -> None:
    """A refusal midway stops with 3 and the service's words, without a file."""
    seed(bench, 50)
    bench.emulator.script([fault("respond", operation=LIST, code="FRS.0019", after=1)])
    ended = export(bench, "--page", "10", "--output", "json")

    assert ended.code == ended.json["exit_code"] == 3
    assert ended.json["stop"]["name"] == "refused"
    assert ended.json["outcomes"]["exported"] == 10
    assert ended.json["next_command"] == "batch-updater resume job"
    assert not exists(bench)


@pytest.mark.parametrize("by_ids", [False, True])
def test_time_window(bench: Bench, by_ids: bool) -> None:
    """--max-duration stops cleanly with 5; resume makes the file, nothing is asked twice."""
    seed(bench, 60)
    bench.write("ids.csv", [{"face_id": face(n)} for n in range(1, 61)])
    operation = ONE if by_ids else LIST
    slow = fault("delay", operation=operation, seconds=0.05, times=0)
    bench.emulator.script([slow])
    ids = ("--ids", "ids.csv") if by_ids else ()
    narrow = ("--page", "1", "--concurrency", "1", "--max-duration", "500ms")
    ended = export(bench, *narrow, *ids)

    assert ended.code == 5, ended
    assert not exists(bench)
    bench.emulator.script([])
    assert bench.command("resume", "job").code == 0
    assert len(read(bench)) == 60
    assert asked(bench, operation) == (60 if by_ids else 61)  # an empty page is the end


def test_the_file_can_be_made_again(bench: Bench) -> None:
    """The journal is the snapshot: file and views come back without a request."""
    seed(bench, 10)
    assert export(bench).code == 0
    first = (bench.folder / "faces.csv").read_bytes()
    (bench.folder / "faces.csv").unlink()
    before = bench.emulator.witness.by_operation.copy()

    assert bench.command("results", "job").code == 0
    assert (bench.folder / "faces.csv").read_bytes() == first
    assert bench.command("resume", "job", "-o", "faces.parquet").code == 0
    assert len(read(bench, "faces.parquet")) == 10
    assert bench.emulator.witness.by_operation == before


def test_an_export_has_no_retry_and_a_listing_no_rows(bench: Bench) -> None:
    """Commands that do not fit an export say which one does."""
    seed(bench, 2)
    assert export(bench).code == 0
    retried = bench.command("retry", "job")
    row = bench.command("results", "job", "--row", "1")

    assert (retried.code, row.code) == (2, 2)
    assert "batch-updater resume job" in retried.err
    assert "faces.csv" in row.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "faces.txt"), "give a name that ends in .csv or .parquet"),
        (("-o", "nowhere/faces.csv"), "there is no folder nowhere"),
        (("-o", "folder.csv"), "it is not a regular file"),
        (("-o", "ids.csv", "--ids", "ids.csv"), "would be overwritten"),
        (("--limit", "3"), "--limit is about the rows of --ids"),
        (("--ids", "ids.csv", "--face-id", "nobody"), "there is no column 'nobody'"),
        (("--ids", "none.csv"), "none.csv: cannot be read"),
    ],
)
def test_wrong_usage(bench: Bench, arguments: tuple[str, ...], said: str) -> None:
    """What cannot work ends with 2 before any face is asked for."""
    (bench.folder / "folder.csv").mkdir()
    bench.write("ids.csv", [{"face_id": face(1)}])
    ended = export(bench, *arguments)

    assert ended.code == 2
    assert said in ended.err
    assert asked(bench, LIST) == asked(bench, ONE) == 0


def test_ids_may_be_named_twice(bench: Bench) -> None:
    """A second --ids adds its files to those of the first."""
    seed(bench, 3)
    for n in (1, 2):
        bench.write(f"ids{n}.csv", [{"face_id": face(n)}])
    assert export(bench, "--ids", "ids1.csv", "--ids", "ids2.csv").code == 0

    assert [row["face_id"] for row in read(bench)] == [face(1), face(2)]


def test_a_face_set_must_be_named(bench: Bench) -> None:
    """The advice is about this command, which has no --face-set."""
    where = bench.target[: bench.target.index("--face-set")]
    ended = bench.command("export", "-o", "faces.csv", *where)

    assert ended.code == 2
    assert "export FACE_SET -o FILE" in ended.err
    assert "--face-set" not in ended.err


def test_a_file_must_be_named(bench: Bench) -> None:
    """Without -o nothing is asked for."""
    where = bench.target[: bench.target.index("--face-set")]
    ended = bench.command("export", FACE_SET, *where)

    assert ended.code == 2
    assert "-o FILE" in ended.err


def test_an_empty_face_set(bench: Bench) -> None:
    """An empty face set gives a file with a header and no rows."""
    assert export(bench).code == 0
    assert read(bench) == []
    assert (bench.folder / "faces.csv").read_text().startswith("face_id,")


def test_token_file_renewed_midway(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that expires while listing is read again from its file, once."""
    seed(bench, 30)
    monkeypatch.delenv("BATCH_UPDATER_TOKEN")
    token = Path("token")
    token.write_text(bench.emulator.token)
    bench.emulator.script([fault("delay", operation=LIST, seconds=0.2, after=1)])

    def renew() -> None:
        token.write_text("second-token")
        bench.emulator.expire_token()
        bench.emulator.issue_token("second-token")

    with meanwhile(lambda: asked(bench, LIST) == 2, renew):
        ended = export(bench, "--page", "10", "--token-file", "token")

    assert ended.code == 0, ended
    assert len(read(bench)) == 30
