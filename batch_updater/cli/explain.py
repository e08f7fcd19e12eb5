"""`explain`: what an error code means, what this tool does, what you should do."""

import argparse
import os
import re
from collections.abc import Iterator
from typing import Any

from batch_updater.cli.ending import print_json
from batch_updater.cli.flags import flags_of
from batch_updater.cli.log import set_log_format
from batch_updater.config.modes import OutputMode
from batch_updater.config.settings import resolve
from batch_updater.errors import UsageError
from batch_updater.frs.catalogue.entry import ErrorCode, Group
from batch_updater.frs.codes import (
    GROUPS,
    close_codes,
    codes_ending,
    find_entries,
    full_code,
    group_of,
)
from batch_updater.frs.verdicts import verdict_of_unknown
from batch_updater.inert import printable
from batch_updater.models import Verdict

_CODE = re.compile(r"[A-Z]+\.[A-Z0-9_]+", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{3,4}")
_STATUSES = (400, 401, 403, 404, 429, 500, 503)

_DOES = {
    Verdict.RETRY: "tries the row again after a pause, up to --max-attempts",
    Verdict.THROTTLED: "pauses all requests, then tries the row again",
    Verdict.RENEW_CREDENTIALS: "renews the credentials once and tries the row again; "
    "where there are no others, stops the run with exit code 3",
    Verdict.SETTLE: "fails the row, after waiting for the face as long as --settle says",
    Verdict.FAIL_ROW: "fails the row and goes on with the others",
    Verdict.STOP_RUN: "stops the run with exit code 3, because every row would fail",
}


def explain(arguments: argparse.Namespace) -> int:
    """Explain one code, or list all; UsageError when the text can be no code."""
    resolved = resolve(flags_of(arguments), os.environ)
    set_log_format(resolved.settings.log_format)
    as_json = resolved.settings.output is OutputMode.JSON
    if arguments.code is None:
        _list_all(as_json=as_json)
        return 0
    code = spell(arguments.code)
    group, entries = group_of(code), find_entries(code)
    if as_json:
        found = [_facts(entry, group) for entry in entries if group]
        print_json(_content(code, found))
        return 0
    for line in _known(code, group, entries) if group and entries else _unknown(code):
        print(printable(line))
    return 0


def spell(text: str) -> str:
    """
    Return a code as the catalogue spells it, from what somebody typed.

    Raises:
        UsageError: it is no code, or a number that does not say whose.
    """
    if _NUMBER.fullmatch(text):
        return _complete(text)
    if not _CODE.fullmatch(text):
        raise UsageError(
            f"{text!r} is no error code",
            hint="Codes look like FRS.0303, APIGW.0308 or IAM.0062; `batch-updater "
            "explain` lists all.",
        )
    code = text.upper()
    return code.replace("XX", "xx") if code.startswith("HTTP.") else code


def _complete(number: str) -> str:
    codes = codes_ending(number)
    if len(codes) == 1:
        return codes[0]
    said = "could be " + " or ".join(codes) if codes else "is no code that is known"
    example = codes[0] if codes else f"FRS.{number}"
    raise UsageError(
        f"{number} {said}", hint=f"Write the prefix too, such as {example}."
    )


def _list_all(*, as_json: bool) -> None:
    if as_json:
        codes = [
            _facts(entry, group) | {"code": full_code(entry)}
            for group in GROUPS
            for entry in group.entries
        ]
        print_json({"codes": codes})
        return
    for group in GROUPS:
        print(f"{group.title} ({group.source})")
        for entry in group.entries:
            print(f"  {_line(entry)}")


def _line(entry: ErrorCode) -> str:
    phrase = f" [{entry.phrase}]" if entry.phrase else ""
    return (
        f"{full_code(entry):<19}{_statuses(entry) or '-':<20}"
        f"{_words(entry.verdict):<19}"
        f"{entry.meaning}{phrase}"
    )


def _statuses(entry: ErrorCode) -> str:
    return ", ".join(map(str, entry.statuses))


def _words(verdict: Verdict) -> str:
    """Return a verdict as README writes it."""
    return verdict.value.replace("_", " ")


def _known(code: str, group: Group, entries: tuple[ErrorCode, ...]) -> Iterator[str]:
    yield f"{code}  {group.title}{_also(code)}"
    for entry in entries:
        if len(entries) > 1:
            yield ""
            yield f"{code} {_when(entry)}"
        yield f"  meaning     {entry.meaning}"
        yield f"  verdict     {_words(entry.verdict)}: {_DOES[entry.verdict]}"
        yield f"  do          {entry.remedy}"
        yield f"  status      {_statuses(entry) or 'none is documented'}"
        yield f"  documented  {entry.source or group.source}"


def _also(code: str) -> str:
    prefix, _, number = code.partition(".")
    other = {"APIGW": "APIG", "APIG": "APIGW"}.get(prefix)
    return f", also written {other}.{number}" if other else ""


def _when(entry: ErrorCode) -> str:
    if entry.phrase:
        return f"with the text {entry.phrase!r}"
    return f"with {_statuses(entry)}, where no text below fits"


def _unknown(code: str) -> Iterator[str]:
    yield f"{code} is not known to this tool: no document that it was made from has it"
    for verdict, statuses in _by_status(code).items():
        said = f"{', '.join(map(str, statuses))}: {_words(verdict)}"
        yield f"  with HTTP {said}: {_DOES[verdict]}"
    yield "  do          read the message beside it; keep the request id for support"
    if close := close_codes(code):
        yield f"  close to    {', '.join(close)}"


def _by_status(code: str) -> dict[Verdict, list[int]]:
    grouped: dict[Verdict, list[int]] = {}
    for status in _STATUSES:
        grouped.setdefault(verdict_of_unknown(code, status), []).append(status)
    return grouped


def _content(code: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    if found:
        return {"code": code, "known": True, "entries": found}
    return {
        "code": code,
        "known": False,
        "verdict_by_status": {
            str(status): verdict
            for verdict, statuses in _by_status(code).items()
            for status in statuses
        },
        "close": close_codes(code),
    }


def _facts(entry: ErrorCode, group: Group) -> dict[str, Any]:
    return {
        "group": group.title,
        "meaning": entry.meaning,
        "verdict": entry.verdict,
        "does": _DOES[entry.verdict],
        "remedy": entry.remedy,
        "http_statuses": entry.statuses,
        "phrase": entry.phrase,
        "documented": entry.source or group.source,
    }
