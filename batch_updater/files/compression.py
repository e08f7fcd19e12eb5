"""The plain bytes of a file, unpacked on the way when it is gzip or zstd."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from batch_updater.errors import InputError
from batch_updater.files.formats import Compression

_WORDS: dict[Compression, str] = {"gz": "gzip", "zst": "zstd"}
_AGAIN = "Copy or compress the file again; a plain file must not be named like this."


class PlainBytes:
    """
    A file's bytes after unpacking, read once from the start.

    Args:
        path: where the file is.
        compression: how it is packed, or None.
        name: what messages call it.

    Raises:
        InputError: from any call, when the file cannot be read or unpacked.
    """

    def __init__(self, path: Path, compression: Compression | None, name: str) -> None:
        self.name = name
        self._compression = compression
        with self._named():
            self._stream = _open(path, compression)

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end."""
        with self._named():
            return bytes(self._stream.read(size))

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except EOFError:
            raise InputError(
                f"{self.name}: the gzip data is cut short", hint=_AGAIN
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"{self.name}: is not gzip data, or damaged ({error})", hint=_AGAIN
            ) from error
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> InputError:
        # pyarrow's unpacker raises an OSError that has no errno
        if self._compression and getattr(error, "errno", None) is None:
            word = _WORDS[self._compression]
            return InputError(
                f"{self.name}: the {word} data is cut short or damaged ({error})",
                hint=_AGAIN,
            )
        return cannot_read(self.name, error)


def cannot_read(name: str, error: Exception) -> InputError:
    """What the operating system said, under the name the user knows."""
    reason = getattr(error, "strerror", None) or str(error)
    return InputError(
        f"{name}: cannot be read: {reason}",
        hint="Check the path and that this user may read it.",
    )


def _open(path: Path, compression: Compression | None) -> IO[bytes] | Any:
    if compression == "gz":
        return gzip.open(path, "rb")
    if compression == "zst":
        import pyarrow as pa  # noqa: PLC0415 - naming inputs must not load pyarrow

        return pa.input_stream(str(path), compression="zstd")
    return path.open("rb", buffering=0)
