"""Promise 1: every row of the input ends in exactly one outcome, whatever happens."""

from typing import Any

import pytest
from bench import Bench, assert_accounted, face, fault, make_rows

from batch_updater.emulator import Fault

ROWS = 40


def respond(name: str, **options: Any) -> Fault:
    """Return a fault that answers, three times, every fifth update."""
    return fault("respond", name=name, every=5, times=3, **options)


def patience(action: str) -> tuple[str, ...]:
    """Return a short --timeout for what is never answered, none for the rest."""
    silent = action in {"stall", "timeout-after-commit"}
    return ("--timeout", "600ms") if silent else ()


def test_clean_run(bench: Bench) -> None:
    """A clean run updates every row, says so, and the server agrees."""
    ended = bench.run(bench.prepare(ROWS), "--output", "json")
    assert ended.code == 0
    assert ended.json["outcomes"]["updated"] == ROWS
    assert_accounted(bench, {"faces.csv": make_rows(ROWS)})
    assert bench.updates == ROWS
    assert not (bench.folder / "job" / "failed.csv").exists()
    assert bench.record().manifest["state"] == "finished"


# Each heals with another attempt: all rows are updated in the end.
HEALING = {
    "500": respond("500", code="FRS.0018"),
    "500 without a code": respond("500", status=500, body="{}"),
    "502 HTML": respond("502", status=502, body="<html>Bad Gateway</html>"),
    "502 APIGW": respond("0201", code="APIGW.0201"),
    "429": fault("respond", code="FRS.0033", after=9),
    "429 APIGW": fault("respond", code="APIGW.0308", after=9),
    "429 Retry-After": fault(
        "respond", code="FRS.0033", after=9, headers={"Retry-After": "1"}
    ),
    "503 Retry-After": respond(
        "503", status=503, body="later", headers={"Retry-After": "0"}
    ),
    "reset": fault("reset", every=5, times=3),
    "reset after commit": fault("reset-after-commit", every=5, times=3),
    "stall": fault("stall", every=10, times=2),
    "timeout after commit": fault("timeout-after-commit", every=10, times=2),
    "partial": fault("partial", every=5, times=3),
}


@pytest.mark.parametrize("planned", HEALING.values(), ids=HEALING.keys())
def test_healing_fault(bench: Bench, planned: Fault) -> None:
    """What another attempt can heal leaves no failed row, and every try is on record."""
    source = bench.prepare(ROWS)
    bench.emulator.script([planned])
    ended = bench.run(source, *patience(planned.action))
    assert ended.code == 0, ended
    assert bench.record().outcomes == {"updated": ROWS}
    assert_accounted(bench, {source: make_rows(ROWS)})
    bench.all_fired()
    tries = [row["attempts"] for row in bench.record().results]
    assert tries.count("1") == ROWS - planned.times


# Each ends the three rows it hits, with a code.
ENDING = {
    "face_number 0": (fault("face-number-0", every=5, times=3), "REPLY.FACE_NUMBER"),
    "face_number 2": (
        respond("two", status=200, body='{"face_number":2}'),
        "REPLY.FACE_NUMBER",
    ),
    "truncated JSON": (
        respond("cut", status=200, body='{"face_number": 1, "face_se'),
        "REPLY.NOT_FRS",
    ),
    "200 with an error": (
        respond("liar", status=200, code="FRS.0303"),
        "FRS.0303",
    ),
    "missing face": (respond("0303", code="FRS.0303"), "FRS.0303"),
    "missing face, other code": (respond("0403", code="FRS.0403"), "FRS.0403"),
    "bad parameter": (respond("0012", code="FRS.0012"), "FRS.0012"),
    "unknown code": (respond("9999", code="FRS.9999", status=400), "FRS.9999"),
}


@pytest.mark.parametrize(("planned", "code"), ENDING.values(), ids=ENDING.keys())
def test_ending_fault(bench: Bench, planned: Fault, code: str) -> None:
    """What another attempt cannot heal fails the row at once, with code and reason."""
    source = bench.prepare(ROWS)
    bench.emulator.script([planned])
    ended = bench.run(source)
    assert ended.code == 1, ended
    record = bench.record()
    assert record.outcomes == {"updated": ROWS - 3, "failed": 3}
    assert record.codes == {code: 3}
    assert_accounted(bench, {source: make_rows(ROWS)})
    bench.all_fired()
    for row in record.view("failed"):
        assert row["_error_code"] == code
        assert row["_error_msg"]
        assert row["_error_class"] == "permanent"
        assert (row["_attempts"], len(row["_request_id"])) == ("1", 32)


