"""The control file of the rate, as people, editors and scripts leave it."""

import os
from pathlib import Path

import pytest

from batch_updater.files.rate_file import RateFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rate"


def test_what_echo_writes_is_taken_once(path: Path) -> None:
    """A line is taken at the next look, and not again until it changes."""
    file = RateFile(path)
    assert file.look() is None
    path.write_text("5\n")
    assert file.look() == "5"
    assert file.look() is None
    path.write_text("unlimited\n")
    assert file.look() == "unlimited"


def test_half_a_line_is_waited_for(path: Path) -> None:
    """Without a newline the content must be the same for two looks."""
    file = RateFile(path)
    path.write_text("1")
    assert file.look() is None
    path.write_text("15")
    assert file.look() is None
    path.write_text("15\n")
    assert file.look() == "15"
    path.write_text("7")
    assert file.look() is None
    assert file.look() == "7"


@pytest.mark.parametrize("content", ["", "\n", "  \n\n"])
def test_an_empty_file_says_nothing(path: Path, content: str) -> None:
    """The moment between truncating and writing is no value, however long it lasts."""
    file = RateFile(path)
    path.write_text(content)
    assert [file.look(), file.look(), file.look()] == [None] * 3


def test_removing_it_says_nothing(path: Path) -> None:
    """Without the file the rate stays what it is; the same value again is no news."""
    file = RateFile(path)
    path.write_text("5\n")
    assert file.look() == "5"
    path.unlink()
    assert file.look() is None
    path.write_text("5\n")
    assert file.look() is None


def test_no_kind_of_file_stops_anything(path: Path) -> None:
    """A directory, a pipe, a dangling link and bytes that are no text end in no trouble."""
    path.mkdir()
    assert RateFile(path).look() is None
    path.rmdir()
    os.mkfifo(path)
    assert RateFile(path).look() is None
    path.unlink()
    path.symlink_to("nowhere")
    assert RateFile(path).look() is None
    path.unlink()
    path.write_bytes(b"\xff\xfe\x00" * 1000 + b"\n")
    file = RateFile(path)
    assert file.look() is None
    said = file.look()
    assert said is not None
    assert len(said) <= 100
