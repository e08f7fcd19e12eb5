"""A refusal of the whole run stops it at once, and nothing that happened is lost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bench import (
    FACE_SET,
    Bench,
    assert_accounted,
    fault,
    make_rows,
    meanwhile,
    start_emulator,
)

PREFLIGHT: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "not subscribed": ({"code": "FRS.0019"}, "FRS.0019", "console"),
    "sub-service": ({"code": "FRS.0020"}, "FRS.0020", "--region"),
    "frozen": ({"code": "FRS.0202"}, "FRS.0202", "arrears"),
    "other project": ({"code": "FRS.0028"}, "FRS.0028", "--project-id"),
    "old token": ({"code": "FRS.0002"}, "FRS.0002", "new token"),
    "no such API": ({"code": "APIGW.0101"}, "APIGW.0101", "--endpoint"),
    "unknown code": (
        {"code": "FRS.9999", "status": 400},
        "(a code that is not documented",
        "explain",
    ),
    "plain 404": ({"status": 404, "body": "Not Found"}, "HTTP.404", "--endpoint"),
    "login page": ({"status": 200, "body": "<html>Sign in"}, "Sign in", "--endpoint"),
    "redirect": (
        {"status": 302, "body": "", "headers": {"Location": "https://example.com/"}},
        "HTTP.302",
        "--endpoint",
    ),
}


@pytest.mark.parametrize(
    ("options", "said", "remedy"), PREFLIGHT.values(), ids=PREFLIGHT.keys()
)
def test_refused_preflight(
    bench: Bench, options: dict[str, Any], said: str, remedy: str
) -> None:
    """A refused preflight ends with 3 after one request, with code and remedy."""
    source = bench.prepare(50)
    bench.emulator.script([fault("respond", operation="ShowFaceSet", **options)])
    ended = bench.run(source)
    assert ended.code == 3
    assert said in ended.err
    assert remedy in ended.err
    assert bench.emulator.witness.requests == 1
    assert not bench.record().path.exists()
    bench.all_fired()


@pytest.mark.parametrize(
    ("flag", "value", "said", "remedy"),
    [
        ("--project-id", "f" * 32, "FRS.0028", "--project-id"),
        ("--face-set", "nobody", "FRS.0302", "--face-set"),
    ],
)
def test_wrong_target(
    bench: Bench, flag: str, value: str, said: str, remedy: str
) -> None:
    """A wrong project or face set ends with 3 after one request and names its flag."""
    ended = bench.run(bench.prepare(50), flag, value)
    assert ended.code == 3
    assert said in ended.err
    assert remedy in ended.err
    assert bench.emulator.witness.requests == 1


def test_absent_face_set_shown_as_empty(bench: Bench) -> None:
    """An empty face_set_info means that the face set is not there: exit 3."""
    with start_emulator(missing_face_set="empty") as emulator:
        here = Bench(bench.folder, emulator)
        ended = here.run(here.prepare(5), "--face-set", "nobody")
        assert here.emulator.witness.requests == 1
    assert ended.code == 3
    assert "nobody" in ended.err
    assert "--face-set" in ended.err


@pytest.mark.parametrize("token", ["wrong-token", "emulator-token-"])
def test_wrong_token(bench: Bench, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """A wrong token ends with 3 after one request, and is not repeated in the message."""
    monkeypatch.setenv("BATCH_UPDATER_TOKEN", token)
    ended = bench.run(bench.prepare(50))
    assert ended.code == 3
    assert "APIGW.0301" in ended.err
    assert "new token" in ended.err
    assert token not in ended.err
    assert bench.emulator.witness.requests == 1


def test_service_that_is_down(bench: Bench) -> None:
    """An endpoint where nobody listens ends with 3 and says what to check."""
    with start_emulator() as gone:
        url = gone.url
    ended = bench.run(bench.prepare(5), "--endpoint", url, "--max-attempts", "2")
    assert ended.code == 3
    assert "TRANSPORT.CONNECT" in ended.err
    assert "--endpoint" in ended.err


def test_preflight_survives_a_bad_moment(bench: Bench) -> None:
    """A preflight that fails for a moment is tried again like any call."""
    bench.emulator.script(
        [
            fault("respond", code="FRS.0018", operation="ShowFaceSet"),
            fault("reset", operation="ShowFaceSet", after=1),
        ]
    )
    assert bench.run(bench.prepare(5)).code == 0
    bench.all_fired()
    assert bench.emulator.witness.by_operation["ShowFaceSet"] == 3


MIDWAY: Mapping[str, tuple[dict[str, Any], str]] = {
    "token": ({"code": "APIGW.0307"}, "new token"),
    "arrears": ({"code": "FRS.0202"}, "arrears"),
    "face set gone": ({"code": "FRS.0302"}, "--face-set"),
    "gateway": ({"code": "APIGW.0101"}, "--endpoint"),
    "redirect": ({"status": 302, "body": ""}, "--endpoint"),
    "unknown 401": ({"status": 401, "body": "who are you?"}, "token"),
}


@pytest.mark.parametrize(("options", "remedy"), MIDWAY.values(), ids=MIDWAY.keys())
def test_refused_midway(bench: Bench, options: dict[str, Any], remedy: str) -> None:
    """A refusal midway stops with 3; what was in flight is on record, resume ends it."""
    rows = make_rows(100)
    source = bench.prepare(100)
    bench.emulator.script([fault("respond", after=20, times=0, **options)])
    ended = bench.run(source, "--rate", "300", "--output", "json")
    assert ended.code == 3
    assert ended.json["stop"]["name"] == "refused"
    assert remedy in ended.json["stop"]["hint"]
    outcomes = bench.record().outcomes
    assert outcomes == {"updated": 20, "unprocessed": 80}
    assert bench.updates <= 20 + 32
    assert ended.json["next_command"] == "batch-updater resume job"
    assert_accounted(bench, {source: rows})
    bench.emulator.script([])
    assert bench.command("resume", "job").code == 0
    assert bench.record().outcomes == {"updated": 100}
    assert_accounted(bench, {source: rows})
    assert set(bench.applied.values()) == {1}


def test_expired_token_then_resume(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an expired token a resume with a new one sends no updated row again."""
    source = bench.prepare(120)
    witness, emulator = bench.emulator.witness, bench.emulator
    with meanwhile(lambda: witness.applied >= 15, emulator.expire_token):
        ended = bench.run(source, "--rate", "100", "--output", "json")
    assert ended.code == 3
    assert 15 <= bench.record().outcomes["updated"] < 120
    assert_accounted(bench, {source: make_rows(120)})
    still = bench.command("resume", "job")
    assert still.code == 3
    assert "new token" in still.err
    emulator.issue_token("fresh-token")
    monkeypatch.setenv("BATCH_UPDATER_TOKEN", "fresh-token")
    assert bench.command("resume", "job").code == 0
    assert bench.record().outcomes == {"updated": 120}
    assert_accounted(bench, {source: make_rows(120)})
    assert set(bench.applied.values()) == {1}


