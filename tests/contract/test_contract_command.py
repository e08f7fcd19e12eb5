"""The suite as a command: bad input, refusals, and a face set that is always deleted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from bench import FACE_SET, PATIENCE, fault, start_emulator, wait_for

from batch_updater.emulator import Emulator, Fault
from contract.command import main
from contract.examining import (
    CLIENTS,
    Examined,
    environment,
    examine,
    examine_at,
    flags,
)
from contract.pace import Pace
from contract.report import Report

TESTS = Path(__file__).parents[1]
BY_HAND = 'delete it by hand: curl -X DELETE -H "X-Auth-Token: $TOKEN" http://'


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator with one face set, which is not ours."""
    with start_emulator() as running:
        yield running


@contextmanager
def started(
    emulator: Emulator | None, *arguments: str
) -> Iterator["subprocess.Popen[str]"]:
    """Start the command in a process of its own; it does not outlive the block."""
    where = flags(emulator) if emulator else []
    known = environment(emulator) if emulator else dict(os.environ)
    path = os.pathsep.join((str(TESTS), str(TESTS / "integration")))
    process = subprocess.Popen(
        [sys.executable, "-m", "contract", *where, *arguments],
        env={**known, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


def ended_after(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Wait for the end; return exit code, stdout and stderr."""
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def stalled(operation: str) -> Fault:
    """Return a fault that holds an operation back for ever."""
    return fault("stall", name=operation, operation=operation, times=0)


@pytest.mark.parametrize("client", CLIENTS)
def test_without_an_endpoint(client: str) -> None:
    """Without a target the suite starts an emulator, and its contract holds."""
    with started(None, "--client", client, "--rate", "unlimited") as process:
        code, out, err = ended_after(process)

    assert (code, err) == (0, "")
    assert "26 held, 0 NOT HELD" in out
    assert out.startswith("face set    http://127.0.0.1:")


def test_only_a_flag_is_a_target(emulator: Emulator) -> None:
    """What the environment says of runs cannot lead the suite to a real service."""
    known = environment(emulator, BATCH_UPDATER_ENDPOINT=emulator.url)
    with redirect_stdout(StringIO()) as out:
        code = main(["--rate", "unlimited"], known)

    assert code == 0
    assert out.getvalue().startswith("face set    http://127.0.0.1:")
    assert emulator.witness.by_operation == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rate", "11"], "--rate must be 10 at the most"),
        (["--rate", "unlimited"], "--rate must be 10 at the most"),
        (["--rate", "fast"], "'fast': give a number"),
        (["--wait", "soon"], "'soon': give a time"),
        ([], "no picture is given"),
        (["--image", "no-such-file.jpg"], "--image no-such-file.jpg: No such file"),
        (["--endpoint", "http://frs.example.com"], "--allow-http"),
        (["--client", "curl"], "invalid choice: 'curl'"),
    ],
)
def test_bad_input(emulator: Emulator, arguments: list[str], said: str) -> None:
    """What cannot be meant is said, with exit 2, before anything is sent."""
    there = ["--endpoint", "https://frs.example.com", "--rate", "5"]
    ended = examine_at(emulator, *there, *arguments)

    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "known", "said"),
    [
        ([], {}, "there are no credentials"),
        (["--client", "sdk"], {"BATCH_UPDATER_TOKEN": "t0ken"}, "no credentials for"),
        (
            ["--client", "sdk", "--auth", "token"],
            {"BATCH_UPDATER_TOKEN": "t0ken"},
            "the SDK needs an access key",
        ),
    ],
)
def test_no_credentials(
    emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    known: dict[str, str],
    said: str,
) -> None:
    """Credentials that are missing, or no use to the SDK, are exit 2."""
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = examine_at(emulator, *arguments, environ=known)

    assert (ended.code, emulator.witness.by_operation) == (2, {})
    assert said in ended.err


@pytest.mark.parametrize("client", CLIENTS)
def test_refused(emulator: Emulator, client: str) -> None:
    """Credentials that are refused end the suite after one request, with exit 3."""
    wrong = {"BATCH_UPDATER_TOKEN": "wr0ng-token", "HUAWEICLOUD_SDK_SK": "wr0ng-sk"}
    ended = examine_at(
        emulator, "--client", client, environ=environment(emulator, **wrong)
    )

    assert ended.code == 3
    assert "the service refuses: 401 APIGW.0301" in ended.err
    assert emulator.witness.by_operation == {"ShowAllFaceSets": 1}


def test_wrong_password(emulator: Emulator) -> None:
    """IAM's refusal is exit 3 too, and no FRS call is made."""
    names = ("IAM_DOMAIN", "IAM_USER", "IAM_PASSWORD")
    known = {f"BATCH_UPDATER_{name}": "nobody-s" for name in names}
    ended = examine_at(emulator, "--auth", "password", environ=known)

    assert (ended.code, emulator.witness.by_operation) == (3, {})


@pytest.mark.parametrize("code", ["APIGW.0307", "FRS.0019", "FRS.0028"])
def test_refused_on_the_way(code: str) -> None:
    """A refusal in the middle is exit 3; the face set is deleted all the same."""
    refused = fault("respond", operation="ShowFacesByLimit", code=code, times=0)
    ended = examine("ours", faults=[refused])

    assert ended.code == 3
    assert code in ended.err


@pytest.mark.parametrize(
    ("operation", "code"),
    [("CreateFaceSet", "FRS.0305"), ("AddFacesByBase64", "FRS.0404")],
)
def test_a_stage_that_cannot_be_built(operation: str, code: str) -> None:
    """A face set that cannot be made, and a picture without a face, are exit 3."""
    ended = examine("ours", faults=[fault("respond", operation=operation, code=code)])

    assert ended.code == 3
    assert code in ended.err
    assert ended.entries == {}


def test_left_behind(emulator: Emulator) -> None:
    """A face set that cannot be deleted is exit 1, with the command to do it by hand."""
    undeletable = fault("respond", operation="DeleteFaceSet", code="FRS.0018", times=0)
    emulator.script([undeletable])
    ended = examine_at(emulator)
    [left] = ended.face_sets - {FACE_SET}

    assert ended.code == 1
    assert f"face set {left} is still there (500 FRS.0018)" in ended.err
    assert BY_HAND in ended.err
    assert emulator.token not in ended.err


def test_another_deleted_it(emulator: Emulator) -> None:
    """A face set that has gone by itself is no trouble."""
    emulator.script([fault("respond", operation="DeleteFaceSet", code="FRS.0302")])
    ended = examine_at(emulator)

    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals(emulator: Emulator, client: str, signum: int) -> None:
    """Ctrl-C and SIGTERM end the suite; the face set is deleted, what was found told."""
    emulator.script([stalled("ShowFacesByLimit")])
    with started(emulator, "--client", client) as process:
        wait_for(lambda: "ShowFacesByLimit" in emulator.witness.by_operation)
        process.send_signal(signum)
        code, out, err = ended_after(process)

    assert code == 128 + signum
    assert f"stopped by {signal.Signals(signum).name}" in err
    assert "UpdateFace answers 200 with face_number 1" in out
    assert "Traceback" not in err
    assert set(emulator.state.face_sets) == {FACE_SET}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_second_signal(emulator: Emulator, client: str) -> None:
    """A second one stops the deleting too, and says how to do it by hand."""
    emulator.script([stalled("ShowFacesByLimit"), stalled("DeleteFaceSet")])
    with started(emulator, "--client", client) as process:
        for operation in ("ShowFacesByLimit", "DeleteFaceSet"):
            wait_for(lambda named=operation: named in emulator.witness.by_operation)  # type: ignore[misc]
            process.send_signal(signal.SIGINT)
        code, _, err = ended_after(process)

    assert code == 130
    assert BY_HAND in err
    assert "Traceback" not in err


def test_the_pace() -> None:
    """Starts are spaced by the rate, and a pause holds back what comes after it."""
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        now[0] += seconds

    pace = Pace(4.0, clock=lambda: now[0], sleep=sleep)
    for _ in range(9):
        pace.wait()
    assert (slept, pace.busiest) == ([0.0, *[0.25] * 8], 4)
    pace.hold(3.0)
    pace.wait()
    assert slept[-1] == 3.0


def test_the_report_is_printable() -> None:
    """Both forms of a report tell the same, and a report without entries is one."""
    report = Report("https://frs.example.com/v2/p/face-sets/s", "ours")

    assert report.as_json()["entries"] == []
    assert "in all      0 held, 0 NOT HELD, 0 found, 0 not asked" in [*report.lines()]


def test_both_forms_tell_the_same(emulator: Emulator) -> None:
    """Every fact and finding of the JSON report stands in the text."""
    text = examine_at(emulator)
    ended: Examined = examine_at(emulator, "--json")

    assert text.code == ended.code == 0
    for entry in ended.entries.values():
        assert entry["about"] in text.out
        if entry["found"]:
            assert entry["found"]["value"] in text.out
