"""
The error catalogue: an entry for every documented code, and how it is found.

A code decides before the status does; only where one code has several entries
does the message, or the status, tell which of them is meant.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from batch_updater.frs.catalogue.entry import ErrorCode, Group
from batch_updater.frs.catalogue.gateway import GATEWAY
from batch_updater.frs.catalogue.iam import IAM
from batch_updater.frs.catalogue.own import OWN, PLANS
from batch_updater.frs.catalogue.service import SERVICE

GROUPS = (SERVICE, GATEWAY, IAM, OWN, PLANS)


def full_code(entry: ErrorCode) -> str:
    """Return an entry's code with its prefix, as `explain` writes it."""
    return entry.code if "." in entry.code else f"{GATEWAY.prefixes[0]}.{entry.code}"


def group_of(code: str) -> Group | None:
    """Return whose code it is, by its prefix."""
    prefix = code.partition(".")[0]
    return next((group for group in GROUPS if prefix in group.prefixes), None)


def find_entries(code: str) -> tuple[ErrorCode, ...]:
    """Return all entries of a code as somebody wrote it, or none."""
    prefix, _, number = code.partition(".")
    if prefix in GATEWAY.prefixes:
        code = f"{GATEWAY.prefixes[0]}.{number}"
    exact = _BY_CODE.get(code, ())
    if prefix == "HTTP" and not exact:
        return _BY_CODE.get(f"HTTP.{number[:1]}xx", ())
    return exact


def find_code(
    code: str, message: str = "", status: int | None = None
) -> ErrorCode | None:
    """
    Return the catalogue's entry for a code as the service wrote it, or None.

    Args:
        message: the text beside the code; gateway 0301 says there what is wrong.
        status: the HTTP status; gateway 0201 is a bad request or a backend that
            failed.
    """
    entries, text = find_entries(code), message.lower()
    for entry in entries:
        if entry.phrase and entry.phrase in text:
            return entry
    plain = [entry for entry in entries if not entry.phrase]
    alike = [entry for entry in plain if _is_like(entry, status)]
    return next(iter(alike or plain), None)


def close_codes(code: str) -> list[str]:
    """Return documented codes that are spelled like this one, the closest first."""
    return get_close_matches(code, _BY_CODE, n=3, cutoff=0.8)


def codes_ending(number: str) -> list[str]:
    """Return the documented codes with this number, whatever their prefix."""
    return [code for code in _BY_CODE if code.rpartition(".")[2] == number]


def _is_like(entry: ErrorCode, status: int | None) -> bool:
    """Return whether the entry is documented with a status of this hundred."""
    return status is not None and status // 100 in {s // 100 for s in entry.statuses}


def _entries() -> Iterator[ErrorCode]:
    for group in GROUPS:
        yield from group.entries


def _index() -> dict[str, tuple[ErrorCode, ...]]:
    found: dict[str, tuple[ErrorCode, ...]] = {}
    for entry in _entries():
        code = full_code(entry)
        found[code] = (*found.get(code, ()), entry)
    return found


_BY_CODE = _index()
