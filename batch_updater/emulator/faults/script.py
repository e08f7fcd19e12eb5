"""Reading a fault script: TOML `[[fault]]` tables, or the same in JSON; pure."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from batch_updater.emulator.faults.fault import Fault

TEXT = "a string"
INTEGER = "an integer"
NUMBER = "a number"
TEXTS = "a table of strings"


class ScriptError(ValueError):
    """A script is wrong; names the fault and the key."""


KEYS: Mapping[str, str] = {
    "name": TEXT,
    "action": TEXT,
    "operation": TEXT,
    "face_id": TEXT,
    "after": INTEGER,
    "every": INTEGER,
    "times": INTEGER,
    "status": INTEGER,
    "code": TEXT,
    "message": TEXT,
    "headers": TEXTS,
    "body": TEXT,
    "content_type": TEXT,
    "seconds": NUMBER,
}


def read_script(path: Path) -> list[Fault]:
    """Read a script file; ScriptError says what is wrong and where."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return parse_script(content)
    except OSError as problem:
        raise ScriptError(f"script {path}: {problem.strerror}") from problem
    except ValueError as problem:
        raise ScriptError(f"script {path}: {problem}") from problem


def parse_script(content: object) -> list[Fault]:
    """Turn `{"fault": [{...}, ...]}` into faults; ScriptError names fault and key."""
    if not isinstance(content, Mapping):
        raise ScriptError("a script is an object with the key 'fault'")
    if unknown := sorted(content.keys() - {"fault"}):
        raise ScriptError(f"unknown key {unknown[0]!r}; faults stand under [[fault]]")
    entries = content.get("fault", [])
    if not isinstance(entries, list):
        raise ScriptError("'fault' must be a list of tables, written as [[fault]]")
    return [_fault(number, entry) for number, entry in enumerate(entries, start=1)]


def _fault(number: int, entry: object) -> Fault:
    if not isinstance(entry, Mapping):
        raise ScriptError(f"fault {number}: must be a table")
    where = f"fault {entry.get('name', number)!r}"
    for key, value in entry.items():
        _check_key(where, key, value)
    for key in ("name", "action"):
        if key not in entry:
            raise ScriptError(f"{where}: {key} is missing")
    return Fault(**entry)


def _check_key(where: str, key: str, value: object) -> None:
    if key not in KEYS:
        raise ScriptError(f"{where}: unknown key {key!r}; known are {', '.join(KEYS)}")
    if not _is_a(value, KEYS[key]):
        raise ScriptError(f"{where}: {key} must be {KEYS[key]}")


def _is_a(value: object, kind: str) -> bool:
    if kind == TEXT:
        return isinstance(value, str)
    if kind == TEXTS:
        return isinstance(value, Mapping) and all(
            isinstance(text, str) for text in value.values()
        )
    if isinstance(value, bool):
        return False
    return isinstance(value, int if kind == INTEGER else int | float)
