"""What a command logs: as much as was asked for, where it belongs, and nothing unasked."""

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, Ended, fault, make_rows

from batch_updater import FaceUpdate, run, update_all
from batch_updater.cli.log import logging_to_stderr
from batch_updater.delivery.notices import Notices
from batch_updater.report.log_lines import FIELDS


def lines(ended: Ended) -> list[dict[str, Any]]:
    """Return stderr as the JSON lines that it must be."""
    return [json.loads(line) for line in ended.err.splitlines()]


def failing(bench: Bench) -> str:
    """Return three rows: the second needs two attempts, the third fails."""
    source = bench.prepare(3)
    bench.emulator.script(
        [
            fault("respond", face_id="face0002", status=503, code="FRS.0018"),
            fault("respond", name="no", face_id="face0003", code="FRS.0402"),
        ]
    )
    return source


def test_a_clean_run_logs_nothing(bench: Bench) -> None:
    """By default only the check, the progress and the estimate are told."""
    ended = bench.run(bench.prepare(2))
    first, second, last = ended.err.splitlines()
    assert first.startswith("checked")
    assert second.startswith("estimate")
    assert last.startswith("2 of 2 rows")


@pytest.mark.parametrize(
    ("flags", "attempts", "rows"), [((), 0, 0), (("-v",), 2, 1), (("-vv",), 5, 1)]
)
def test_each_v_tells_more(
    bench: Bench, flags: tuple[str, ...], attempts: int, rows: int
) -> None:
    """-v: attempts that did not succeed and rows that failed; -vv: every attempt."""
    ended = bench.run(failing(bench), "--log-format", "json", *flags)
    told = [line["logger"].rpartition(".")[2] for line in lines(ended)]
    assert told.count("attempts") == attempts
    assert told.count("rows") == rows
    assert told.count("run") == (2 if flags else 0)
    assert told.count("progress") >= 3


def test_the_fields(bench: Bench) -> None:
    """An attempt says all of them, once the run has a directory; all names are known."""
    ended = bench.run(failing(bench), "--log-format", "json", "-vv")
    told = lines(ended)
    assert all(set(line) <= set(FIELDS) for line in told)
    assert all(set(FIELDS[:4]) <= set(line) for line in told)
    first = next(line for line in told if line["logger"] == "batch_updater.attempts")
    assert first["message"] == "face set: success"
    assert "run_id" not in first
    [tried] = [line for line in told if line.get("code") == "FRS.0018"]
    assert tried["level"] == "INFO"
    assert (tried["run_id"], tried["source"], tried["row"]) == ("job", "faces.csv", 2)
    assert (tried["face_id"], tried["attempt"]) == ("face0002", 1)
    assert (tried["http_status"], tried["message"]) == (503, "retry")
    assert tried["request_id"]
    assert tried["latency_ms"] > 0
    [failed] = [line for line in told if line["logger"] == "batch_updater.rows"]
    assert (failed["message"], failed["row"]) == ("failed after 1 attempt", 3)
    assert bench.record().row(3)["request_id"] == failed["request_id"]


def test_text_has_the_same_facts(bench: Bench) -> None:
    """A line of text names run, source, row, face, attempt, status, code, request id."""
    ended = bench.run(failing(bench), "-v")
    request_id = bench.record().row(3)["request_id"]
    [line] = [x for x in ended.err.splitlines() if "face0003 attempt 1" in x]
    assert line[10:].startswith("T")
    assert line[23:].startswith(
        "Z INFO run job faces.csv row 3 face face0003 attempt 1: fail row, 400 FRS.0402"
    )
    assert line.endswith(f"request id {request_id}")


def test_quiet_tells_errors_only(bench: Bench) -> None:
    """-q silences check, progress and warnings, and not the reason of an exit code."""
    ended = bench.run(failing(bench), "-q", "--max-errors", "0")
    assert (ended.code, ended.err) == (4, "")
    ended = bench.run("nowhere.csv", "-q")
    assert ended.code == 2
    assert ended.err.startswith("batch-updater: error: ")
    assert bench.run("nowhere.csv", "-q", "-v").code == 2  # one or the other


def test_an_early_end_is_a_warning(bench: Bench) -> None:
    """Whoever reads the log alone must see why a run stopped."""
    ended = bench.run(failing(bench), "--log-format", "json", "--max-errors", "0")
    warnings = [line for line in lines(ended) if line["level"] == "WARNING"]
    assert warnings
    assert "--max-errors" in warnings[-1]["message"]
    assert warnings[-1]["run_id"] == "job"


