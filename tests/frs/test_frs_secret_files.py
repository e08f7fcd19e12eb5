"""Files with secrets: a bad one is refused at once, by name and without its content."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from batch_updater.errors import UsageError
from batch_updater.frs.secret_files import find_file, read_secret_file

CANARY = "canary-5ecret"


def large(path: Path) -> None:
    """Make a file that takes no room on the disk, and would fill the memory."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "no regular file"),
        (Path.mkdir, "directory"),
        (lambda path: path.symlink_to(path), "symbolic links"),
        (lambda path: path.symlink_to("/dev/zero"), "larger"),
        (lambda path: None, "No such file"),
        (lambda path: path.write_bytes(CANARY.encode() + b"\xff"), "not UTF-8"),
        (large, "larger"),
    ],
)
def test_a_file_that_is_none(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    """A pipe without a writer, a device, a folder, a loop: refused, and never waited for."""
    path = tmp_path / "secret"
    make(path)
    with pytest.raises(UsageError, match=said) as caught:
        read_secret_file(path, "token file")
    assert str(path) in caught.value.message
    assert CANARY not in caught.value.message + caught.value.hint


def test_the_mark_of_windows_is_no_part_of_a_secret(tmp_path: Path) -> None:
    """Notepad puts a mark before UTF-8 that nobody sees."""
    path = tmp_path / "secret"
    path.write_bytes(b"\xef\xbb\xbf" + CANARY.encode())
    assert read_secret_file(path, "token file") == CANARY


def test_a_home_that_nobody_has(tmp_path: Path) -> None:
    """A named file must be one that could be; the usual one may be missing."""
    with pytest.raises(UsageError, match="SOME_FILE"):
        find_file("~no-such-user-here/x", tmp_path, "SOME_FILE")
    assert find_file(None, Path("~no-such-user-here/x"), "SOME_FILE") is None
    assert find_file(None, tmp_path / "missing", "SOME_FILE") is None
    assert find_file(None, tmp_path, "SOME_FILE") == tmp_path
