"""Disks that fill up under a run: what was sent is on record, and nothing is sent twice."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bench import Bench, Ended, Record, assert_accounted, fault, make_rows, wait_for
from commands import COMMAND, call, environment, started, usual

from batch_updater.files.before_images import read_images

ROWS = 900
READY = "batch-updater-test-ready"


class SmallDisk:
    """A small file system that only a process of ours, and who goes through it, sees."""

    def __init__(self, holder: "subprocess.Popen[str]") -> None:
        self._holder = holder
        self.path = Path(f"/proc/{holder.pid}/root/mnt")

    def ask(self, command: str) -> bool:
        """Run a command of the shell inside; return whether it went well."""
        assert self._holder.stdin
        assert self._holder.stdout
        self._holder.stdin.write(f"{command} && echo {READY} || echo failed\n")
        self._holder.stdin.flush()
        return self._holder.stdout.readline().strip() == READY


@contextmanager
def small_disk(options: str) -> Iterator[SmallDisk]:
    """Mount it; it is gone with the block."""
    unshare = shutil.which("unshare")
    if not unshare:
        pytest.skip("there is no unshare here")
    with subprocess.Popen(
        [unshare, "--mount", "--map-root-user", "sh"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as holder:
        disk = SmallDisk(holder)
        try:
            if not disk.ask(f"mount -t tmpfs -o {options} tmpfs /mnt"):
                pytest.skip("mounting a tmpfs is not allowed here")
            yield disk
        finally:
            holder.communicate("exit\n")


def fill(disk: SmallDisk) -> Path:
    """Use up all that is left of a disk; return the file that does."""
    filler = disk.path / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler


def updated(job: Path) -> set[str]:
    """Return the faces that a journal knows to be updated."""
    return {
        line["face_id"]
        for line in Record(job).journal
        if line.get("outcome") == "updated"
    }


def test_a_disk_that_fills_up(bench: Bench) -> None:
    """On a full disk everything in flight is recorded, exit 4, and resume sends only the rest."""
    source = bench.prepare(ROWS)
    bench.emulator.script([fault("delay", seconds=0.05, times=0)])
    with small_disk("size=2m") as disk:
        job = disk.path / "job"
        words = (*usual(bench), "--rate", "400", "--run-dir", str(job))
        with started(bench, "run", source, *words) as command:
            wait_for(lambda: bench.updates > 50)
            filler = fill(disk)
            ended = command.wait()
        assert ended.code == 4, ended
        assert "No space left on device" in ended.err + ended.out
        assert f"Make room, then: batch-updater resume {job}" in ended.err + ended.out
        assert "NOT RECORDED" not in ended.err
        assert "Traceback" not in ended.err
        known = updated(job)
        assert known == set(bench.applied)
        assert 50 < len(known) < ROWS
        _resume_once_there_is_room(bench, job, filler)
        shutil.copytree(job, bench.folder / "job")
    assert_accounted(bench, {source: make_rows(ROWS)})
    assert set(bench.applied.values()) == {1}


def test_a_disk_that_fills_up_under_images(bench: Bench) -> None:
    """A face whose before-image finds no room is not changed; resume changes the rest."""
    source = bench.prepare(ROWS)
    with small_disk("size=2m") as disk:
        job = disk.path / "job"
        words = (*usual(bench), "--rate", "800", "--run-dir", str(job), "--backup")
        with started(bench, "run", source, *words) as command:
            wait_for(lambda: bench.updates > 50)
            filler = fill(disk)
            ended = command.wait()
        assert ended.code == 4, ended
        assert "No space left on device" in ended.err + ended.out
        assert "Traceback" not in ended.err
        assert updated(job) == set(bench.applied)
        images = {image.update.face_id for image in read_images(job / "before.jsonl")}
        assert set(bench.applied) <= images
        _resume_once_there_is_room(bench, job, filler)
        images_now = list(read_images(job / "before.jsonl"))
        assert len(images_now) == len({image.row_number for image in images_now})
    assert len(images_now) == ROWS
    assert set(bench.applied.values()) == {1}


def _resume_once_there_is_room(bench: Bench, job: Path, filler: Path) -> None:
    seen = bench.emulator.witness.requests
    full = call(bench, "resume", str(job))
    assert full.code == 2, full
    assert "No space left on device; nothing was sent" in full.err
    assert f"Make room, then: batch-updater resume {job}" in full.err
    assert bench.updates == len(bench.applied)
    assert bench.emulator.witness.requests <= seen + 1  # it asked for the face set
    filler.unlink()
    bench.emulator.script([])
    ended = call(bench, "resume", str(job), "--rate", "1000")
    assert ended.code == 0, ended
    assert not (job / ".reserve").exists()


def test_a_disk_that_is_full_from_the_start(bench: Bench) -> None:
    """A run that could not be recorded is not begun: exit 2, and nothing is left of it."""
    source = bench.prepare(5)
    with small_disk("size=256k") as disk:
        for options in ((), ("--concurrency", "1")):
            if options:
                fill(disk)
            job = str(disk.path / "deep" / "job")
            ended = call(
                bench, "run", source, *usual(bench), "--run-dir", job, *options
            )
            assert ended.code == 2, ended
            assert "No space left on device" in ended.err
            assert "--run-dir" in ended.err
            assert "Traceback" not in ended.err
            assert not Path(job).exists()
    assert bench.updates == 0


def test_no_inodes_left(bench: Bench) -> None:
    """A disk without inodes takes no run: exit 2, nothing is sent, nothing is left."""
    source = bench.prepare(5)
    with small_disk("size=8m,nr_inodes=4") as disk:
        job = disk.path / "job"
        ended = call(bench, "run", source, *usual(bench), "--run-dir", str(job))
        assert ended.code == 2, ended
        assert "No space left on device" in ended.err
        assert not job.exists()
    assert bench.updates == 0


def test_stdin_there_is_no_room_for(bench: Bench) -> None:
    """Rows from stdin that cannot be kept are refused with 2 before anything is asked."""
    content = b"face_id,external_fields.age\n" + b"face0001,1\n" * 60_000
    with small_disk("size=256k") as disk:
        folder = str(disk.path)
        ended = call(bench, "run", "-", *usual(bench), stdin=content, TMPDIR=folder)
        assert not list(disk.path.iterdir())
    assert ended.code == 2, ended
    assert "stdin cannot be kept" in ended.err
    assert "TMPDIR" in ended.err
    assert "Traceback" not in ended.err
    assert bench.emulator.witness.requests == 0


def limited(bench: Bench, most: int, *arguments: str) -> Ended:
    """Run a command none of whose files may grow over so many bytes."""
    prlimit = shutil.which("prlimit")
    if not prlimit:
        pytest.skip("there is no prlimit here")
    done = subprocess.run(
        [prlimit, f"--fsize={most}", COMMAND, *arguments],
        cwd=bench.folder,
        env=environment(bench),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_journal_that_may_not_grow(bench: Bench) -> None:
    """What no reserve helps against: each outcome that was sent is recorded or told, exit 4."""
    source = bench.prepare(ROWS)
    bench.emulator.script([fault("delay", seconds=0.01, times=0)])
    words = ("run", source, *usual(bench), "--concurrency", "4")
    ended = limited(bench, 150_000, *words)
    assert ended.code == 4, ended
    assert "File too large" in ended.err + ended.out
    assert "ulimit -f" in ended.err + ended.out
    assert "Traceback" not in ended.err
    known = updated(Path("job"))
    told = [line for line in ended.err.splitlines() if "NOT RECORDED" in line]
    lost = {line.split("face ")[1].split(":")[0] for line in told}
    assert known | lost == set(bench.applied)
    assert not known & lost
    assert 1 <= len(lost) <= 8
    assert f"told, but are not recorded: {len(lost)}" in ended.err + ended.out
    bench.emulator.script([])
    assert call(bench, "resume", "job", "--rate", "1000").code == 0
    twice = {face_id for face_id, times in bench.applied.items() if times > 1}
    assert twice == lost
    assert bench.record().outcomes == {"updated": ROWS}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("file", "Not a directory"),
        ("file/job", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("/proc/self/job", "No such file or directory"),
    ],
)
def test_places_where_no_run_can_be(bench: Bench, place: str, said: str) -> None:
    """A place that takes no directory: exit 2, what is wrong and --run-dir named, no PUT."""
    source = bench.prepare(3)
    Path("file").touch()
    ended = bench.run(source, "--run-dir", place)
    assert ended.code == 2, ended
    assert f"cannot make the run directory {place}: {said}" in ended.err
    assert "--run-dir" in ended.err
    assert bench.updates == 0


def test_a_disk_that_became_read_only(bench: Bench) -> None:
    """On a read-only disk nothing is sent and nothing is begun: exit 2; looking goes on."""
    source = bench.prepare(10)
    bench.emulator.script([fault("respond", code="FRS.0202", after=4, times=0)])
    with small_disk("size=4m") as disk:
        job = str(disk.path / "job")
        assert bench.run(source, "--run-dir", job).code == 3
        (disk.path / "empty").mkdir()
        assert disk.ask("mount -o remount,ro /mnt")
        bench.emulator.script([])
        sent = bench.updates
        for words in (
            ("resume", job),
            ("results", job),
            ("run", source, *usual(bench), "--run-dir", str(disk.path / "other")),
            ("run", source, *usual(bench), "--run-dir", str(disk.path / "empty")),
        ):
            ended = bench.command(*words)
            assert ended.code == 2, ended
            assert "Read-only file system" in ended.err
        assert bench.command("results", job, "--row", "1").code == 0
        assert bench.updates == sent
        assert disk.ask("mount -o remount,rw /mnt")
        assert bench.command("resume", job).code == 0
    assert set(bench.applied.values()) == {1}
    assert len(bench.applied) == 10
