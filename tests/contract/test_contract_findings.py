"""The suite finds each unknown whichever way it is, through both clients."""

import argparse
import shlex
from typing import Any

import pytest

from batch_updater.emulator.command import add_arguments
from batch_updater.emulator.rules import Rules
from contract.examining import CLIENTS, Examined, examine
from contract.suite import QUESTIONS

# What no update, listing or delete can show.
BEYOND = {"search_fields", "image_format", "expired_code", "iam_errors", "metadata"}
CASE_OF = {"external_fields": "merge_or_replace"}

# Each switch another way in each world, as far as it has so many.
WORLDS: dict[str, dict[str, Any]] = {
    "assumed": {},
    "second": {
        "external_fields": "replace",
        "null_values": "clear",
        "empty_values": "store",
        "nested_values": "store",
        "string_values": "strict",
        "field_types": "coerce",
        "wrong_type_code": "FRS.0018",
        "missing_face_code": "FRS.0403",
        "missing_face_get": "empty",
        "missing_face_delete": "FRS.0407",
        "missing_face_set": "empty",
        "window_code": "empty",
        "list_order": "reverse",
        "versions": "separate",
    },
    "third": {
        "null_values": "store",
        "empty_values": "clear",
        "field_types": "lenient",
        "missing_face_code": "zero",
        "missing_face_get": "FRS.0403",
        "missing_face_delete": "zero",
        "window_code": "FRS.0018",
        "list_order": "shuffled",
    },
}
# Facts that a world makes untrue: 500 is no documented answer to a wrong value, and
# a success no refusal. The sample of page 0095 says FRS.0303.
NOT_HELD = {
    "assumed": set(),
    "second": {"long_value", "plain_unknown_face"},
    "third": {"unknown_face", "plain_unknown_face"},
}


@pytest.fixture(
    scope="module", params=[(w, c) for w in WORLDS for c in CLIENTS], ids=str
)
def seen(request: pytest.FixtureRequest) -> tuple[str, str, Examined]:
    """Run the suite in a world, through a client."""
    world, client = request.param
    return world, client, examine(client, **WORLDS[world])


def test_every_switch_is_found(seen: tuple[str, str, Examined]) -> None:
    """The finding of each switch is the way it was set, and names its flag."""
    world, client, ended = seen
    rules = Rules(**WORLDS[world])
    asked = set(Rules.__slots__) - BEYOND
    if rules.field_types == "lenient":
        asked -= {"wrong_type_code"}  # nothing is of a wrong type
    if client == "sdk":
        asked -= {"versions"}  # it knows no v1

    for rule in asked:
        case = CASE_OF.get(rule, rule)
        value = getattr(rules, rule)
        assert ended.values[case] == value, ended.entries[case]
        assert f"--{rule.replace('_', '-')} {value}" in ended.switches


def test_facts(seen: tuple[str, str, Examined]) -> None:
    """The documented facts hold, but for those that the world makes untrue."""
    world, _, ended = seen

    assert ended.not_held == NOT_HELD[world]
    assert ended.code == (1 if NOT_HELD[world] else 0)


def test_surprises_are_marked(seen: tuple[str, str, Examined]) -> None:
    """A finding is marked when, and only when, it is not what is assumed."""
    world, client, ended = seen
    marked = {
        n for n, e in ended.entries.items() if e["found"] and not e["found"]["expected"]
    }
    turned = {CASE_OF.get(rule, rule) for rule in WORLDS[world]}
    if client == "sdk":
        turned -= {"versions"}

    assert marked == turned


def test_flags_exist(seen: tuple[str, str, Examined]) -> None:
    """Every flag that a finding names is one of the emulator's."""
    _, _, ended = seen
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)

    assert ended.switches
    for switch in ended.switches:
        parser.parse_args(shlex.split(switch))


def test_questions_cover_the_switches() -> None:
    """There is a question for every switch that calls to a face set can show."""
    asked = {case.__name__ for case in QUESTIONS}

    assert {CASE_OF.get(rule, rule) for rule in set(Rules.__slots__) - BEYOND} <= asked


@pytest.mark.parametrize("client", CLIENTS)
def test_lag(client: str) -> None:
    """A lag after add and one after update are seen and measured, and nothing fails."""
    ended = examine(client, lag=0.3, update_lag=0.2)

    assert ended.not_held == set()
    for case, flag in {
        "lag_after_add": "--lag",
        "lag_after_update": "--update-lag",
    }.items():
        found = ended.entries[case]["found"]
        assert found["value"].endswith(" s"), found
        assert found["switch"].startswith(f"{flag} 0."), found
        assert found["expected"] is False
    assert "--settle" in ended.entries["lag_after_add"]["found"]["setting"]


def test_a_lag_beyond_patience() -> None:
    """A face that is never shown ends as such, and facts that need it do not hold."""
    ended = examine("ours", "--wait", "50ms", lag=1000.0)

    assert ended.values["lag_after_add"] == "never"
    assert "update_both" in ended.not_held
    assert ended.code == 1


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("minutes", "said"), [(7, "ahead of"), (-7, "behind")])
def test_clock(client: str, minutes: int, said: str) -> None:
    """A service whose clock is wrong is told so, and the emulator's flag for it."""
    ended = examine(client, clock_offset=minutes * 60.0)

    assert ended.values["clock"] == f"7 min {said} ours"
    assert f"--clock-offset={minutes}m" in ended.switches
