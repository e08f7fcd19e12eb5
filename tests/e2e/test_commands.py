"""The command as people and schedulers use it: help, exit codes, streams, secrets."""

import fcntl
import json
import os
import pty
import stat
import struct
import subprocess
import sys
import termios
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from bench import (
    Bench,
    Record,
    assert_accounted,
    face,
    fault,
    make_rows,
    wait_for,
)
from commands import COMMAND, call, environment, run, started, usual

from batch_updater.version import __version__


@pytest.mark.parametrize(
    "command",
    ["", "run", "check", "resume", "retry", "results", "explain", "emulator"],
)
def test_help(bench: Bench, command: str) -> None:
    """--help of each command exits 0, on stdout, before pandas or pyarrow are loaded."""
    words = ([command] if command else []) + ["--help"]
    ended = call(bench, *words)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("usage: batch-updater")
    probe = (
        "import sys; from batch_updater.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit as left: assert not left.code\n"
        "assert not {'pandas', 'pyarrow', 'numpy'} & set(sys.modules), 'slow'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("output", ["text", "json"])
def test_letters_that_the_terminal_lacks(bench: Bench, output: str) -> None:
    """A name beyond stdout's encoding is spelled out, and JSON stays JSON; no traceback."""
    name = bench.write("\u4eba\xe9\U0001f600.csv", make_rows(2))
    bench.seed([face(1)])
    form = ("--output", output, "--log-format", output)
    ended = run(bench, name, *form, "-v", PYTHONIOENCODING="ascii")
    assert ended.code == 1
    assert ended.out.isascii()
    assert ended.err.isascii()
    assert r"\u4eba\u00e9\ud83d\ude00.csv row 2" in ended.out
    if output == "json":
        assert ended.json["errors"][0]["example"].startswith(name)
        told = [json.loads(line) for line in ended.err.splitlines()]
        assert name in {line.get("source") for line in told}


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_that_nobody_reads(bench: Bench, form: str) -> None:
    """Whoever listened to stderr has gone: every row is updated, and it is exit 0."""
    read, write = os.pipe()
    os.close(read)
    arguments = ["run", bench.prepare(20), *usual(bench), "-vv", "--log-format", form]
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=bench.folder,
        env=environment(bench),
        stdout=subprocess.PIPE,
        stderr=write,
        timeout=30,
        check=False,
    )
    os.close(write)
    assert done.returncode == 0
    assert bench.updates == 20
    assert bench.record().outcomes["updated"] == 20