@pytest.mark.parametrize(
    ("action", "code", "ambiguous"),
    [
        ("reset", "TRANSPORT.RESET", True),
        ("reset-after-commit", "TRANSPORT.RESET", True),
        ("stall", "TRANSPORT.TIMEOUT", True),
        ("timeout-after-commit", "TRANSPORT.TIMEOUT", True),
        ("partial", "TRANSPORT.RESET", True),
        ("respond", "FRS.0018", False),
    ],
)
def test_attempts_are_bounded(
    bench: Bench, action: str, code: str, ambiguous: bool
) -> None:
    """A row that no attempt heals fails as transient once its attempts are spent."""
    source = bench.prepare(ROWS)
    options = {"code": "FRS.0018"} if action == "respond" else {}
    bench.emulator.script([fault(action, face_id=face(7), times=2, **options)])
    ended = bench.run(source, "--max-attempts", "2", *patience(action))
    assert ended.code == 1, ended
    row = bench.record().row(7)
    assert (row["outcome"], row["error_code"]) == ("failed", code)
    assert (row["error_class"], row["attempts"]) == ("transient", "2")
    assert row["ambiguous"] == str(ambiguous)
    assert bench.record().outcomes["updated"] == ROWS - 1
    assert_accounted(bench, {source: make_rows(ROWS)})
    bench.all_fired()


def test_max_elapsed(bench: Bench) -> None:
    """A row whose time is spent fails before its attempts are."""
    source = bench.prepare(3)
    bench.emulator.script([fault("respond", code="FRS.0018", times=0, face_id=face(2))])
    flags = ("--max-elapsed", "300ms", "--max-attempts", "1000")
    assert bench.run(source, *flags).code == 1
    row = bench.record().row(2)
    assert (row["outcome"], row["error_code"]) == ("failed", "FRS.0018")
    assert 1 <= int(row["attempts"]) < 100
    assert_accounted(bench, {source: make_rows(3)})


def test_faults_of_every_kind_at_once(bench: Bench) -> None:
    """With all faults in one run the sums hold and the server agrees."""
    rows = make_rows(120)
    source = bench.prepare(120)
    bench.emulator.script(
        [
            fault("reset", every=11, times=3),
            fault("stall", after=3, every=23, times=2),
            fault("timeout-after-commit", after=5, every=29, times=2),
            fault("partial", after=1, every=13, times=3),
            fault("face-number-0", after=2, every=17, times=4),
            fault("respond", name="500", code="FRS.0018", every=7, times=6),
            fault("respond", name="429", code="FRS.0033", after=40),
            fault("respond", name="0303", code="FRS.0303", after=50, times=2),
        ]
    )
    ended = bench.run(source, "--timeout", "600ms", "--output", "json")
    assert ended.code == 1
    assert_accounted(bench, {source: rows})
    bench.all_fired()
    record = bench.record()
    assert record.outcomes == {"updated": 114, "failed": 6}
    assert record.codes == {"REPLY.FACE_NUMBER": 4, "FRS.0303": 2}
    assert ended.json["throttled"] == 1
    unsure = [row for row in record.results if row["ambiguous"] == "True"]
    assert 0 < ended.json["ambiguous"] == len(unsure) <= 10


def test_dirty_rows(bench: Bench) -> None:
    """Dirty rows are refused with rule and column; clean ones around them are sent."""
    rows = make_rows(12)
    bench.seed([row["face_id"] for row in rows])
    rows[1]["face_id"] = ""
    rows[4]["external_fields.age"] = "2147483648"
    rows[7]["external_fields.age"] = "x"
    rows[9]["external_fields.age"] = ""
    source = bench.write("faces.csv", rows)
    ended = bench.run(source)
    assert ended.code == 1
    record = bench.record()
    assert record.outcomes == {"updated": 8, "invalid": 4}
    assert_accounted(bench, {source: rows})
    invalid = record.view("invalid")
    assert [row["note"] for row in invalid] == [f"line, {n}" for n in (2, 5, 8, 10)]
    assert [(row["_rule"], row["_column"]) for row in invalid] == [
        ("face_id_missing", "face_id"),
        ("integer_range", "external_fields.age"),
        ("integer", "external_fields.age"),
        ("nothing_to_update", ""),
    ]
    assert bench.updates == 8


def test_several_inputs(bench: Bench) -> None:
    """Row numbers begin anew in each input, and results name both."""
    rows = make_rows(30)
    bench.seed([row["face_id"] for row in rows])
    inputs = {"b.csv": rows[:10], "a.csv": rows[10:11], "c.csv": rows[11:]}
    for name, part in inputs.items():
        bench.write(name, part)
    bench.emulator.script([fault("respond", code="FRS.0303", every=4, times=5)])
    assert bench.run(*inputs).code == 1
    assert_accounted(bench, inputs)


