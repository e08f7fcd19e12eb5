"""What may have been applied is told as such, try by try; what never left is not."""

from typing import Any

import pytest
from bench import Bench, assert_accounted, face, fault, make_rows

KINDS = [
    ("reset", "TRANSPORT.RESET", False),
    ("reset-after-commit", "TRANSPORT.RESET", True),
    ("stall", "TRANSPORT.TIMEOUT", False),
    ("timeout-after-commit", "TRANSPORT.TIMEOUT", True),
    ("partial", "TRANSPORT.RESET", True),
]


def tries_of(bench: Bench, number: int) -> list[dict[str, Any]]:
    """Return the attempts that the journal has of a row."""
    [line] = [x for x in bench.record().journal if x.get("row_number") == number]
    attempts: list[dict[str, Any]] = line["attempts"]
    return attempts


@pytest.mark.parametrize(("action", "code", "committed"), KINDS)
def test_a_try_without_an_answer(
    bench: Bench, action: str, code: str, committed: bool
) -> None:
    """It is sent again; the try and the row say that it may have been applied twice."""
    source = bench.prepare(5)
    bench.emulator.script([fault(action, face_id=face(3))])
    assert bench.run(source, "--timeout", "600ms").code == 0
    first, second = tries_of(bench, 3)
    assert (first["error_code"], first["ambiguous"]) == (code, True)
    assert "http_status" not in first
    assert (second["http_status"], "ambiguous" in second) == (200, False)
    unsure = [row["row_number"] for row in bench.record().results if _is_unsure(row)]
    assert unsure == ["3"]
    assert bench.applied[face(3)] == 1 + committed
    assert bench.record().summary["ambiguous"] == 1
    assert_accounted(bench, {source: make_rows(5)})
    told = bench.command("results", "job", "--row", "3").out.splitlines()
    assert [line.endswith("ambiguous") for line in told[1:3]] == [True, False]


def _is_unsure(row: dict[str, str]) -> bool:
    return row["ambiguous"] == "True"


@pytest.mark.parametrize("code", ["FRS.0018", "FRS.0033"])
def test_an_answer_is_never_ambiguous(bench: Bench, code: str) -> None:
    """Whoever answers that he did not do it is believed."""
    source = bench.prepare(5)
    bench.emulator.script([fault("respond", code=code, face_id=face(3))])
    assert bench.run(source).code == 0
    assert len(tries_of(bench, 3)) == 2
    assert not any("ambiguous" in each for each in tries_of(bench, 3))
    assert not any(_is_unsure(row) for row in bench.record().results)
