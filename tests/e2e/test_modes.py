"""Files and folders that belong to their owner alone, whatever the umask."""

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from bench import PATIENCE, Bench, fault, make_rows, wait_for
from commands import COMMAND, environment, usual

UMASKS = (0o000, 0o277)  # all others lie between them


def command(
    bench: Bench, umask: int, *arguments: str, stdin: bytes = b"", **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command under a umask to its end."""
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=bench.folder,
        env=environment(bench, **more),
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        umask=umask,
    )


def modes(*roots: Path) -> dict[str, int]:
    """Return the mode of everything that is there, by name."""
    found = [each for root in roots for each in (root, *root.rglob("*"))]
    return {str(path): stat.S_IMODE(path.stat().st_mode) for path in found}


def assert_private(*roots: Path) -> None:
    """Assert that all of it is 0700 or 0600."""
    for name, mode in modes(*roots).items():
        assert mode == (0o700 if Path(name).is_dir() else 0o600), (name, oct(mode))


@pytest.mark.parametrize("umask", UMASKS, ids=oct)
def test_all_that_commands_make_is_private(bench: Bench, umask: int) -> None:
    """Run, stdin, resume, retry, views as Parquet, export, check: 0700 and 0600."""
    rows = make_rows(6)
    rows[2]["external_fields.age"] = "x"
    bench.seed([row["face_id"] for row in rows])
    content = Path(bench.write("faces.csv", rows)).read_bytes()
    bench.emulator.script([fault("respond", face_id="face0005", code="FRS.0402")])
    target = (*bench.target, "--rate", "1000")
    done = [
        command(bench, umask, "run", "-", *target, stdin=content),
        command(bench, umask, "check", "faces.csv", "--invalid-csv", "bad.csv"),
    ]
    [first] = Path("runs").iterdir()
    again = ("--run-dir", "deep/er/again")
    done += [
        command(bench, umask, "retry", str(first), *again),
        command(bench, umask, "results", str(first), "--results-format", "parquet"),
        command(bench, umask, "resume", str(first)),
        command(bench, umask, "export", "staff", "-o", "all.csv", *target[:4]),
        command(bench, umask, "export", "staff", "-o", "all.parquet", *target[:4]),
    ]
    assert {each.returncode for each in done} <= {0, 1}, done
    assert (first / "stdin").exists()
    assert (first / "failed.csv").exists()
    made = ("runs", "deep", "bad.csv", "all.csv", "all.parquet")
    assert_private(*map(Path, made))


@pytest.mark.parametrize("umask", UMASKS, ids=oct)
def test_what_stands_there_while_a_run_goes_on(bench: Bench, umask: int) -> None:
    """A run that is killed leaves nothing that anybody else could read."""
    source = bench.prepare(60)
    arguments = ["run", source, *usual(bench), "--rate", "20"]
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=bench.folder,
        env=environment(bench),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        umask=umask,
    )
    try:
        wait_for(lambda: bench.updates >= 2)
        assert_private(Path("job"))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    assert_private(Path("job"))
    assert command(bench, umask, "resume", "job", "--rate", "1000").returncode == 0
    assert_private(Path("job"))


@pytest.mark.parametrize("umask", UMASKS, ids=oct)
def test_files_of_the_emulator(bench: Bench, umask: int) -> None:
    """Its faces are personal data too."""
    arguments = ["emulator", "--port", "0", "--port-file", "port", "--data", "data"]
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=bench.folder,
        env=environment(bench),
        stdout=subprocess.DEVNULL,
        umask=umask,
    )
    try:
        wait_for(Path("port").exists)
        assert_private(Path("port"), *Path().glob("data*"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    assert_private(Path("port"), *Path().glob("data*"))


def test_nothing_is_open_for_a_moment(bench: Bench, tmp_path: Path) -> None:
    """Files are made with their mode: no call asks for one that others could use."""
    source = bench.prepare(6)
    trace = _made_by(bench, "run", source, *usual(bench), "--results-format", "parquet")
    trace += _made_by(bench, "export", "staff", "-o", "x.csv", *bench.target[:4])
    ours = [made for made in trace if str(tmp_path) in made[1]]
    assert {Path(path).name for _, path, _ in ours} >= {"job", "journal.jsonl"}
    for kind, path, mode in ours:
        assert mode == (0o700 if kind == "mkdir" else 0o600), (kind, path, oct(mode))


# Stands in for os.open and os.mkdir, in a process of its own: what Python tells its
# audit hooks does not include the mode of an open.
_TRACING = """
import builtins, os, sys
real_open, real_mkdir, out = os.open, os.mkdir, sys.stdout
def note(kind, path, mode):
    out.write(f"{kind}\\t{os.path.abspath(os.fspath(path))}\\t{mode}\\n")
def traced_open(path, flags, mode=0o777, **more):
    if flags & os.O_CREAT:
        note("open", path, mode)
    return real_open(path, flags, mode, **more)
def traced_mkdir(path, mode=0o777, **more):
    note("mkdir", path, mode)
    return real_mkdir(path, mode, **more)
os.open, os.mkdir = traced_open, traced_mkdir
def hook(event, arguments):
    path, mode = arguments[:2] if event == "open" else (None, None)
    if isinstance(path, str) and set(mode or "") & set("wax") and path != os.devnull:
        note("builtin open", path, 0o666)
sys.addaudithook(hook)
sys.stdout = open(os.devnull, "w")
from batch_updater.cli import main
sys.exit(main(sys.argv[1:]))
"""


def _made_by(bench: Bench, *arguments: str) -> list[tuple[str, str, int]]:
    """Return what a command made: how, where, and with which mode."""
    done = subprocess.run(
        [sys.executable, "-c", _TRACING, *arguments],
        cwd=bench.folder,
        env=environment(bench),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
        umask=0,
    )
    lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
    return [(kind, path, int(mode)) for kind, path, mode in lines]
