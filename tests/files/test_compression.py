"""gzip and zstd: unpacked on the way, and refused when cut or damaged."""

import gzip
import zlib
from pathlib import Path

import pyarrow as pa
import pytest

from batch_updater.errors import InputError
from batch_updater.files.compression import PlainBytes
from batch_updater.files.inputs import as_input
from batch_updater.files.source import ReadOptions, read

TEXT = b"face_id\n" + b"".join(b"f%d\n" % i for i in range(500))


def zst(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


PACKED = {"a.csv.gz": gzip.compress(TEXT), "a.csv.zst": zst(TEXT)}


def count(folder: Path, name: str, content: bytes) -> int:
    (folder / name).write_bytes(content)
    source = as_input(folder / name, name=name)
    chunks = read(source, ReadOptions(block_bytes=256), verify=True)
    return sum(len(chunk.frame) for chunk in chunks)


@pytest.mark.parametrize("name", PACKED)
def test_whole(tmp_path: Path, name: str) -> None:
    """A packed file gives the rows of the plain one."""
    assert count(tmp_path, name, PACKED[name]) == 500


@pytest.mark.parametrize("name", PACKED)
def test_cut_short(tmp_path: Path, name: str) -> None:
    """A packed file cut short is refused wherever the cut is."""
    for size in range(5, len(PACKED[name]), 41):
        with pytest.raises(InputError, match="cut short") as caught:
            count(tmp_path, name, PACKED[name][:size])
        assert caught.value.message.startswith(f"{name}: the ")
        assert "again" in caught.value.hint


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("content", [TEXT, b"\0" * 40])
def test_not_packed(tmp_path: Path, name: str, content: bytes) -> None:
    """A plain file named as a packed one is refused, and the name doubted."""
    with pytest.raises(InputError, match="damaged") as caught:
        count(tmp_path, name, content)
    assert "named" in caught.value.hint


def test_damaged_gzip(tmp_path: Path) -> None:
    """A wrong check sum or broken code is damage."""
    for place in (len(PACKED["a.csv.gz"]) - 6, 40):
        content = bytearray(PACKED["a.csv.gz"])
        content[place] ^= 0xFF
        with pytest.raises(InputError, match=r"a\.csv\.gz: is not gzip data, or dam"):
            count(tmp_path, "a.csv.gz", bytes(content))


def test_second_member_cut(tmp_path: Path) -> None:
    """Several members are one text, and a cut in the second is seen."""
    whole = PACKED["a.csv.gz"] + gzip.compress(b"x\n")
    assert count(tmp_path, "a.csv.gz", whole) == 501
    with pytest.raises(InputError, match="cut short"):
        count(tmp_path, "a.csv.gz", whole[:-5])


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst"])
def test_nothing_inside(tmp_path: Path, name: str) -> None:
    """A packed file with nothing in it is as empty as a plain one."""
    content = gzip.compress(b"") if name.endswith("gz") else zst(b"")
    with pytest.raises(InputError, match="is empty"):
        count(tmp_path, name, content)


def test_plain_bytes_are_read_once(tmp_path: Path) -> None:
    """Reading in small pieces gives the same bytes, and then nothing."""
    (tmp_path / "a").write_bytes(zlib.compress(TEXT))
    with PlainBytes(tmp_path / "a", None, "a") as plain:
        pieces = list(iter(lambda: plain.read(7), b""))
        assert plain.read(1) == b""
    assert b"".join(pieces) == zlib.compress(TEXT)
