"""Making files that are private from their first moment, and never through a trap."""

import os
import stat
from pathlib import Path

import pytest

from batch_updater.files.private import (
    create_private,
    make_private_folder,
    move_private,
    replace_private,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_new_file_is_new(tmp_path: Path) -> None:
    """What is there already, even a link that leads nowhere, is not opened."""
    path = tmp_path / "new"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        create_private(path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """In a folder that others can write to, a name may have been prepared."""
    victim, path = tmp_path / "victim", tmp_path / ".faces.csv.new"
    victim.write_text("precious")
    path.symlink_to(victim)
    with replace_private(path) as file:
        file.write(b"faces")
    assert victim.read_text() == "precious"
    assert (path.read_text(), mode(path)) == ("faces", 0o600)
    assert not path.is_symlink()


def test_a_file_in_its_place_keeps_nothing(tmp_path: Path) -> None:
    """One that a kill left behind, or somebody made, lends neither mode nor readers."""
    path = tmp_path / ".results.csv.new"
    path.write_text("old")
    path.chmod(0o666)
    with path.open() as reader:
        with replace_private(path) as file:
            file.write(b"new")
        assert reader.read() == "old"
    assert (path.read_text(), mode(path)) == ("new", 0o600)


def test_a_move_to_another_disk(tmp_path: Path) -> None:
    """What cannot be renamed is copied, as private as it was."""
    memory = Path("/dev/shm")  # noqa: S108
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    source, into = memory / f"move-{os.getpid()}", tmp_path / "stdin"
    with replace_private(source) as file:
        file.write(b"rows")
    before = os.umask(0)
    try:
        move_private(source, into)
    finally:
        os.umask(before)
    assert not source.exists()
    assert (into.read_bytes(), mode(into)) == (b"rows", 0o600)


def test_folders(tmp_path: Path) -> None:
    """All that are made are private; those that are there stay as they are."""
    tmp_path.chmod(0o755)
    before = os.umask(0o277)
    try:
        make_private_folder(tmp_path / "runs" / "job")
    finally:
        os.umask(before)
    assert mode(tmp_path) == 0o755
    assert mode(tmp_path / "runs") == mode(tmp_path / "runs" / "job") == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_private_folder(tmp_path / "file" / "below")
