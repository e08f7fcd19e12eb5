"""The catalogue: complete, without doubles, and found as the service writes it."""

from itertools import groupby

import pytest

from batch_updater.frs.codes import (
    GROUPS,
    close_codes,
    codes_ending,
    find_code,
    find_entries,
    full_code,
    group_of,
)
from batch_updater.models import Verdict

ENTRIES = [entry for group in GROUPS for entry in group.entries]


def test_every_entry_is_whole() -> None:
    """Meaning and remedy are there, and a status is one of HTTP's refusals or 200."""
    for entry in ENTRIES:
        assert entry.meaning, entry
        assert entry.remedy, entry
        assert not (entry.meaning + entry.remedy).endswith("."), entry
        assert all(s == 200 or 400 <= s < 600 for s in entry.statuses), entry
        assert entry.phrase == entry.phrase.lower(), entry


def test_advice_holds_before_there_is_a_run() -> None:
    """What stops a run is also told by doctor and before a run, where none can resume."""
    stops = {Verdict.STOP_RUN, Verdict.RENEW_CREDENTIALS, Verdict.THROTTLED}
    for entry in ENTRIES:
        if entry.verdict in stops and entry.code != "TRANSPORT.CUT_OFF":
            assert "resume" not in entry.remedy, entry


def test_every_group_says_where_it_is_documented() -> None:
    """No entry is without a source, and no prefix belongs to two groups."""
    assert all(group.source and group.title for group in GROUPS)
    prefixes = [prefix for group in GROUPS for prefix in group.prefixes]
    assert len(prefixes) == len(set(prefixes))
    for group in GROUPS:
        assert {group_of(full_code(entry)) for entry in group.entries} == {group}


def test_entries_of_one_code_stand_together_and_differ() -> None:
    """Each is told from the others by its phrase, or by the hundred of its status."""
    runs = [(code, list(same)) for code, same in groupby(ENTRIES, key=full_code)]
    assert len({code for code, _ in runs}) == len(runs)
    for code, same in runs:
        ways = [
            (e.phrase, not e.phrase and min(e.statuses, default=0) // 100) for e in same
        ]
        assert len(ways) == len(set(ways)), code
        assert not same[0].phrase, f"{code} means nothing without its phrase"
        assert len(same) == 1 or all(entry.statuses for entry in same), code


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("FRS.0303", "FRS.0303"),
        ("APIG.0308", "APIGW.0308"),
        ("APIGW.0308", "APIGW.0308"),
        ("0308", None),
        ("FRS.0308", None),
        ("FRS.0851", None),
        ("APIGW.", None),
        ("", None),
        ("TRANSPORT.TLS", "TRANSPORT.TLS"),
        ("HTTP.404", "HTTP.404"),
        ("HTTP.502", "HTTP.5xx"),
        ("HTTP.418", "HTTP.4xx"),
        ("HTTP.204", "HTTP.2xx"),
        ("HTTP.", None),
        ("HTTP.100", None),
    ],
)
def test_finding_codes(code: str, found: str | None) -> None:
    """A code is found as the service writes it, gateway codes by either prefix."""
    entry = find_code(code)
    assert (full_code(entry) if entry else None) == found


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        (None, 400),
        (400, 400),
        (413, 400),
        (403, 400),
        (500, 502),
        (503, 502),
        (200, 400),
    ],
)
def test_a_code_with_two_meanings_goes_by_its_status(
    status: int | None, meant: int
) -> None:
    """0201 with 4xx is a bad request, with 5xx a backend that failed."""
    entry = find_code("APIG.0201", "Bad request", status)
    assert entry is not None
    assert entry.statuses[0] == meant


def test_the_narrower_phrase_wins() -> None:
    """A locked key is told from a false one, though both texts begin alike."""
    locked = find_code(
        "APIGW.0301", "...: AK access failed to reach the limit,forbidden"
    )
    false = find_code("APIGW.0301", "...: AK access failed")
    assert locked is not None
    assert false is not None
    assert "locked" in locked.meaning
    assert "locked" not in false.meaning


def test_what_is_only_known_by_number() -> None:
    """A bare number may belong to several senders; a misspelt code has neighbours."""
    assert codes_ending("0301") == ["FRS.0301", "APIGW.0301"]
    assert codes_ending("0033") == ["FRS.0033"]
    assert codes_ending("9999") == []
    assert "FRS.0303" in close_codes("FRS.0333")
    assert close_codes("QUITE.ELSE") == []


def test_details_of_refused_credentials_are_entries() -> None:
    """0301 has one entry for whatever it says, and one for each known detail."""
    assert find_entries("APIG.0301") == find_entries("APIGW.0301")
    assert len(find_entries("APIGW.0301")) == 10