def test_errors_are_json_too(bench: Bench) -> None:
    """With --log-format json there is no line on stderr that is none."""
    ended = bench.run("nowhere.csv", "--log-format", "json")
    [error] = lines(ended)
    assert (error["level"], ended.code) == ("ERROR", 2)
    assert "nowhere.csv" in error["message"]


def test_the_format_is_a_setting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flag, environment and file say it, as for every setting; resume goes on with it."""
    source = bench.prepare(2)
    Path("batch-updater.toml").write_text('log-format = "json"\n')
    assert lines(bench.run(source))
    monkeypatch.setenv("BATCH_UPDATER_LOG_FORMAT", "text")
    assert bench.run(source, "--run-dir", "j2").err.startswith("checked")
    assert lines(bench.run(source, "--run-dir", "j3", "--log-format", "json"))
    assert lines(bench.command("resume", "j3"))


def test_the_log_ends_with_the_command(bench: Bench) -> None:
    """A command that ran in this process leaves the loggers as they were."""
    root, ours = logging.getLogger(), logging.getLogger("batch_updater")
    before = (list(root.handlers), list(ours.handlers), ours.level)
    bench.run(bench.prepare(2), "-vv")
    assert (list(root.handlers), list(ours.handlers), ours.level) == before


def test_a_line_that_cannot_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever goes wrong in the log stays there: workers log, and hold outcomes."""
    with logging_to_stderr(argparse.Namespace()):
        odd = {"latency_ms": "soon"}
        logging.getLogger("batch_updater.run").warning("odd", extra=odd)
    assert capsys.readouterr().err == (
        "batch-updater: a line of the log is lost: ValueError\n"
    )


def test_the_library_prints_nothing(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    """Failures and all: until logging is configured, not a character."""
    summary = run(failing(bench), run_dir=bench.folder / "job", **bench.settings)
    assert summary.outcomes["failed"] == 1
    update_all([FaceUpdate("face0001")], **bench.settings)
    Notices().tell("careful")
    assert capfd.readouterr() == ("", "")


def test_the_library_logs_as_configured(
    bench: Bench, logged: list[logging.LogRecord]
) -> None:
    """A level on a logger below batch_updater brings its records, with their facts."""
    run(failing(bench), run_dir=bench.folder / "job", **bench.settings)
    [failed] = [r for r in logged if r.name == "batch_updater.rows"]
    facts = failed.__dict__
    assert (facts["run_id"], facts["row"], facts["code"]) == ("job", 3, "FRS.0402")
    tries = [r.__dict__ for r in logged if r.name == "batch_updater.attempts"]
    # In flight together, they are answered in any order.
    assert {(each["row"], each["attempt"]) for each in tries} == {(2, 1), (3, 1)}
    assert len(tries) == 2


@pytest.mark.parametrize("form", ["text", "json"])
def test_values_only_when_asked_for(bench: Bench, form: str) -> None:
    """A service that quotes a value writes it into no log, unless values are wanted."""
    rows = make_rows(3)
    rows[1]["external_fields.age"] = "canary-4711"
    bench.seed([row["face_id"] for row in rows])
    source = bench.write("faces.csv", rows)
    message = "not 'canary-4712'"
    quoting = fault("respond", face_id="face0003", code="FRS.0012", message=message)
    bench.emulator.script([replace(quoting, times=2)])
    loud = ("-vv", "--log-format", form)
    silent = bench.run(source, *loud)
    assert "canary" not in silent.err
    asked = bench.run(source, *loud, "--run-dir", "j2", "--include-values")
    assert "canary-4712" in asked.err
    assert "canary-4711" in asked.err


def test_a_refusal_quotes_no_value(bench: Bench) -> None:
    """Who refuses the run as a whole has read a row first: what to do is said, no more."""
    source = bench.prepare(3)
    refusing = fault("respond", code="FRS.0019", message="not 'canary-4712'")
    bench.emulator.script([replace(refusing, times=0)])
    silent = bench.run(source, "-vv")
    assert (silent.code, "canary" in silent.err) == (3, False)
    assert "WARNING run job: the run ends early (refused)" in silent.err
    asked = bench.run(source, "--run-dir", "j2", "--include-values")
    assert "canary-4712" in asked.err