def test_module_and_version(bench: Bench) -> None:
    """python -m batch_updater is the same command, and --version names the version."""
    done = subprocess.run(
        [sys.executable, "-m", "batch_updater", "--version"],
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.decode() == call(bench, "--version").out == f"{__version__}\n"


def test_exit_code_0(bench: Bench) -> None:
    """Every row updated: 0, with the summary on stdout and progress on stderr."""
    source = bench.prepare(20)
    ended = run(bench, source)
    assert ended.code == 0
    assert "updated     20" in ended.out
    assert "checked     20 rows" in ended.err
    assert "20 of 20 rows" in ended.err
    assert "\r" not in ended.err  # no bar where there is no terminal
    assert_accounted(bench, {source: make_rows(20)})


def test_exit_code_1(bench: Bench) -> None:
    """A failed or invalid row: 1, with code, reason, remedy and the next command."""
    rows = make_rows(20)
    bench.seed([row["face_id"] for row in rows[:-1]])
    rows[3]["external_fields.age"] = "x"
    source = bench.write("faces.csv", rows)
    ended = run(bench, source)
    assert ended.code == 1
    assert "FRS.0303 (failed)" in ended.out
    assert f"{source} row 20, face {face(20)}" in ended.out
    assert "do: remove these rows" in ended.out
    assert "next        batch-updater run job/failed.csv" in ended.out
    assert_accounted(bench, {source: rows})


def test_exit_code_3(bench: Bench) -> None:
    """A refusal of the whole run: 3, the service's words and a remedy on stderr."""
    ended = run(bench, bench.prepare(5), BATCH_UPDATER_TOKEN="stale")
    assert ended.code == 3
    assert ended.out == ""
    assert "APIGW.0301" in ended.err
    assert "new token" in ended.err


def test_exit_code_4(bench: Bench) -> None:
    """Stopped by --max-errors: 4, and resume as the next command."""
    source = bench.prepare(100)
    bench.emulator.script([fault("respond", code="FRS.0303", times=0)])
    ended = run(bench, source, "--max-errors", "3", "--concurrency", "4")
    assert ended.code == 4
    assert "next        batch-updater resume job" in ended.out
    assert_accounted(bench, {source: make_rows(100)})


def test_exit_code_5(bench: Bench) -> None:
    """The window is over: 5, and resume finishes in the next one with 0."""
    source = bench.prepare(40)
    ended = run(bench, source, "--rate", "40", "--max-duration", "300ms")
    assert ended.code == 5
    assert "--max-duration 0.3 s is over" in ended.out
    assert call(bench, "resume", "job", "--rate", "1000").code == 0
    assert_accounted(bench, {source: make_rows(40)})


def test_the_window_ends_a_pause(bench: Bench) -> None:
    """The window's end wakes a run that a Retry-After has put to sleep for an hour."""
    source = bench.prepare(20)
    hour = {"Retry-After": "3600"}
    bench.emulator.script([fault("respond", code="FRS.0033", after=5, headers=hour)])
    ended = run(bench, source, "--max-duration", "700ms")
    assert ended.code == 5
    assert set(bench.record().outcomes) == {"updated", "unprocessed"}
    assert_accounted(bench, {source: make_rows(20)})


def test_json_on_stdout(bench: Bench) -> None:
    """--output json: the last line of stdout is the summary, all else is on stderr."""
    source = bench.prepare(20)
    bench.emulator.script([fault("respond", code="FRS.0303", every=10, times=2)])
    ended = run(bench, source, "--output", "json")
    assert ended.code == ended.json["exit_code"] == 1
    assert len(ended.out.splitlines()) == 1
    assert ended.json == bench.record().summary
    for key in ("read", "outcomes", "errors", "achieved_rate", "busiest_second"):
        assert key in ended.json
    assert set(ended.json["latency_ms"]) == {"p50", "p95", "p99"}


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_json_of_an_error(bench: Bench, how: str) -> None:
    """--output json holds for errors too, wherever it was said."""
    words = ("--output", "json") if how == "flag" else ()
    said = "" if how == "flag" else "json"
    ended = run(bench, "nowhere.csv", *words, BATCH_UPDATER_OUTPUT=said)
    assert ended.code == ended.json["exit_code"] == 2
    assert "nowhere.csv" in ended.json["error"]
    assert "nowhere.csv" in ended.err


def test_quiet(bench: Bench) -> None:
    """-q leaves stderr empty and stdout as it is."""
    ended = run(bench, bench.prepare(5), "-q")
    assert (ended.code, ended.err) == (0, "")
    assert "updated     5" in ended.out


def test_terminal(bench: Bench) -> None:
    """On a terminal stderr draws a bar with failures and throttled replies; log lines stand above it."""
    source = bench.prepare(20)
    once = fault("respond", face_id="face0007", status=503, code="FRS.0018")
    bench.emulator.script([once])
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        [COMMAND, "run", *usual(bench), "-v", source],
        cwd=bench.folder,
        env=environment(bench, TERM="xterm"),
        stdout=subprocess.DEVNULL,
        stderr=follower,
    )
    os.close(follower)
    seen = b""
    try:
        while part := os.read(leader, 4096):
            seen += part
    except OSError:
        pass  # a terminal whose other side is gone
    os.close(leader)
    assert process.wait(30) == 0
    assert b"20/20" in seen
    assert b"failed 0, throttled 0" in seen
    [line] = [each for each in seen.split(b"\r\n") if b"face0007 attempt 1" in each]
    shown = line.rpartition(b"\r")[2]  # the bar before it is wiped
    assert shown.startswith(b"20")
    assert b"request id" in shown


