"""A log record as a line: for people, or as one JSON object."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from batch_updater.inert import json_line, printable

FIELDS = (
    *("time", "level", "logger", "message"),
    *("run_id", "source", "row", "face_id", "attempt"),
    *("code", "http_status", "request_id", "latency_ms"),
    *("error_msg", "hint", "traceback"),
)
"""Every name that a JSON line may have, in this order."""

_OURS = "batch_updater"
_ANSWERS = frozenset({"batch_updater.progress", "batch_updater.command"})
"""Loggers of what a command says to whoever started it: no stamp for people."""
_FOREIGN_LENGTH = 200
_LOGIN = re.compile(r"(?<=://)[^/\s@]*@")
_PLAIN = re.compile(r"[^\s\"',:]+")

Clean = Callable[[str], str]


def is_ours(record: logging.LogRecord) -> bool:
    """Return whether a record comes from this package."""
    return record.name == _OURS or record.name.startswith(f"{_OURS}.")


class _Lines(logging.Formatter):
    """
    What both forms share.

    Args:
        clean: takes secrets out of text.
    """

    def __init__(self, clean: Clean) -> None:
        super().__init__()
        self._clean = clean

    def _message(self, record: logging.LogRecord) -> str:
        """
        Return what is said, without secrets.

        Of other packages' records only the first line and the kind of error are
        taken: what they quote may be a header, a URL with a login, or a row.
        """
        said = self._clean(record.getMessage())
        if is_ours(record):
            return said
        kind = _kind_of_error(record)
        first = _LOGIN.sub("***@", said.partition("\n")[0])[:_FOREIGN_LENGTH]
        return f"{first} ({kind})" if kind else first

    def _traceback(self, record: logging.LogRecord) -> str:
        if not record.exc_info or not is_ours(record):
            return ""
        return self._clean(self.formatException(record.exc_info))


def _kind_of_error(record: logging.LogRecord) -> str:
    kind = record.exc_info[0] if record.exc_info else None
    return kind.__name__ if kind else ""


class TextLines(_Lines):
    """`2026-11-24T21:00:00.123Z INFO run R faces.csv row 7 face F attempt 2: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback stands on lines of its own before it."""
        trace = self._traceback(record).split("\n")
        lines = [printable(line) for line in trace if line]
        if record.name in _ANSWERS:
            return "\n".join([*lines, *self._answer(record)])
        whom = "".join(_subject(record))
        said = ", ".join([f"{whom}{self._message(record)}", *_tail(record)])
        stamp = f"{_stamp(record)} {record.levelname}"
        return "\n".join([*lines, printable(f"{stamp} {said}")])

    def _answer(self, record: logging.LogRecord) -> Iterator[str]:
        error = record.levelno >= logging.ERROR
        said = self._message(record)
        yield printable(f"batch-updater: error: {said}" if error else said)
        if hint := getattr(record, "hint", ""):
            yield printable(f"  {self._clean(hint)}")


class JsonLines(_Lines):
    """One JSON object a line; README has the names."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        known: dict[str, Any] = {
            "time": _stamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": self._message(record).strip(),
        }
        for name in FIELDS[len(known) : -1]:
            fact = getattr(record, name, None) if is_ours(record) else None
            if fact is not None:
                known[name] = fact
        if trace := self._traceback(record):
            known["traceback"] = trace
        return json_line(known)


def _stamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _subject(record: logging.LogRecord) -> Iterator[str]:
    """Yield whom a line is about."""
    if not is_ours(record):
        yield f"{record.name}: "
        return
    names = ("run_id", "source", "row", "face_id", "attempt")
    words = {"run_id": "run ", "row": "row ", "face_id": "face ", "attempt": "attempt "}
    told = [
        f"{words.get(name, '')}{_quoted(str(fact))}"
        for name in names
        if (fact := getattr(record, name, None)) is not None
    ]
    if told:
        yield " ".join(told) + ": "


def _quoted(text: str) -> str:
    # So that no name can pass itself off as the words around it.
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _tail(record: logging.LogRecord) -> Iterator[str]:
    """Yield the facts that follow what is said."""
    if not is_ours(record):
        return
    status, code = getattr(record, "http_status", None), getattr(record, "code", "")
    if status or code:
        yield " ".join(str(each) for each in (status, code) if each)
    if (latency := getattr(record, "latency_ms", None)) is not None:
        yield f"{latency:.0f} ms"
    if request_id := getattr(record, "request_id", ""):
        yield f"request id {_quoted(request_id)}"
    if error_msg := getattr(record, "error_msg", ""):
        yield json.dumps(error_msg, ensure_ascii=False)
