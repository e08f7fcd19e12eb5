"""One IAM or metadata request from its arrival to its answer; no FRS call."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from aiohttp import web

from batch_updater.emulator.answers import Answer, Refusal, refused
from batch_updater.emulator.faults.actions import Visit, play
from batch_updater.emulator.faults.fault import Fault
from batch_updater.emulator.gateway.entrance import Entrance
from batch_updater.emulator.gateway.gate import UNKNOWN
from batch_updater.emulator.gateway.identity import Caller
from batch_updater.emulator.gateway.quota import Window
from batch_updater.emulator.iam import tokens
from batch_updater.emulator.iam.metadata import Metadata
from batch_updater.emulator.wire import read_body, response

PREFIXES = ("/v3/auth/", "/v3/projects", "/meta-data/", "/openstack/")
OPERATIONS: Mapping[tuple[str, str], str] = {
    ("POST", "/v3/auth/tokens"): "CreateToken",
    ("GET", "/v3/projects"): "ListProjects",
    ("PUT", "/meta-data/latest/api/token"): "CreateMetadataToken",
    ("GET", "/openstack/latest/securitykey"): "ShowSecurityKey",
}
OF_IAM = ("CreateToken", "ListProjects")
MAX_BODY = 1 << 16
TRACE_ID = "X-IAM-Trace-Id"
TTL = "X-Metadata-Token-Ttl-Seconds"

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Errand:
    """One IAM or metadata request, its body read; `at` in seconds since the start."""

    request: web.BaseRequest
    operation: str
    request_id: str
    at: float
    body: bytes | None = field(default=None, repr=False)


class IdentityService:
    """IAM and the metadata service, beside FRS on the same port."""

    def __init__(
        self, entrance: Entrance, now: Now, iam_qps: int | None, closing: asyncio.Event
    ) -> None:
        self._entrance, self._identity = entrance, entrance.identity
        self._metadata = Metadata(entrance.identity, secrets.token_urlsafe)
        self._now, self._closing, self._iam_qps = now, closing, iam_qps
        self._window = Window(iam_qps or 0)

    def reset(self) -> None:
        """Forget the calls counted so far."""
        self._window = Window(self._iam_qps or 0)

    async def serve(self, errand: Errand, fault: Fault | None) -> web.StreamResponse:
        """Answer a request, or play the fault that wants it."""
        request, request_id = errand.request, errand.request_id
        errand = replace(errand, body=await read_body(request, MAX_BODY))
        played: web.StreamResponse
        if fault is None:
            played = response(self._answer(errand), request_id)
        else:
            commit = partial(self._answer, errand)
            visit = Visit(
                request, request_id, lambda _: commit(), commit, self._closing
            )
            played, _ = await play(fault, visit)
        if errand.operation in OF_IAM and not played.prepared:
            played.headers[TRACE_ID] = request_id
        return played

    def _answer(self, errand: Errand) -> Answer:
        try:
            self._check_pace(errand)
            return self._perform(errand)
        except Refusal as refusal:
            return refused(refusal, errand.request_id)

    def _check_pace(self, errand: Errand) -> None:
        limited = self._iam_qps is not None and errand.operation in OF_IAM
        if limited and not self._window.admit(errand.at):
            raise Refusal(
                "IAM.0012", f"Threshold: {self._iam_qps} times per 1 seconds."
            )

    def _perform(self, errand: Errand) -> Answer:
        headers, now = errand.request.headers, self._now()
        match errand.operation:
            case "CreateToken":
                return tokens.create_token(self._identity, _whole(errand), now)
            case "ListProjects":
                name = errand.request.query.get("name")
                return tokens.list_projects(self._identity, self._caller(errand), name)
            case "CreateMetadataToken":
                return self._metadata.create_token(headers.get(TTL), now)
            case "ShowSecurityKey":
                return self._metadata.security_key(headers.get("X-Metadata-Token"), now)
            case _:
                raise Refusal("IAM.0004")

    def _caller(self, errand: Errand) -> Caller:
        headers = errand.request.headers
        if "Authorization" in headers and "X-Auth-Token" not in headers:
            return self._entrance.signer(errand.request, errand.body)
        return tokens.check_token(
            self._identity, headers.get("X-Auth-Token"), self._now()
        )


def operation_of(request: web.BaseRequest) -> str:
    """Return the name of what is asked for; UNKNOWN when it is nothing."""
    return OPERATIONS.get((request.method, request.rel_url.raw_path), UNKNOWN)


def _whole(errand: Errand) -> bytes:
    # A body that is too long is as wrong as none.
    return errand.body or b""