def test_reader_that_left(bench: Bench) -> None:
    """A closed stdout does not hide that rows failed, and leaves no traceback."""
    source = bench.prepare(5)
    bench.emulator.script([fault("respond", code="FRS.0303")])
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [COMMAND, "run", *usual(bench), source],
        cwd=bench.folder,
        env=environment(bench),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=30,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr
    assert bench.record().outcomes == {"updated": 4, "failed": 1}


def test_stdin(bench: Bench) -> None:
    """- reads stdin; the run keeps its rows, so that resume needs no stdin."""
    content = Path(bench.prepare(30)).read_bytes()
    bench.emulator.script([fault("respond", code="FRS.0202", after=9, times=0)])
    arguments = ("run", "-", *usual(bench))
    assert call(bench, *arguments, stdin=content).code == 3
    assert bench.record().outcomes == {"updated": 9, "unprocessed": 21}
    bench.emulator.script([fault("respond", code="FRS.0303", face_id=face(20))])
    assert call(bench, "resume", "job").code == 1
    assert_accounted(bench, {"-": make_rows(30)})
    # A retry leaves the rows where they are: the parent can still be read.
    assert call(bench, "retry", "job", "--run-dir", "second").code == 0
    assert [row["row_number"] for row in bench.record("second").results] == ["20"]
    assert call(bench, "resume", "job").code == 1
    assert bench.record().summary["note"] == ""
    assert set(bench.applied.values()) == {1}


def test_private_files(bench: Bench) -> None:
    """A run directory is 0700 and its files are 0600, whatever the umask says."""
    rows = make_rows(20)
    bench.seed([row["face_id"] for row in rows])
    rows[3]["external_fields.age"] = "x"
    bench.write("faces.csv", rows)
    Path("job").mkdir(mode=0o755)
    bench.emulator.script(
        [
            fault("respond", name="fails", code="FRS.0303", after=2),
            fault("respond", name="stops", code="FRS.0202", after=9, times=0),
        ]
    )
    content = Path("faces.csv").read_bytes()
    words = ("run", "-", *usual(bench), "--concurrency", "1")
    shell = 'umask 0; exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", COMMAND, *words],
        cwd=bench.folder,
        env=environment(bench),
        input=content,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    found = {path.name: path.stat().st_mode for path in Path("job").iterdir()}
    assert set(found) == {
        *("run.json", "journal.jsonl", "summary.json", "stdin", "survey"),
        *("results.csv", "failed.csv", "invalid.csv", "unprocessed.csv"),
    }
    assert {stat.S_IMODE(mode) for mode in found.values()} == {0o600}
    assert stat.S_IMODE(Path("job").stat().st_mode) == 0o700


@pytest.mark.parametrize("how", ["environment", "file", "refused"])
def test_canary_token(bench: Bench, how: str) -> None:
    """The token is nowhere: not in the run directory, not on stdout, not on stderr."""
    canary = "CANARY-0a1b2c3d4e5f"
    bench.emulator.issue_token(canary if how != "refused" else "another")
    source = bench.prepare(20)
    if how != "refused":
        planned = fault("respond", code="FRS.0303", every=5, times=2)
        bench.emulator.script([planned])
    words, token = ["--output", "json"], canary
    if how == "file":
        Path("token").write_text(canary)
        words, token = [*words, "--token-file", "token"], ""
    ended = run(bench, source, *words, BATCH_UPDATER_TOKEN=token)
    assert ended.code == (3 if how == "refused" else 1), ended
    words.append("--print-config")
    shown = call(bench, "run", source, *words, BATCH_UPDATER_TOKEN=token)
    assert "CANARY" not in ended.out + ended.err + shown.out + shown.err
    for path in bench.folder.rglob("*"):
        if path.is_file() and path.name != "token":
            assert canary.encode() not in path.read_bytes(), path


