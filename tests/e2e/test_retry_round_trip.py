"""failed.csv through a spreadsheet and back, with the command as people type it."""

import csv
import io
from pathlib import Path

from bench import Bench, face, fault
from commands import call, run

CODES = ["007", "1234567890123456789", "08", "x-4"]


def as_excel_saves(rows: list[dict[str, str]]) -> bytes:
    """Return rows as Excel saves CSV in Europe: a mark, semicolons, CRLF, empty lines."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig") + b";" * (len(rows[0]) - 1) + b"\r\n"


def test_out_to_a_spreadsheet_and_back(bench: Bench) -> None:
    """Damage is refused before anything is sent; the mended file ends the family."""
    rows = [
        {"face_id": face(n), "external_fields.team": code, "note": "Grün"}
        for n, code in enumerate(CODES, 1)
    ]
    bench.seed([row["face_id"] for row in rows])
    bench.write("faces.csv", rows)
    bench.emulator.script([fault("respond", code="FRS.0402", times=4)])
    assert run(bench, "faces.csv", "--same-failures", "off").code == 1
    failed = bench.record().view("failed")
    damaged = [row | {"external_fields.team": "7"} for row in failed[:1]]
    Path("edited.csv").write_bytes(as_excel_saves([*damaged, *failed[1:]]))
    retry = ("retry", "job", "--from", "edited.csv", "--run-dir", "second")
    ended = call(bench, *retry)
    assert ended.code == 2
    assert "row 1 (2 in a spreadsheet)" in ended.err
    assert "leading zeros are gone" in ended.err
    assert "Traceback" not in ended.err
    assert bench.updates == 4
    failed[3]["external_fields.team"] = "mended"
    Path("edited.csv").write_bytes(as_excel_saves(failed))
    ended = call(bench, *retry)
    assert ended.code == 0, ended.err
    assert "with its whole family, from job on, 4 rows: updated 4" in ended.out
    ended = call(bench, "results", "second", "--family", "--output", "json")
    assert ended.json["outcomes"]["updated"] == ended.json["read"] == 4
    stored = [bench.stored(face(n))["team"] for n in range(1, 5)]
    assert stored == [*CODES[:3], "mended"]
