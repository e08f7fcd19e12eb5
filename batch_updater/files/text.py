"""The text of a file as UTF-8, whatever it was, checked on the way."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager

from batch_updater.errors import InputError
from batch_updater.files.chunk import ReadOptions
from batch_updater.files.compression import PlainBytes
from batch_updater.files.inputs import Input

_OTHER_ENCODINGS = (
    "Say --encoding gb18030 (Chinese Windows), utf-16 (Excel's Unicode text) or "
    "cp1252 (Western Windows)."
)


class Utf8Stream(io.RawIOBase):
    """
    The text of ``plain`` as UTF-8 without a byte order mark.

    Raises:
        InputError: from ``read``, at the first byte that is no text in this
            encoding, and at a line longer than a block.
    """

    def __init__(self, plain: PlainBytes, encoding: str, block_bytes: int) -> None:
        super().__init__()
        self.has_quotes = False
        self._plain = plain
        self._encoding = encoding
        self._is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
        self._decoder = codecs.getincrementaldecoder(
            "utf-8" if self._is_utf8 else encoding
        )()
        self._block_bytes = block_bytes
        # a byte of another encoding may become three of UTF-8
        self._read_bytes = block_bytes if self._is_utf8 else max(block_bytes // 3, 1)
        self._ready = memoryview(b"")
        self._bytes = 0  # taken from the file
        self._lines = 0  # ends of lines seen
        self._open = 0  # bytes since the last of them
        self._returns = [0, 0]  # CR, and CR directly before LF
        self._last = b""

    @property
    def has_lone_returns(self) -> bool:
        """Whether a CR without LF has passed: some readers end a line there."""
        return self._returns[0] != self._returns[1]

    def readable(self) -> bool:
        """Part of being a raw stream."""
        return True

    def readinto(self, target: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Part of being a raw stream."""
        if not self._ready:
            self._ready = memoryview(self._next_block())
        count = min(len(target), len(self._ready))
        target[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _next_block(self) -> bytes:
        while True:
            data = self._plain.read(self._read_bytes)
            if not self._bytes and self._is_utf8:
                self._refuse_utf16(data)
            block = self._decoded(data)
            if block or not data:
                self._look_at(block)
                return block

    def _decoded(self, data: bytes) -> bytes:
        at_start, before = not self._bytes, self._decoder.getstate()
        try:
            text = self._decoder.decode(data, final=not data)
            # UTF-8 is only checked: encoding it again would change nothing
            block = data if self._is_utf8 else text.encode()
        except UnicodeError as error:
            raise self._undecodable(error, before, data) from error
        self._bytes += len(data)
        return block.removeprefix(codecs.BOM_UTF8) if at_start else block

    def _look_at(self, block: bytes) -> None:
        self._returns[0] += block.count(b"\r")
        self._returns[1] += block.count(b"\r\n")
        self._returns[1] += self._last == b"\r" and block[:1] == b"\n"
        self._last = block[-1:]
        self.has_quotes = self.has_quotes or b'"' in block
        self._refuse_long_line(block)
        self._lines += block.count(b"\n")

    def _refuse_long_line(self, block: bytes) -> None:
        first, last = block.find(b"\n"), block.rfind(b"\n")
        if self._open + (len(block) if first < 0 else first) > self._block_bytes:
            raise self._long_line()
        self._open = len(block) - last - 1 + (self._open if last < 0 else 0)

    def _long_line(self) -> InputError:
        name = self._plain.name
        if self.has_lone_returns and not self._lines:
            return only_returns(name)
        return InputError(
            f"{name}, line {self._lines + 1}: is longer than {self._block_bytes} bytes",
            hint="Check --format, and that the file has line ends.",
        )

    def _refuse_utf16(self, data: bytes) -> None:
        # text does not begin with NUL, but half of each ASCII character may
        if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or 0 in data[:2]:
            raise InputError(
                f"{self._plain.name}, line 1: looks like UTF-16, not UTF-8",
                hint="Say --encoding utf-16 (utf-16-le if it has no byte order mark).",
            )

    def _undecodable(
        self, error: UnicodeError, before: tuple[bytes, int], data: bytes
    ) -> InputError:
        if not isinstance(error, UnicodeDecodeError):
            return InputError(
                f"{self._plain.name}: is no {self._encoding} text ({error})",
                hint=_OTHER_ENCODINGS,
            )
        good = max(0, error.start - len(before[0]))
        self._decoder.setstate(before)
        line = self._lines + self._decoder.decode(data[:good]).count("\n") + 1
        offset = self._bytes - len(before[0]) + error.start
        byte = (before[0] + data)[error.start]
        return InputError(
            f"{self._plain.name}, line {line}: byte 0x{byte:02x} at offset {offset} "
            f"is no {self._encoding} text",
            hint=_OTHER_ENCODINGS,
        )


@contextmanager
def open_text(source: Input, options: ReadOptions) -> Iterator[Utf8Stream]:
    """The text of an input, from its start."""
    _refuse_unknown(options.encoding)
    with (
        PlainBytes(source.path, source.compression, source.name) as plain,
        Utf8Stream(plain, options.encoding, options.block_bytes) as stream,
    ):
        yield stream


def only_returns(name: str) -> InputError:
    """Lines that end as on the first Macs; readers do not agree about them."""
    return InputError(
        f"{name}: has lines that end in CR alone (old Macintosh)",
        hint=r"Convert it: tr '\r' '\n' < old.csv > new.csv",
    )


def excerpt(text: str) -> str:
    """The beginning of some text, safe to print: at most 60 characters."""
    shown = repr(text[:60].rstrip("\r\n"))[1:-1]
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _refuse_unknown(encoding: str) -> None:
    try:
        "a".encode(encoding)
    except (LookupError, UnicodeError) as error:
        raise InputError(
            f"--encoding {encoding}: no such text encoding", hint=_OTHER_ENCODINGS
        ) from error
