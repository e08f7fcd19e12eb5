"""How a result stands on a line of the journal, and back."""

import math
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

from batch_updater.models import Attempt, ErrorClass, Outcome, Result

_CENTURY = 100 * 365 * 86_400.0  # seconds


def format_time(seconds: float) -> str:
    """Return seconds since the epoch as UTC ISO-8601 with microseconds."""
    second = math.floor(seconds)
    microseconds = round((seconds - second) * 1e6)
    if microseconds == 1_000_000:
        second, microseconds = second + 1, 0
    return f"{_format_second(second)}.{microseconds:06d}Z"


@lru_cache(maxsize=1024)  # of a run's many stamps, most share a second
def _format_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse_time(text: str) -> float:
    """Return what format_time wrote as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def encode_result(result: Result) -> dict[str, Any]:
    """Return a result as the journal writes it: what is empty is left out."""
    values = zip(_FACTS, _facts_of(result), strict=True)
    facts: dict[str, Any] = {
        name: value for name, value in values if value or type(value) is int
    }
    if result.attempts:
        facts["attempts"] = [_encode_attempt(a) for a in result.attempts]
    return facts


# In the order in which they stand on a line.
_FACTS = (
    *("source", "row_number", "face_set_name", "face_id", "outcome"),
    *("error_code", "error_msg", "error_class", "rule", "column"),
    *("http_status", "request_id", "ambiguous", "payload_sha256", "payload"),
)
_facts_of = attrgetter(*_FACTS)


def _encode_attempt(attempt: Attempt) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "started_at": format_time(attempt.started_at),
        "latency_ms": round(attempt.latency * 1000, 3),
    }
    if attempt.status is not None:
        facts["http_status"] = attempt.status
    if attempt.code:
        facts["error_code"] = attempt.code
    if attempt.ambiguous:
        facts["ambiguous"] = True
    return facts


def _check_types(facts: Mapping[str, Any]) -> None:
    # What is not known was added by a newer version, which says no more with it.
    for name in facts.keys() & _TYPES:
        if type(facts[name]) is not _TYPES[name]:
            raise TypeError(name)


_TYPES: Mapping[str, type] = {
    **{field.name: str for field in fields(Result)},
    "row_number": int,
    "http_status": int,
    "ambiguous": bool,
    "attempts": list,
}


def decode_result(facts: Mapping[str, Any]) -> Result:
    """
    Return the result that encode_result wrote.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it did not write this.
    """
    _check_types(facts)
    error_class = facts.get("error_class")
    return Result(
        source=facts["source"],
        row_number=facts["row_number"],
        face_set_name=facts.get("face_set_name", ""),
        face_id=facts.get("face_id", ""),
        outcome=Outcome(facts["outcome"]),
        error_code=facts.get("error_code", ""),
        error_msg=facts.get("error_msg", ""),
        error_class=ErrorClass(error_class) if error_class else None,
        http_status=facts.get("http_status"),
        request_id=facts.get("request_id", ""),
        attempts=tuple(_decode_attempt(a) for a in facts.get("attempts", ())),
        ambiguous=facts.get("ambiguous", False),
        payload_sha256=facts.get("payload_sha256", ""),
        rule=facts.get("rule", ""),
        column=facts.get("column", ""),
        payload=facts.get("payload", ""),
    )


def _decode_attempt(facts: Mapping[str, Any]) -> Attempt:
    latency = facts["latency_ms"] / 1000
    if not latency < _CENTURY:
        raise ValueError("no time that anybody waits")
    return Attempt(
        started_at=parse_time(facts["started_at"]),
        latency=latency,
        status=facts.get("http_status"),
        code=facts.get("error_code", ""),
        ambiguous=facts.get("ambiguous", False),
    )