def test_default_run_directory(bench: Bench) -> None:
    """Without --run-dir each run gets runs/<UTC>-<id>, and says which."""
    source = bench.prepare(3)
    words = ("run", source, "--rate", "1000", *bench.target, "--output", "json")
    first, second = call(bench, *words).json, call(bench, *words).json
    assert first["run_dir"] != second["run_dir"]
    for told in (first, second):
        assert Path(told["run_dir"]).parent == Path("runs")
        assert Record(Path(told["run_dir"])).outcomes == {"updated": 3}


def test_environment_and_file(bench: Bench) -> None:
    """Flag > environment > profile > file > default, also for a whole run."""
    bench.prepare(12)
    url, project = bench.emulator.url, bench.emulator.project_id
    Path("batch-updater.toml").write_text(
        f'endpoint = "{url}"\nproject-id = "{project}"\nface-set = "nobody"\n'
        'rate = 500\nlimit = 2\n\n[profile.night]\nface-set = "staff"\nlimit = 3\n'
    )
    words = ("run", "faces.csv", "--profile", "night", "--output", "json")
    assert call(bench, *words).json["read"] == 3
    assert call(bench, *words, BATCH_UPDATER_LIMIT="4").json["read"] == 4
    told = call(bench, *words, "--limit", "5", BATCH_UPDATER_LIMIT="4").json
    assert (told["read"], told["rate"]) == (5, 500.0)
    told = call(
        bench,
        *("run", "faces.csv"),
        BATCH_UPDATER_ENDPOINT=url,
        BATCH_UPDATER_FACE_SET="staff",
        HUAWEICLOUD_SDK_PROJECT_ID=project,
        BATCH_UPDATER_OUTPUT="json",
        BATCH_UPDATER_RATE="999",
        BATCH_UPDATER_CONFIG=os.devnull,
    ).json
    assert (told["read"], told["rate"]) == (12, 999.0)


def test_results_command(bench: Bench) -> None:
    """`results` answers for one row or face from the journal alone, without a token."""
    bench.seed([face(n) for n in range(1, 9)])
    run(bench, bench.write("faces.csv", make_rows(9)))
    Path("faces.csv").unlink()
    told = call(bench, "results", "job", "--row", "9", BATCH_UPDATER_TOKEN="")
    assert told.code == 0
    assert f"faces.csv row 9, face {face(9)}: failed" in told.out
    assert "attempt 1" in told.out
    assert "FRS.0303" in told.out
    told = call(bench, "results", "job", "--face", face(2), "--output", "json")
    assert [found["row_number"] for found in told.json["results"]] == [2]
    assert call(bench, "results", "job", "--row", "99").code == 2


def test_emulator_command(bench: Bench) -> None:
    """The real emulator process serves the real command, faults and all."""
    bench.prepare(20)
    script = Path("faults.toml")
    script.write_text(
        '[[fault]]\nname = "late"\naction = "respond"\ncode = "FRS.0018"\ntimes = 2\n'
    )
    with started(
        bench,
        *("emulator", "--port", "0", "--port-file", "port", "--qps", "unlimited"),
        *("--data", "data", "--script", "faults.toml", "--latency", "1ms"),
    ) as emulator:
        wait_for(Path("port").exists)
        url = f"http://127.0.0.1:{int(Path('port').read_text())}"
        seed = {
            "face_set_name": "staff",
            "external_fields": {"age": "integer"},
            "faces": [{"face_id": face(n)} for n in range(1, 21)],
        }
        post = Request(f"{url}/_emulator/seed", json.dumps(seed).encode())  # noqa: S310
        with urlopen(post) as reply:  # noqa: S310
            assert reply.status == 200
        ended = run(bench, "faces.csv", "--endpoint", url, "--output", "json")
        assert ended.json["outcomes"]["updated"] == 20
        assert ended.json["attempts"] == 22
        with urlopen(f"{url}/_emulator/witness") as reply:  # noqa: S310
            witness = json.load(reply)
        assert (witness["applied"], witness["requests"]) == (20, 23)
        assert [each["fired"] for each in witness["faults"]] == [2]
        emulator.send(15)
        assert emulator.wait().code == 0
