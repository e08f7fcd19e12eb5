"""`explain`: every code, one code, a code that nobody documented, and no code."""

import pytest
from bench import Bench

from batch_updater.cli.explain import _DOES, spell
from batch_updater.errors import UsageError
from batch_updater.frs.codes import GROUPS, full_code
from batch_updater.models import Verdict


def test_all_codes(bench: Bench) -> None:
    """Without a code every entry is listed, in groups, with status and verdict."""
    ended = bench.command("explain")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert len(lines) == sum(1 + len(group.entries) for group in GROUPS)
    for group in GROUPS:
        assert f"{group.title} ({group.source})" in lines
    [line] = [line for line in lines if line.startswith("  FRS.0033 ")]
    assert line.split(maxsplit=3)[:3] == ["FRS.0033", "429", "throttled"]


def test_all_codes_as_json(bench: Bench) -> None:
    """The same as one object on one line."""
    ended = bench.command("explain", "--json")
    assert ended.out.count("\n") == 1
    codes = [entry["code"] for entry in ended.json["codes"]]
    assert codes == [full_code(e) for group in GROUPS for e in group.entries]


def test_one_code(bench: Bench) -> None:
    """Meaning, verdict in words, remedy, status and source of the code asked for."""
    ended = bench.command("explain", "frs.0402")
    assert (ended.code, ended.err) == (0, "")
    for said in (
        "FRS.0402  FRS\n",
        "does not declare this custom field",
        "fail row: fails the row and goes on",
        "send declared fields only",
        "status      400",
        "FRS API page 0045",
    ):
        assert said in ended.out


def test_one_code_as_json(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """--json, --output json and the environment say the same."""
    first = bench.command("explain", "FRS.0403", "--json")
    assert first.json["code"] == "FRS.0403"
    assert first.json["known"] is True
    [entry] = first.json["entries"]
    assert entry["verdict"] == "settle"
    assert entry["http_statuses"] == [400]
    assert bench.command("explain", "FRS.0403", "--output", "json") == first
    monkeypatch.setenv("BATCH_UPDATER_OUTPUT", "json")
    assert bench.command("explain", "FRS.0403") == first


@pytest.mark.parametrize("prefix", ["APIG", "APIGW"])
def test_a_code_with_details(bench: Bench, prefix: str) -> None:
    """Either prefix is understood, and each text behind 0301 has its own advice."""
    ended = bench.command("explain", f"{prefix}.0301")
    assert ended.out.startswith(f"{prefix}.0301  API gateway, also written ")
    assert "with the text 'ak access failed to reach the limit'" in ended.out
    assert "wait five minutes" in ended.out
    assert "with the text 'token expires'" in ended.out


def test_a_code_with_two_statuses(bench: Bench) -> None:
    """A bad request and a failed backend are told apart."""
    ended = bench.command("explain", "APIG.0201")
    assert "with 400, 413, 414, 494" in ended.out
    assert "with 502, 504, 500" in ended.out


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("FRS.0333", "with HTTP 400, 403, 404: fail row"),
        ("APIGW.0999", "with HTTP 403, 404: stop run"),
        ("IAM.0999", "with HTTP 400, 401, 403, 404: stop run"),
        ("QUITE.ELSE", "with HTTP 500, 503: retry"),
    ],
)
def test_an_unknown_code(bench: Bench, code: str, said: str) -> None:
    """It is said to be unknown, and what its status would make of it: exit 0."""
    ended = bench.command("explain", code)
    assert (ended.code, ended.err) == (0, "")
    assert f"{code} is not known" in ended.out
    assert said in ended.out


def test_an_unknown_code_has_neighbours(bench: Bench) -> None:
    """What is spelled nearly so is offered, in text and in JSON."""
    assert "close to    FRS.0303" in bench.command("explain", "FRS.0333").out
    content = bench.command("explain", "FRS.0333", "--json").json
    assert content["known"] is False
    assert "FRS.0303" in content["close"]
    assert content["verdict_by_status"]["429"] == "throttled"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("0403", "FRS.0403"),
        ("apigw.0308", "APIGW.0308"),
        ("http.4XX", "HTTP.4xx"),
        ("transport.tls", "TRANSPORT.TLS"),
    ],
)
def test_spelling(typed: str, code: str) -> None:
    """Case does not matter, and a number does where only one sender has it."""
    assert spell(typed) == code


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0301", "FRS.0301 or APIGW.0301"),
        ("9999", "is no code that is known"),
        ("", "is no error code"),
        ("what is this", "is no error code"),
        ("FRS.", "is no error code"),
        ("FRS.0303\n", "is no error code"),
        ("\udce4.0303", "is no error code"),
    ],
)
def test_what_is_no_code(bench: Bench, typed: str, said: str) -> None:
    """A text that can be no code, or several, is a usage error with a hint."""
    with pytest.raises(UsageError) as caught:
        spell(typed)
    assert said in caught.value.message
    assert caught.value.hint
    assert bench.command("explain", typed).code == 2


def test_every_verdict_is_put_into_words() -> None:
    """What this tool does is said for every verdict that an error can have."""
    assert set(_DOES) == set(Verdict) - {Verdict.SUCCESS}