def test_token_file_renewed_midway(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token file that somebody renews midway lets the run go on without a failure."""
    monkeypatch.delenv("BATCH_UPDATER_TOKEN")
    file = Path("token")
    file.write_text(f"{bench.emulator.token}\n")

    def renew() -> None:
        file.write_text("second-token\n")
        bench.emulator.issue_token("second-token")

    source = bench.prepare(80)
    with meanwhile(lambda: bench.emulator.witness.applied >= 15, renew):
        flags = ("--token-file", "token", "--rate", "100", "--max-attempts", "1")
        ended = bench.run(source, *flags)
    assert ended.code == 0, ended
    assert_accounted(bench, {source: make_rows(80)})
    assert bench.emulator.witness.by_code.get("APIGW.0307", 0) >= 1


def test_one_row_refused_as_the_run(bench: Bench) -> None:
    """The row that met the refusal is not failed but unprocessed, with its code."""
    source = bench.prepare(5)
    bench.emulator.script([fault("respond", code="FRS.0202", after=2)])
    assert bench.run(source, "--concurrency", "1").code == 3
    row = bench.record().row(3)
    assert (row["outcome"], row["error_code"]) == ("unprocessed", "FRS.0202")
    assert bench.record().outcomes == {"updated": 2, "unprocessed": 3}
    assert not bench.record().view("failed")


def test_undeclared_field(bench: Bench) -> None:
    """A column of a field that the face set lacks is refused before any PUT: exit 2."""
    rows = [{**row, "external_fields.shoe": "42"} for row in make_rows(3)]
    ended = bench.run(bench.write("faces.csv", rows))
    assert ended.code == 2
    assert "shoe" in ended.err
    assert FACE_SET not in bench.emulator.witness.by_operation
    assert bench.updates == 0