@pytest.mark.parametrize("limit", [1, 10, 11, 29, 30, 31])
def test_limit(bench: Bench, limit: int) -> None:
    """--limit takes the first N rows of all inputs together; the rest is not read."""
    rows = make_rows(30)
    bench.seed([row["face_id"] for row in rows])
    inputs = {"a.csv": rows[:10], "b.csv": rows[10:]}
    for name, part in inputs.items():
        bench.write(name, part)
    assert bench.run(*inputs, "--limit", str(limit)).code == 0
    taken = {"a.csv": rows[: min(limit, 10)], "b.csv": rows[10:limit]}
    assert_accounted(bench, taken)
    assert bench.updates == min(limit, 30)


@pytest.mark.parametrize(
    ("policy", "outcomes"),
    [("error", "dud-d"), ("first", "uud-d"), ("last", "dud-u"), ("in-order", "uuu-u")],
)
def test_duplicates(bench: Bench, policy: str, outcomes: str) -> None:
    """Each policy sends the rows it names, in order, and accounts for the others."""
    rows = make_rows(5)
    bench.seed([row["face_id"] for row in rows])
    for twin in (2, 4):
        rows[twin]["face_id"] = rows[0]["face_id"]
    rows[3]["external_fields.age"] = "no"
    source = bench.write("faces.csv", rows)
    ended = bench.run(source, "--on-duplicate", policy)
    assert ended.code == 1  # for the invalid row, whatever the policy
    assert_accounted(bench, {source: rows})
    letters = {"updated": "u", "duplicate": "d", "invalid": "-"}
    told = "".join(letters[row["outcome"]] for row in bench.record().results)
    assert told == outcomes


@pytest.mark.parametrize("policy", ["first", "last"])
def test_skipped_duplicates_are_no_error(bench: Bench, policy: str) -> None:
    """Rows skipped by the rule that was asked for leave the exit code 0."""
    rows = [*make_rows(3), *make_rows(3)]
    bench.seed([row["face_id"] for row in rows[:3]])
    source = bench.write("faces.csv", rows)
    assert bench.run(source, "--on-duplicate", policy).code == 0
    assert bench.record().outcomes == {"updated": 3, "duplicate": 3}


def test_order_of_one_face_survives_faults(bench: Bench) -> None:
    """In-order updates of a face never overtake each other, retries included."""
    rows = make_rows(30)
    for row in rows:
        row["face_id"] = face(int(row["external_fields.age"]) % 3)
    bench.seed([face(n) for n in range(3)])
    source = bench.write("faces.csv", rows)
    bench.emulator.script(
        [
            fault("respond", code="FRS.0018", every=4, times=5),
            fault("reset", after=2, every=7, times=2),
        ]
    )
    assert bench.run(source, "--on-duplicate", "in-order").code == 0
    assert_accounted(bench, {source: rows})
    stamps: dict[str, str] = {}
    for line in bench.record().results:
        assert stamps.get(line["face_id"], "") <= line["started_at"]
        stamps[line["face_id"]] = line["finished_at"]
    bench.all_fired()


def test_identifiers_survive(bench: Bench) -> None:
    """00123456, NA, nan, 1e5 and 19 digits reach the server as they stand in the file."""
    ids = ["00123456", "NA", "nan", "1e5", "1234567890123456789", "null", "TRUE", "1.0"]
    bench.seed(ids)
    rows = [
        {"face_id": i, "external_fields.age": str(n), "external_fields.team": i}
        for n, i in enumerate(ids, 1)
    ]
    source = bench.write("faces.csv", rows)
    assert bench.run(source).code == 0
    assert_accounted(bench, {source: rows})
    assert [bench.stored(i)["team"] for i in ids] == ids


def test_waiting_for_the_pacer_costs_no_attempt(bench: Bench) -> None:
    """Rows that wait longer than --max-elapsed for their turn are sent all the same."""
    source = bench.prepare(30)
    flags = ("--rate", "40", "--max-elapsed", "200ms")
    assert bench.run(source, *flags).code == 0
    assert {row["attempts"] for row in bench.record().results} == {"1"}


def test_results_in_input_order(bench: Bench) -> None:
    """Results stand in input order though the answers came in another one."""
    source = bench.prepare(20)
    bench.emulator.script([fault("delay", seconds=0.3, face_id=face(1))])
    assert bench.run(source).code == 0
    numbers = [
        line["row_number"] for line in bench.record().journal if "row_number" in line
    ]
    assert numbers[-1] == 1
    assert [row["row_number"] for row in bench.record().results] == [
        str(n) for n in range(1, 21)
    ]
