"""What the user pointed at, as a list of files that are there and can be read."""

import glob
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from batch_updater.errors import InputError
from batch_updater.files.compression import PlainBytes, cannot_read
from batch_updater.files.formats import (
    HEAD_BYTES,
    KNOWN_EXTENSIONS,
    ROW_FORMATS,
    Compression,
    InputFormat,
    Kind,
    compression_of,
    format_of,
    kind_of_name,
    looks_like,
)
from batch_updater.files.private import create_private

__all__ = [
    "STDIN",
    "Input",
    "InputFormat",
    "as_input",
    "cannot_spool",
    "fingerprint",
    "resolve_inputs",
    "spool_stdin",
]

STDIN = "-"
_SAY_FORMAT = f"Say --format {'|'.join(ROW_FORMATS)}."


@dataclass(frozen=True, slots=True)
class Input:
    """
    One file of rows.

    Args:
        path: absolute.
        name: as the user wrote it, or as a glob or folder gave it; what the
            journal and messages call this source. Unique within a run.
        size: bytes, as stored.
        sha256: of the bytes as stored, in hex.
    """

    path: Path
    name: str
    format: InputFormat
    compression: Compression | None
    size: int
    sha256: str


def resolve_inputs(
    arguments: Sequence[str],
    input_format: InputFormat | None = None,
    *,
    stdin: Path | None = None,
) -> tuple[Input, ...]:
    """
    The files behind ``INPUT...``, in the order given.

    Args:
        arguments: files, globs, folders, or ``-``.
        input_format: of every file; None goes by the extension. Of a folder
            only the files with an extension of that format are taken.
        stdin: where ``spool_stdin`` put what came by ``-``.

    Raises:
        InputError: for whatever is not there, not readable, empty, of unknown
            format, or given twice.
    """
    if not arguments:
        raise InputError("no input given", hint="Name a file, a folder, or - (stdin).")
    found = [each for argument in arguments for each in _expand(argument, input_format)]
    places = [(name, _place(name, stdin)) for name in found]
    _refuse_twice(places)
    return tuple(
        as_input(path, name=name, input_format=input_format) for name, path in places
    )


def as_input(
    path: Path, *, name: str = "", input_format: InputFormat | None = None
) -> Input:
    """One file, looked at: format, compression, size and fingerprint."""
    name = name or str(path)
    _refuse_undecodable(path, name)
    head = _head(path, name)
    kind = _kind(path, name, input_format, head)
    if kind.format is None:
        raise InputError(f"{name}: its format is not known", hint=_SAY_FORMAT)
    _refuse_misnamed(name, kind, head)
    size, sha256 = fingerprint(path, name=name)
    return Input(path.absolute(), name, kind.format, kind.compression, size, sha256)


def _refuse_undecodable(path: Path, name: str) -> None:
    # Names of files are bytes; journal and results are UTF-8.
    shown = os.fsencode(f"{name}{path.absolute()}")
    try:
        shown.decode("utf-8")
    except UnicodeDecodeError:
        escaped = os.fsencode(name).decode("utf-8", "backslashreplace")
        raise InputError(
            f"{escaped}: its path is not valid UTF-8, so the journal cannot name it",
            hint="Rename the file or folder; nothing was sent.",
        ) from None


