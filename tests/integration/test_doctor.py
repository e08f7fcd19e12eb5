"""doctor: one request, a line for everything a run needs, and the remedy of what is missing."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from bench import FACE_SET, Bench, fault

from batch_updater.doctor import Facts, State, examine
from batch_updater.errors import RunRefused, UsageError
from batch_updater.models import Reply

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
SET = (
    b'{"face_set_info": {"face_set_name": "staff", "face_number": 12, '
    b'"face_set_capacity": 100, "external_fields": {"age": {"type": "integer"}}}}'
)


def facts(**more: Any) -> Facts:
    usual: dict[str, Any] = {
        "endpoint": "https://face.example.com",
        "source": "token of BATCH_UPDATER_TOKEN",
        "project_id": "p",
        "face_set_name": "staff",
        "reply": Reply(200, SET, date=format_datetime(NOW, usegmt=True)),
        "now": NOW,
    }
    return Facts(**{**usual, **more})


def states(**more: Any) -> dict[str, State]:
    return {each.name: each.state for each in examine(facts(**more))}


def said(name: str, **more: Any) -> str:
    [finding] = [each for each in examine(facts(**more)) if each.name == name]
    return f"{finding.said} | {finding.remedy}"


def test_all_is_well(bench: Bench) -> None:
    """Every line says what it found, with one request; exit 0."""
    bench.prepare(3)
    ended = bench.command("doctor", *bench.target)
    assert ended.code == 0, ended
    lines = [line for line in ended.out.splitlines() if "do:" not in line]
    assert [line[6:20].strip() for line in lines] == [
        *("endpoint", "TLS", "clock", "credentials", "service", "project"),
        *("face set", "fields", "capacity", "token life"),
    ]
    assert "token of BATCH_UPDATER_TOKEN: accepted" in ended.out
    assert "age:integer, team:string" in ended.out
    assert "3 of 100,000 faces, room for 99,997" in ended.out
    assert bench.emulator.witness.requests == 1
    assert bench.emulator.token not in ended.out + ended.err


def test_as_json(bench: Bench) -> None:
    """A program gets the findings and the exit code in one object."""
    ended = bench.command("doctor", *bench.target, "--output", "json")
    assert ended.json["exit_code"] == 0
    assert ended.json["findings"][0]["state"] == "ok"


def test_without_a_face_set(bench: Bench) -> None:
    """The face sets there are help somebody who does not know the name yet."""
    target = bench.target[: bench.target.index("--face-set")]
    ended = bench.command("doctor", *target)
    assert ended.code == 0
    assert f"there are: {FACE_SET}" in ended.out
    assert bench.emulator.witness.requests == 1


REFUSALS = {
    "old token": ({"code": "APIGW.0307"}, "credentials"),
    "wrong token": ({"code": "FRS.0002"}, "credentials"),
    "not subscribed": ({"code": "FRS.0019"}, "service"),
    "frozen": ({"code": "FRS.0202"}, "service"),
    "other project": ({"code": "FRS.0028"}, "project"),
    "no face set": ({"code": "FRS.0302"}, "face set"),
    "no such API": ({"code": "APIGW.0101"}, "endpoint"),
    "throttled": ({"code": "FRS.0033"}, "service"),
    "broken": ({"code": "FRS.0018"}, "service"),
    "login page": ({"status": 200, "body": "<html>Sign in"}, "endpoint"),
    "a list": ({"status": 200, "body": "[]"}, "endpoint"),
    "proxy page": ({"status": 502, "body": "<html>"}, "endpoint"),
    "redirect": ({"status": 302, "body": ""}, "endpoint"),
    "empty": ({"status": 200, "body": '{"face_set_info": {}}'}, "face set"),
}


@pytest.mark.parametrize(("options", "place"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusals(bench: Bench, options: dict[str, Any], place: str) -> None:
    """A refusal stands at the line it is about, with its remedy; exit 3, one request."""
    bench.emulator.script([fault("respond", operation="ShowFaceSet", **options)])
    ended = bench.command("doctor", *bench.target)
    assert ended.code == 3
    [failed] = [line for line in ended.out.splitlines() if line.startswith("FAIL")]
    assert failed[6:20].strip() == place
    assert "do: " in ended.out
    assert bench.emulator.witness.requests == 1


def test_nobody_listens(bench: Bench) -> None:
    """No answer is told at once, without retries."""
    endpoint = ("--endpoint", "http://127.0.0.1:1")
    ended = bench.command("doctor", *bench.target, *endpoint)
    assert ended.code == 3
    assert "TRANSPORT.CONNECT" in ended.out


def test_what_a_fault_hides_is_unknown() -> None:
    """Behind the first fault nothing is claimed; clock and life are told anyway."""
    refused = Reply(401, b'{"error_code": "APIGW.0307"}', date="")
    found = states(reply=refused)
    assert found["endpoint"] is State.OK
    assert found["credentials"] is State.FAULT
    hidden = ("service", "project", "face set", "fields", "capacity")
    assert {found[name] for name in hidden} == {State.UNKNOWN}


def test_a_refused_sign_in_is_a_matter_of_credentials() -> None:
    """What IAM said stands there with its hint; nothing is known of the service."""
    refused = RunRefused("IAM says no", hint="ask it nicely")
    assert said("credentials", refused=refused, reply=None) == (
        "IAM says no | ask it nicely"
    )
    assert states(refused=refused, reply=None)["endpoint"] is State.UNKNOWN


def test_a_project_that_cannot_be_found_is_no_fault_of_credentials() -> None:
    """IAM was asked with them, so they hold; the service was not asked anything."""
    refused = UsageError("IAM knows none", hint="say --project-id ID")
    found = states(refused=refused, reply=None, face_set_name="staff")
    assert found["credentials"] is State.OK
    assert found["service"] is State.UNKNOWN
    assert found["project"] is State.FAULT


@pytest.mark.parametrize(
    ("minutes", "signs", "state", "words"),
    [
        (0, True, State.OK, "agrees"),
        (3, True, State.WARNING, "ahead of"),
        (-3, False, State.WARNING, "behind"),
        (20, False, State.WARNING, "ahead of"),
        (20, True, State.FAULT, "ahead of"),
        (-20, True, State.FAULT, "behind"),
    ],
)
def test_the_clock(minutes: int, signs: bool, state: State, words: str) -> None:
    """A clock that is off is told; it stops a run only where requests are signed."""
    now = NOW + timedelta(minutes=minutes)
    assert states(now=now, signs=signs)["clock"] is state
    assert words in said("clock", now=now, signs=signs)


def test_lives_of_credentials() -> None:
    """A known life is told; of a token from elsewhere nothing is claimed."""
    assert "24 h" in said("token life", life=86400.0)
    assert "does not expire" in said("token life", signs=True)
    assert states()["token life"] is State.UNKNOWN


@pytest.mark.parametrize("output", ["text", "json"])
def test_names_that_are_not_to_be_trusted(bench: Bench, output: str) -> None:
    """What stands in names moves no cursor, and a long list is cut."""
    names = ["\x1b[2J\u202e\x9b", "x" * 60_000, *(f"set{n}" for n in range(500))]
    listed = {"face_sets_info": [{"face_set_name": name} for name in names]}
    body = json.dumps(listed)
    bench.emulator.script(
        [fault("respond", operation="ShowAllFaceSets", status=200, body=body)]
    )
    ended = bench.command("doctor", *bench.target[:-2], "--output", output)
    assert ended.code == 0, ended
    assert all(c.isprintable() for c in ended.out.replace("\n", ""))
    assert "472 more" in ended.out
    assert len(ended.out) < 4000


def test_a_name_that_is_no_text(bench: Bench) -> None:
    """Bytes of the command line that are no text can still be told about, in JSON too."""
    ended = bench.command("doctor", "--endpoint", "\udcff", "--output", "json")
    assert ended.code == 2
    assert "udcff" in ended.json["error"]
