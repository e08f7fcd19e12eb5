"""Script files: read from TOML, and refused by fault and key when they are wrong."""

from pathlib import Path

import pytest

from batch_updater.emulator import Emulator
from batch_updater.emulator.faults.fault import Fault
from batch_updater.emulator.faults.script import KEYS, parse_script, read_script

SCRIPT = """
[[fault]]
name = "the gateway gives up"
action = "respond"
status = 502
body = "<html>"
content_type = "text/html"
headers = { Via = "1.1 gateway" }
every = 3
times = 0

[[fault]]
name = "lost answer"
action = "timeout-after-commit"
face_id = "iexEBb6t"
seconds = 2
"""


def test_read_script(tmp_path: Path) -> None:
    """A TOML file with [[fault]] tables becomes faults in that order."""
    path = tmp_path / "script.toml"
    path.write_text(SCRIPT)
    gateway, lost = read_script(path)
    assert gateway == Fault(
        name="the gateway gives up",
        action="respond",
        status=502,
        body="<html>",
        content_type="text/html",
        headers={"Via": "1.1 gateway"},
        every=3,
        times=0,
    )
    assert (lost.face_id, lost.seconds, lost.times) == ("iexEBb6t", 2, 1)


def test_empty_script() -> None:
    """A script without faults is a script."""
    assert parse_script({}) == []


def test_every_key_is_an_option() -> None:
    """The keys a script may use are exactly the options of a fault."""
    assert list(KEYS) == list(Fault.__dataclass_fields__)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "a script is an object"),
        ({"fault": {}}, "'fault' must be a list"),
        ({"fault": [1]}, "fault 1: must be a table"),
        ({"fault": [{"action": "reset"}]}, "fault 1: name is missing"),
        ({"fault": [{"name": "a"}]}, "fault 'a': action is missing"),
        ({"fault": [{"name": "a", "colour": 1}]}, "fault 'a': unknown key 'colour'"),
        ({"fault": [{"name": "a", "action": 1}]}, "fault 'a': action must be a string"),
        ({"fault": [{"name": "a", "times": "1"}]}, "'a': times must be an integer"),
        ({"fault": [{"name": "a", "after": True}]}, "'a': after must be an integer"),
        ({"fault": [{"name": "a", "seconds": "1s"}]}, "'a': seconds must be a number"),
        ({"fault": [{"name": "a", "headers": {"b": 1}}]}, "'a': headers must be a tab"),
        ({"fault": [{"name": "a", "action": "burn"}]}, "'a': action must be one of"),
    ],
)
def test_wrong_script(content: object, message: str) -> None:
    """A wrong script is refused, naming the fault and the key."""
    with pytest.raises(ValueError, match=message):
        parse_script(content)


@pytest.mark.parametrize("text", ["[[fault", 'fault = "x"', "\udcff"])
def test_wrong_file(tmp_path: Path, text: str) -> None:
    """A file that cannot be read is named in the error."""
    path = tmp_path / "script.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=str(path)):
        read_script(path)


def test_missing_file(tmp_path: Path) -> None:
    """A file that does not exist is named in the error."""
    with pytest.raises(ValueError, match="No such file"):
        read_script(tmp_path / "nothing.toml")


@pytest.mark.parametrize(
    ("operation", "guess"),
    [
        ("UpdateFaces", "UpdateFace"),
        ("AddFaces", "AddFacesByUrl"),
        ("createtoken", "CreateToken"),
        ("42", "there is no operation '42'$"),
    ],
)
def test_a_fault_that_could_never_fire(operation: str, guess: str) -> None:
    """An operation that does not exist is refused, and a close one named."""
    fault = Fault(name="a", action="reset", operation=operation)
    with pytest.raises(ValueError, match=f"fault 'a': .*{guess}"):
        Emulator().script([fault])
