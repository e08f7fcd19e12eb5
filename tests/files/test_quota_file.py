"""The file of a shared quota: where it is, whose it is, and many who want it at once."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from batch_updater.errors import UsageError
from batch_updater.files.quota_file import (
    CAPACITY,
    Head,
    QuotaFile,
    Start,
    open_quota_file,
    quota_directory,
)

URL, PROJECT = "https://face.cn-north-4.example.com", "0123456789abcdef0123456789abcdef"
HEAD = Head(3, 1, 10, 1.0, 50.0, 7.25, 9.5, 9.75, -1.0)


def named(folder: Path, endpoint: str = URL, project_id: str = PROJECT) -> str:
    """Return the name of the file of a quota."""
    file = open_quota_file(folder, endpoint, project_id)
    file.close()
    return file.path.name


def test_head_and_starts_come_back(tmp_path: Path) -> None:
    """What one process wrote, another reads, to the last bit."""
    first, second = (open_quota_file(tmp_path, URL, PROJECT) for _ in range(2))
    with first.locked() as file:
        assert file
        assert file.read_head() is None
        for number in (0, 1, 2, CAPACITY + 1):
            file.write(number, Start(number / 3, 0.1))
        file.write_head(HEAD)
    with second.locked() as file:
        assert file
        assert file.read_head() == HEAD
        assert file.read(2) == Start(2 / 3, 0.1)
        assert file.read(1) == Start((CAPACITY + 1) / 3, 0.1)
    first.close()
    second.close()


def test_one_at_a_time(tmp_path: Path) -> None:
    """While one holds the file nobody else gets it, nor waits for it."""
    first, second = (open_quota_file(tmp_path, URL, PROJECT) for _ in range(2))
    with first.locked() as file, second.locked() as other:
        assert file
        assert other is None
        assert second.holder() == os.getpid()
    with second.locked() as other:
        assert other
    first.close()
    second.close()


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_nobody_else_reads_it(tmp_path: Path, umask: int) -> None:
    """File 0600 and directory 0700, whatever the umask."""
    old = os.umask(umask)
    try:
        folder = quota_directory(tmp_path / "quota", {})
        name = named(folder)
    finally:
        os.umask(old)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_a_quota_is_an_endpoint_and_a_project(tmp_path: Path) -> None:
    """However the endpoint is spelled; another project or endpoint is another quota."""
    name = named(tmp_path)
    assert name.startswith("face.cn-north-4.example.com-")
    assert PROJECT not in name
    assert named(tmp_path, f"{URL.upper().replace('HTTPS', 'https')}/") == name
    assert named(tmp_path, URL, PROJECT[::-1]) != name
    assert named(tmp_path, f"{URL}:8443") != name


def test_the_name_of_an_endpoint_cannot_leave_the_directory(tmp_path: Path) -> None:
    """Nothing of an endpoint's spelling is taken into a path but letters and digits."""
    name = named(tmp_path, "http://[::1]:8099/../../etc")
    assert (tmp_path / name).is_file()


def test_files_of_earlier_boots_are_swept_up(tmp_path: Path) -> None:
    """After a week; younger ones may be those of another machine on the same disk."""
    name = named(tmp_path)
    stem = name.rpartition("-")[0]
    old, young, other = (
        tmp_path / f"{each}.quota"
        for each in (f"{stem}-00000000", f"{stem}-11111111", "face.example.com-22-33")
    )
    for path in (old, young, other):
        path.write_bytes(b"")
    for path in (old, other, tmp_path / name):
        os.utime(path, (0, 0))
    named(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name, young.name, other.name}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "{}/state"}, "{}/state/batch-updater/quota"),
        ({"XDG_STATE_HOME": "state"}, "{}/home/.local/state/batch-updater/quota"),
        ({}, "{}/home/.local/state/batch-updater/quota"),
    ],
)
def test_the_directory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    expected: str,
) -> None:
    """The XDG base directory, absolute or not at all; else that of the home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    told = {name: value.format(tmp_path) for name, value in environ.items()}
    assert str(quota_directory(None, told)) == expected.format(tmp_path)


def test_there_can_be_no_file(tmp_path: Path) -> None:
    """Below a regular file, or where a link stands, there is a clear end."""
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(UsageError, match="shared quota cannot be kept in") as told:
        quota_directory(blocked / "quota", {})
    assert "--quota-dir" in told.value.hint
    name = named(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(blocked)
    with pytest.raises(UsageError, match="cannot be kept in"):
        named(tmp_path)


def test_a_deleted_file_is_left_for_the_new_one(tmp_path: Path) -> None:
    """Whoever has the old one open is in the new one from the next look on."""
    file = open_quota_file(tmp_path, URL, PROJECT)
    with file.locked() as here:
        assert here
        here.write_head(HEAD)
    file.path.unlink()
    with file.locked() as here:
        assert here
        assert here.read_head() is None
        assert file.path.exists()
    file.close()


HAMMER = """
import sys, time
from pathlib import Path
from batch_updater.delivery.ledger import rate_window
from batch_updater.delivery.turns import Turn, begin, give, make, with_cap
from batch_updater.files.quota_file import QuotaFile

file, cap, turn = QuotaFile(Path(sys.argv[1])), rate_window(400.0, 0.0), None
while True:
    with file.locked() as here:
        if here is None:
            continue
        now = time.monotonic()
        head = with_cap(here.read_head() or begin(now, cap), now, cap)
        if head.count >= 1200:
            break
        if turn is None:
            head, given = give(head, now, cap, here)
            turn = given if isinstance(given, Turn) else None
        if turn and turn.at <= now:
            if make(head, turn, now, cap, here):
                print(now, flush=True)
            turn = None
        here.write_head(head)
"""


def test_many_processes_hammer_one_file(tmp_path: Path) -> None:
    """Four processes that ask all the time, one killed: no second has a start too many."""
    words = [sys.executable, "-c", HAMMER, str(tmp_path / "one.quota")]
    with ExitStack() as begun:
        hammers = []
        for _ in range(4):
            hammer = subprocess.Popen(words, stdout=subprocess.PIPE)
            hammers.append(begun.enter_context(hammer))
            begun.callback(hammer.kill)
        assert hammers[0].stdout
        starts = [float(hammers[0].stdout.readline()) for _ in range(20)]
        hammers[0].kill()
        for hammer in hammers:
            out, _ = hammer.communicate(timeout=30)
            starts += [float(line) for line in out.split(b"\n")[:-1]]
    starts.sort()
    assert len(starts) > 1100
    for first, later in zip(starts, starts[400:], strict=False):
        assert later - first >= 1.0


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """Who is killed while it holds the file holds nothing any more."""
    path = tmp_path / "one.quota"
    holds = (
        "import sys, time; from pathlib import Path;"
        "from batch_updater.files.quota_file import QuotaFile;"
        "held = QuotaFile(Path(sys.argv[1])).locked(); held.__enter__();"
        "print('held', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", holds, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        file = QuotaFile(path)
        with file.locked() as here:
            assert here is None
        assert file.holder() == process.pid
        process.kill()
        process.wait(30)
    with file.locked() as here:
        assert here
    file.close()
