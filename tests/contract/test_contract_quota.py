"""The suite finds out how calls are counted, when it may ask for more at once."""

from collections.abc import Iterable
from typing import Any

import pytest

from batch_updater.emulator.settings import CallLimit
from contract import quota
from contract.cases import NOT_ASKED, Entry, Question, ask_question
from contract.examining import staged


def ask(
    client: str, questions: Iterable[Question], **settings: Any
) -> dict[str, Entry]:
    """Ask some questions at an emulator with the default quota."""
    settings = {"qps": 10, **settings}
    rate = "unlimited" if settings["qps"] is None else "8"
    with staged(client, "--rate", rate, "--burst", **settings) as stage:
        return {each.__name__: ask_question(each, stage) for each in questions}


def value(entry: Entry) -> str:
    """Return what was found."""
    assert entry.found, entry
    return entry.found.value


ALL = (
    quota.quota_scope,
    quota.refused_count,
    quota.throttle_code,
    quota.retry_after,
)


def test_assumed() -> None:
    """One quota for all that refused calls do not use up; Retry-After is seen."""
    found = ask("ours", ALL, retry_after=1)

    assert value(found["quota_scope"]) == "shared"
    assert value(found["refused_count"]) == "no"
    assert value(found["throttle_code"]) == "FRS.0033"
    assert value(found["retry_after"]) == "1 s"
    assert found["retry_after"].found
    assert found["retry_after"].found.switch == "--retry-after 1"


def test_through_the_sdk() -> None:
    """The SDK throws code and headers of a 429 away; the quota is found all the same."""
    found = ask("sdk", ALL, retry_after=1)

    assert value(found["quota_scope"]) == "shared"
    assert value(found["refused_count"]) == "no"
    assert value(found["throttle_code"]) == "a body that was lost"
    assert found["retry_after"].state == NOT_ASKED
    assert "CLIENT=ours" in found["retry_after"].evidence


def test_otherwise() -> None:
    """A quota for each operation, that refused calls use up, is told from that."""
    asked = (quota.quota_scope, quota.refused_count)
    found = ask("ours", asked, quota_per_operation=True, count_refused=True)

    assert value(found["quota_scope"]) == "per operation"
    assert value(found["refused_count"]) == "yes"


@pytest.mark.parametrize(
    ("client", "settings", "said"),
    [
        ("sdk", {"quota_per_operation": True}, "per operation"),
        ("ours", {"qps": 5}, "lower than documented"),
        ("ours", {"qps": None}, "higher, or none"),
    ],
)
def test_scope(client: str, settings: dict[str, Any], said: str) -> None:
    """A quota for each operation is told from a lower one, and from none."""
    assert value(ask(client, [quota.quota_scope], **settings)["quota_scope"]) == said


def test_the_gateway() -> None:
    """A gateway that throttles is told from FRS, and its headers are seen."""
    limit = CallLimit(14, 1)
    asked = (
        quota.quota_scope,
        quota.throttle_code,
        quota.retry_after,
        quota.ratelimit_headers,
    )
    found = ask("ours", asked, qps=None, gateway_quota=limit, ratelimit_headers=True)

    assert value(found["throttle_code"]) == "APIGW.0308"
    assert value(found["quota_scope"]) == "per operation"
    assert value(found["retry_after"]) == "no"
    assert value(found["ratelimit_headers"]) == "yes"


def test_not_without_leave() -> None:
    """Without --burst nothing is sent for these questions, and the flag is named."""
    with staged("ours", "--rate", "unlimited") as stage:
        sent = len(stage.service.pace.starts)
        entries = [ask_question(each, stage) for each in ALL]
        assert len(stage.service.pace.starts) == sent

    assert {entry.state for entry in entries} == {NOT_ASKED}
    assert all("BURST=1" in entry.evidence for entry in entries)
