"""The suite finds out how calls are counted, when it may ask for more at once."""

from collections.abc import Iterable
from typing import Any

import pytest

from batch_updater.emulator.settings import CallLimit
from contract import quota
from contract.cases import NOT_ASKED, Entry, Question, ask_question
from contract.examining import CLIENTS, staged

CALMLY = ("--rate", "10", "--burst")


def ask(
    client: str, questions: Iterable[Question], **settings: Any
) -> dict[str, Entry]:
    """Ask some questions at an emulator with the default quota."""
    with staged(client, *CALMLY, **{"qps": 10, **settings}) as stage:
        return {each.__name__: ask_question(each, stage) for each in questions}


def value(entry: Entry) -> str:
    """Return what was found."""
    assert entry.found, entry
    return entry.found.value


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "shared"),
        ({"quota_per_operation": True}, "per operation"),
        ({"qps": 5}, "lower than documented"),
        ({"qps": None}, "higher, or none"),
    ],
    ids=["shared", "per-operation", "lower", "none"],
)
def test_scope(client: str, settings: dict[str, Any], said: str) -> None:
    """One quota for all is told from one for each operation, from less, and from none."""
    assert value(ask(client, [quota.quota_scope], **settings)["quota_scope"]) == said


@pytest.mark.parametrize(("counts", "said"), [(False, "no"), (True, "yes")])
def test_refused_calls(counts: bool, said: str) -> None:
    """Whether refused calls use up the quota is found out."""
    found = ask("ours", [quota.refused_count], count_refused=counts)

    assert value(found["refused_count"]) == said


HEADERS = (quota.quota_scope, quota.throttle_code, quota.retry_after)


def test_our_client_sees_a_429() -> None:
    """Code and Retry-After of a 429 are told."""
    found = ask("ours", HEADERS, retry_after=3)

    assert value(found["throttle_code"]) == "FRS.0033"
    assert value(found["retry_after"]) == "3 s"
    assert found["retry_after"].found
    assert found["retry_after"].found.switch == "--retry-after 3"


def test_the_sdk_loses_a_429() -> None:
    """The SDK has thrown code and headers of a 429 away, and that is said."""
    found = ask("sdk", HEADERS, retry_after=3)

    assert value(found["throttle_code"]) == "a body that was lost"
    assert found["retry_after"].state == NOT_ASKED
    assert "CLIENT=ours" in found["retry_after"].evidence


def test_the_gateway() -> None:
    """A gateway that throttles is told from FRS, and its headers are seen."""
    limit = CallLimit(14, 1)
    asked = (*HEADERS, quota.ratelimit_headers)
    found = ask("ours", asked, qps=None, gateway_quota=limit, ratelimit_headers=True)

    assert value(found["throttle_code"]) == "APIGW.0308"
    assert value(found["quota_scope"]) == "per operation"
    assert value(found["retry_after"]) == "no"
    assert value(found["ratelimit_headers"]) == "yes"


def test_not_without_leave() -> None:
    """Without --burst nothing is sent for these questions, and the flag is named."""
    with staged("ours", "--rate", "unlimited") as stage:
        sent = len(stage.service.pace.starts)
        asked = (*HEADERS, quota.refused_count)
        entries = [ask_question(each, stage) for each in asked]
        assert len(stage.service.pace.starts) == sent

    assert {entry.state for entry in entries} == {NOT_ASKED}
    assert all("BURST=1" in entry.evidence for entry in entries)
