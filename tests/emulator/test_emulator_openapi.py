"""The document and the answers agree, for calls that a machine makes up."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from bench import FACE_SET, start_emulator
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    positive_data_acceptance,
    unsupported_method,
)

from batch_updater.emulator import Emulator, EmulatorSettings
from batch_updater.emulator.answers import CODES
from batch_updater.emulator.gateway.gate import OPERATIONS, UNKNOWN, VERSIONS, route
from batch_updater.emulator.iam.service import OPERATIONS as IDENTITY_OPERATIONS
from batch_updater.emulator.openapi.calls import FRS_CALLS, IDENTITY_CALLS
from batch_updater.emulator.openapi.document import document
from batch_updater.emulator.openapi.schemas import SCHEMAS

load_all_checks()

DOCUMENT = document([EmulatorSettings().project_id])
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
# FRS answers 400 for what does not exist, and the gateway 404 for a wrong method.
NOT_OF_FRS = [positive_data_acceptance, unsupported_method]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """An emulator with a few faces."""
    with start_emulator() as running:
        running.state.seed_faces(FACE_SET, [{"face_id": f"f{n}"} for n in range(9)])
        yield running


@SCHEMA.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_answers_conform(case: schemathesis.Case[Any], emulator: Emulator) -> None:
    """No made-up call gets a 5xx, an undescribed status, type, header or body."""
    if case.method != "DELETE" and "face_set_name" in case.path_parameters:
        case.path_parameters["face_set_name"] = FACE_SET
    case.call_and_validate(
        base_url=emulator.url,
        headers={"X-Auth-Token": emulator.token},
        excluded_checks=NOT_OF_FRS,
    )


def test_every_route_is_described() -> None:
    """The document names every route of the gate and of IAM, and no other."""
    described = set()
    for call in FRS_CALLS:
        for version in VERSIONS:
            path = f"/{version}/p{call.path.replace('{face_set_name}', 'x')}"
            assert route(call.method.upper(), path, {}).operation != UNKNOWN
        described.add(
            (call.method.upper(), call.path[1:].replace("{face_set_name}", "*"))
        )
    assert described == set(OPERATIONS)
    places = {(call.method.upper(), call.path): call.name for call in IDENTITY_CALLS}
    assert places == dict(IDENTITY_OPERATIONS)


def test_references_lead_somewhere() -> None:
    """Each schema that a call or a schema names exists, and each one is named."""
    named = set(re.findall(r"'#/components/schemas/(\w+)'", repr(DOCUMENT)))
    assert named == set(SCHEMAS)


def test_codes_are_known() -> None:
    """A call lists codes of the answer table, or bare statuses."""
    for call in (*FRS_CALLS, *IDENTITY_CALLS):
        for code in call.codes:
            assert code in CODES or re.fullmatch(r"4\d\d", code), code
