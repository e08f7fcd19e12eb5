"""The doors under `/_emulator/`: JSON for tests and demos, no token, no quota."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from urllib.parse import unquote

from aiohttp import web

from batch_updater.emulator.answers import encode
from batch_updater.emulator.faults.fault import Script
from batch_updater.emulator.faults.script import parse_script
from batch_updater.emulator.gateway.gate import VERSIONS
from batch_updater.emulator.openapi.document import document
from batch_updater.emulator.service import Service
from batch_updater.emulator.state.face import as_bytes
from batch_updater.emulator.state.face_sets import State
from batch_updater.emulator.state.projects import V2
from batch_updater.emulator.wire import read_body
from batch_updater.emulator.witness import Witness

PREFIX = "/_emulator/"
MAX_BODY = 1 << 29  # a seed of a million faces
PAGE = 1000

Json = Mapping[str, object]


class DoorError(ValueError):
    """What was asked of a door is wrong."""


async def open_door(service: Service, request: web.BaseRequest) -> web.Response:
    """Answer a request under PREFIX."""
    name, _, rest = request.rel_url.raw_path.removeprefix(PREFIX).partition("/")
    look, act = LOOKS.get(name), ACTS.get(name)
    try:
        if request.method == "GET" and look:
            return _json(200, look(service, unquote(rest), request.query))
        if request.method == "POST" and act and not rest:
            return _json(200, act(service, await _body(request)))
    except LookupError as missing:
        return _json(404, {"error": str(missing.args[0])})
    except ValueError as problem:
        return _json(400, {"error": str(problem)})
    return _json(404, {"error": f"no such door; {_doors()}"})


def summary(service: Service) -> Json:
    """Return the whole account of the witness and the faults."""
    witness = service.witness
    operations = witness.by_operation
    return {
        "requests": witness.requests,
        "in_flight": witness.in_flight,
        "by_status": witness.by_status,
        "by_code": witness.by_code,
        "by_operation": operations,
        "applied": witness.applied,
        "worst_second": witness.worst_second(),
        "worst_second_by_operation": {
            name: witness.worst_second(name) for name in operations
        },
        "quota": asdict(service.entrance.quota.rules),
        "identity": witness.identity,
        "tokens_issued": service.identity.tokens.issued,
        "faults": faults(service.script),
    }


def faults(script: Script) -> list[Json]:
    """Return the account of each fault: how often it matched and how often it fired."""
    return [
        {
            "name": tally.fault.name,
            "times": tally.fault.times,
            "matched": tally.matched,
            "fired": tally.fired,
        }
        for tally in script.tallies
    ]


def updates(witness: Witness, since: int, limit: int) -> Json:
    """Return applied updates after sequence `since`; ask again from `next`."""
    found = [asdict(update) for update in witness.updates(since, limit)]
    for update in found:
        update["status"] = update["status"] or "none"
    last = found[-1]["sequence"] if found else since
    return {"updates": found, "next": last, "applied": witness.applied}


def _witness(service: Service, rest: str, query: Mapping[str, str]) -> Json:
    return summary(service)


def _updates(service: Service, rest: str, query: Mapping[str, str]) -> Json:
    since, limit = int(query.get("since", 0)), int(query.get("limit", PAGE))
    return updates(service.witness, since, limit)


def _arrivals(service: Service, rest: str, query: Mapping[str, str]) -> Json:
    times = service.witness.arrivals(query.get("operation"))
    return {"arrivals": list(times)}


def _faces(service: Service, rest: str, query: Mapping[str, str]) -> Json:
    face_set = _state(service, query).face_sets.get(rest)
    if face_set is None:
        raise LookupError(f"face set {rest!r} does not exist")
    faces = [face.as_json() for face in face_set.faces.values()]
    return {"face_set_info": face_set.as_json(), "faces": faces}


def _openapi(service: Service, rest: str, query: Mapping[str, str]) -> Json:
    return document(service.identity.rules.all_projects.values())


def _seed(service: Service, content: Json) -> Json:
    name, faces = content.get("face_set_name"), content.get("faces", [])
    fields = content.get("external_fields", {})
    if not isinstance(name, str) or not name:
        raise DoorError("face_set_name is required")
    if not isinstance(faces, list) or not isinstance(fields, dict):
        raise DoorError("faces must be a list, external_fields an object")
    state = _state(service, content)
    face_set = state.extend_face_set(name, fields)
    seeded = state.seed_faces(name, faces)
    return {"seeded": seeded, "face_set_info": face_set.as_json()}


def _script(service: Service, content: Json) -> Json:
    service.plan(parse_script(content))
    return {"faults": faults(service.script)}


def _reset(service: Service, content: Json) -> Json:
    service.reset()
    return {"requests": 0, "faults": faults(service.script)}


def _token(service: Service, content: Json) -> Json:
    token, expired = content.get("token"), content.get("expired", False)
    if not isinstance(expired, bool) or not isinstance(token, str | None):
        raise DoorError("expired must be true or false, token a string")
    tokens = service.identity.tokens
    if token:
        tokens.replace(token)
    tokens.withdraw(tokens.fixed, withdrawn=expired)
    return {"expired": expired}


def _state(service: Service, named: Mapping[str, object]) -> State:
    project_id = named.get("project_id", service.project_id)
    version = named.get("version", V2)
    if not isinstance(project_id, str) or version not in VERSIONS:
        raise DoorError(f"project_id must be a string, version one of {VERSIONS}")
    as_bytes(project_id, "project_id")
    return service.states.state_of(project_id, str(version))


def _revoke(service: Service, content: Json) -> Json:
    token, tokens = content.get("token"), service.identity.tokens
    if not isinstance(token, str | None):
        raise DoorError("token must be a string; without one all issued are meant")
    if token is None:
        return {"revoked": tokens.withdraw_issued()}
    if not tokens.withdraw(token):
        raise LookupError("the token is unknown")
    return {"revoked": 1}


async def _body(request: web.BaseRequest) -> Json:
    body = await read_body(request, MAX_BODY)
    if body is None:
        raise DoorError("the body is too large")
    try:
        content = json.loads(body or b"{}")
    except RecursionError:
        raise DoorError("the body is nested too deeply") from None
    if not isinstance(content, dict):
        raise DoorError("the body must be a JSON object")
    return content


def _doors() -> str:
    return f"GET {', '.join(LOOKS)}; POST {', '.join(ACTS)}"


def _json(status: int, content: Json) -> web.Response:
    body = encode(content)
    return web.Response(status=status, body=body, content_type="application/json")


LOOKS: Mapping[str, Callable[[Service, str, Mapping[str, str]], Json]] = {
    "witness": _witness,
    "updates": _updates,
    "arrivals": _arrivals,
    "faces": _faces,
    "openapi.json": _openapi,
}
ACTS: Mapping[str, Callable[[Service, Json], Json]] = {
    "seed": _seed,
    "script": _script,
    "reset": _reset,
    "token": _token,
    "revoke": _revoke,
}