def spool_stdin(stream: IO[bytes], into: Path) -> Path:
    """
    Copy stdin to a new file (0600), because the input is read twice.

    Raises:
        InputError: it cannot be read, or there is no room for it.
    """
    try:
        with os.fdopen(create_private(into), "wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
    except OSError as error:
        raise cannot_spool(str(into.parent), error) from error
    return into


def cannot_spool(folder: str, error: OSError) -> InputError:
    """What is in the way of keeping what comes in on stdin."""
    return InputError(
        f"-: stdin cannot be kept in {folder}: {error.strerror or error}; nothing was "
        "sent",
        hint="Make room there, or name another folder in TMPDIR.",
    )


def fingerprint(
    path: Path, *, name: str = "", most: int | None = None
) -> tuple[int, str]:
    """
    Size in bytes and SHA-256 in hex of a file as it is stored.

    Args:
        most: look at no more than so many bytes, from the start.
    """
    size, digest = 0, hashlib.sha256()
    left = sys.maxsize if most is None else most
    with PlainBytes(path, None, name or str(path)) as stream:
        while block := stream.read(min(1 << 20, left - size)):
            size += len(block)
            digest.update(block)
    return size, digest.hexdigest()


def _expand(argument: str, input_format: InputFormat | None) -> Iterator[str]:
    if not argument.strip():
        raise InputError(
            "an input is empty text", hint="Is a variable of your script not set?"
        )
    if argument == STDIN:
        yield STDIN
    elif any(sign in argument for sign in "*?[") and not _is_there(argument):
        for match in _matches(argument):
            yield from _given(match, input_format)
    else:
        yield from _given(argument, input_format)


def _matches(pattern: str) -> list[str]:
    # Path.glob takes no absolute patterns
    if matches := sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207
        return matches
    raise InputError(
        f"{pattern}: no file matches", hint="Check the path; quoting is not needed."
    )


def _given(argument: str, input_format: InputFormat | None) -> Iterator[str]:
    mode = _status(argument).st_mode
    if stat.S_ISDIR(mode):
        yield from _files_in(argument, input_format)
    elif stat.S_ISREG(mode):
        yield argument
    else:
        raise InputError(
            f"{argument}: is not a regular file; the input is read twice",
            hint="Pipe it in and give - as the input.",
        )


def _files_in(folder: str, input_format: InputFormat | None) -> list[str]:
    try:
        entries = sorted(path for path in Path(folder).iterdir() if path.is_file())
    except OSError as error:
        raise cannot_read(folder, error) from error
    if names := [str(path) for path in entries if _is_wanted(path, input_format)]:
        return names
    kinds = input_format or ", ".join(KNOWN_EXTENSIONS)
    raise InputError(
        f"{folder}: the folder holds no files of a known extension ({kinds})",
        hint="Name the files, or a glob such as folder/*, and say --format.",
    )


def _is_wanted(path: Path, input_format: InputFormat | None) -> bool:
    known = kind_of_name(path.name).format
    if path.name.startswith(".") or known is None:
        return False
    return input_format in (None, known)


def _place(name: str, stdin: Path | None) -> Path:
    if name != STDIN:
        return Path(name)
    if stdin is None:
        raise InputError("-: stdin cannot be read here", hint="Name a file instead.")
    return stdin


def _refuse_twice(places: Sequence[tuple[str, Path]]) -> None:
    # by inode: a link is the same file, and every face would be there twice
    seen: dict[tuple[int, int], str] = {}
    for name, path in places:
        status = _status(str(path))
        key = (status.st_dev, status.st_ino)
        if key in seen:
            raise InputError(
                f"{name}: is given twice (the same file as {seen[key]})",
                hint="Leave one of them out.",
            )
        seen[key] = name


def _is_there(argument: str) -> bool:
    try:
        Path(argument).lstat()
    except (OSError, ValueError):
        return False
    return True


def _status(argument: str) -> os.stat_result:
    try:
        return Path(argument).stat()
    except (OSError, ValueError) as error:
        raise cannot_read(argument, error) from error


def _head(path: Path, name: str) -> bytes:
    with PlainBytes(path, None, name) as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        raise InputError(f"{name}: is empty", hint="Check what was to write it.")
    return head


def _kind(path: Path, name: str, said: InputFormat | None, head: bytes) -> Kind:
    named = kind_of_name(name)
    compression = named.compression or compression_of(head)
    known = said or named.format
    if known is None and name == STDIN:
        with PlainBytes(path, compression, name) as stream:
            known = format_of(stream.read(HEAD_BYTES))
    return Kind(known, compression)


def _refuse_misnamed(name: str, kind: Kind, head: bytes) -> None:
    if kind.format in {InputFormat.PARQUET, InputFormat.PLAN}:
        if kind.compression:
            raise InputError(
                f"{name}: Parquet cannot be read from within {kind.compression}",
                hint="Unpack it first; Parquet compresses its own columns.",
            )
        return  # its reader looks closer
    look = "" if kind.compression else looks_like(head)
    if look:
        raise InputError(
            f"{name}: looks like {look}, not {kind.format}",
            hint=f"Save it as {kind.format}, or {_SAY_FORMAT.lower()}",
        )
