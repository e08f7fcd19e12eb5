"""Log records as lines: one each, whole, harmless, and with the names that README has."""

import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_updater.report.log_lines import FIELDS, JsonLines, TextLines

# A busy machine is no fault of what is tested.
MANY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

FACTS: dict[str, Any] = {
    "run_id": "20261124T210000Z-1a2b3c",
    "source": "faces.csv",
    "row": 48213,
    "face_id": "iexEBb6t",
    "attempt": 2,
    "code": "FRS.0018",
    "http_status": 503,
    "request_id": "ff2ffc67",
    "latency_ms": 35.125,
}


def same(text: str) -> str:
    return text


def record(
    message: str,
    name: str = "batch_updater.attempts",
    level: int = logging.INFO,
    **facts: Any,
) -> logging.LogRecord:
    made = logging.LogRecord(name, level, __file__, 1, "%s", (message,), None)
    made.created = 1795554000.1234
    made.__dict__.update(facts)
    return made


def test_a_line_for_people() -> None:
    """When, how grave, whom it is about, what happened, and the facts of the answer."""
    assert TextLines(same).format(record("retry", **FACTS)) == (
        "2026-11-24T21:00:00.123Z INFO run 20261124T210000Z-1a2b3c faces.csv row 48213 "
        "face iexEBb6t attempt 2: retry, 503 FRS.0018, 35 ms, request id ff2ffc67"
    )


def test_a_line_for_programs() -> None:
    """The same facts by name, numbers as numbers, nothing nested, nothing empty."""
    told = json.loads(JsonLines(same).format(record("retry", **FACTS)))
    assert told == {
        "time": "2026-11-24T21:00:00.123Z",
        "level": "INFO",
        "logger": "batch_updater.attempts",
        "message": "retry",
        **FACTS,
    }
    assert list(told) == [name for name in FIELDS if name in told]


def test_an_unknown_fact_is_left_out() -> None:
    """Before a run has a directory nobody knows its id."""
    assert TextLines(same).format(record("hello", "batch_updater.run")) == (
        "2026-11-24T21:00:00.123Z INFO hello"
    )
    assert "run_id" not in JsonLines(same).format(record("hello"))


def test_what_a_command_answers() -> None:
    """People who started it need no stamp; an error says so, and what to do."""
    lines = TextLines(same)
    assert lines.format(record("checked     3 rows", "batch_updater.progress")) == (
        "checked     3 rows"
    )
    error = record("no", "batch_updater.command", logging.ERROR, hint="Do it.")
    assert lines.format(error) == "batch-updater: error: no\n  Do it."
    told = json.loads(JsonLines(same).format(error))
    assert (told["message"], told["hint"]) == ("no", "Do it.")


@MANY
@given(
    message=st.text(),
    facts=st.fixed_dictionaries({}, optional={name: st.text() for name in FACTS}),
    name=st.sampled_from(
        [
            "batch_updater.attempts",
            "batch_updater.progress",
            "asyncio",
            "aiohttp.client",
        ]
    ),
    values=st.text(),
)
def test_no_record_acts(
    message: str, facts: dict[str, Any], name: str, values: str
) -> None:
    """Whatever stands in it, a record is one printable line, as JSON valid JSON."""
    facts = {**facts, "latency_ms": 1.0, "error_msg": values}
    made = record(message, name, **facts)
    assert TextLines(same).format(made).isprintable()
    line = JsonLines(same).format(made)
    assert line.isprintable()
    told = json.loads(line)
    assert set(told) <= set(FIELDS)
    assert not any(isinstance(value, dict | list) for value in told.values())


def test_a_name_cannot_pass_for_what_stands_around_it() -> None:
    """Text with spaces or signs is quoted."""
    line = TextLines(same).format(record("retry", face_id='x": retry, 200'))
    assert line.endswith(r'face "x\": retry, 200": retry')


SECRET = "hunter2-hunter2"


def caught(text: str) -> Any:
    """Return a ValueError with this text as logging takes it."""
    try:
        int(text)
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize("lines", [TextLines, JsonLines])
def test_others_are_not_trusted(lines: type[TextLines] | type[JsonLines]) -> None:
    """Of other packages: the first line and the kind of error; no login, no secret."""
    trouble = caught(f"row 7: {SECRET}")
    said = f"proxy http://robot:{SECRET}@host/ failed\nrequest: {SECRET}"
    made = record(said, "aiohttp.client", logging.WARNING, exc_info=trouble)
    line = lines(lambda text: text.replace(SECRET, "***")).format(made)
    assert SECRET not in line
    assert "proxy http://***@host/ failed (ValueError)" in line
    assert "row 7" not in line
    assert "request:" not in line


@pytest.mark.parametrize("lines", [TextLines, JsonLines])
def test_a_bug_is_told_with_its_trace(
    lines: type[TextLines] | type[JsonLines],
) -> None:
    """Our own exceptions come with their trace, harmless and without secrets."""
    trouble = caught(f"\x1b[31m{SECRET}\u202e")
    made = record("a bug", "batch_updater.command", logging.ERROR, exc_info=trouble)
    line = lines(lambda text: text.replace(SECRET, "***")).format(made)
    assert line.replace("\n", "").isprintable()
    assert SECRET not in line
    assert "int(text)" in line
    if lines is JsonLines:
        assert "***" in json.loads(line)["traceback"]
