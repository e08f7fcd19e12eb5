"""Who may enter: credentials, the gateway's quota, the project, FRS's quota."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from batch_updater.emulator.answers import Refusal
from batch_updater.emulator.gateway import gate
from batch_updater.emulator.gateway.gate import Route
from batch_updater.emulator.gateway.identity import Caller, Identity
from batch_updater.emulator.gateway.quota import Allowance, GatewayQuota, Quota
from batch_updater.emulator.gateway.signature import Arrived
from batch_updater.emulator.settings import EmulatorSettings
from batch_updater.emulator.wire import read_body

MAX_SIGNED_BODY = 12_000_000  # the gateway's own limit, APIGW.0201
TOKEN = "X-Auth-Token"  # noqa: S105 - a header's name


@dataclass(frozen=True, slots=True)
class Admission:
    """How a request was received: let in, or not, and what was learnt on the way.

    `body` is there when it had to be read, `headers` go with any answer.
    """

    refusal: Refusal | None = None
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = None


class Entrance:
    """
    The decision about one request, in the order of the real service.

    A token is looked up and no more; for a signature the body is read and hashed.
    """

    def __init__(
        self,
        identity: Identity,
        settings: EmulatorSettings,
        now: Callable[[], datetime],
    ) -> None:
        self.identity, self._now = identity, now
        self.quota = Quota(settings.quota_rules())
        self._gateway_quota = _gateway_quota(settings)
        self._tells = settings.ratelimit_headers

    def reset(self) -> None:
        """Forget the calls counted so far."""
        self.quota.reset()
        if self._gateway_quota is not None:
            self._gateway_quota.reset()

    async def admit(
        self, request: web.BaseRequest, route: Route, at: float
    ) -> Admission:
        """Decide about a request that arrived at `at` seconds since the start."""
        signed = _is_signed(request)
        body = await read_body(request, MAX_SIGNED_BODY) if signed else None
        try:
            gate.check_route(route)
            caller = self._caller(request, signed, body)
        except Refusal as refusal:
            return Admission(refusal)
        allowance = self._allowance(caller, route, at)
        project_id = request.headers.get("X-Project-Id") if signed else None
        try:
            gate.check_allowance(allowance)
            gate.check_project(caller, route.project_id, project_id)
            gate.check_quota(self.quota, route, at)
        except Refusal as refusal:
            return Admission(refusal, body, self._told(allowance))
        return Admission(None, body, self._told(allowance))

    def signer(self, request: web.BaseRequest, body: bytes | None) -> Caller:
        """Return who signed a request with this body; None: it is too large."""
        if body is None:
            raise Refusal("APIGW.0201", "The request body is too large.", 413)
        return gate.check_signature(self.identity, _arrived(request, body), self._now())

    def _caller(
        self, request: web.BaseRequest, signed: bool, body: bytes | None
    ) -> Caller:
        if signed:
            return self.signer(request, body)
        return gate.check_token(self.identity, request.headers.get(TOKEN), self._now)

    def _allowance(self, caller: Caller, route: Route, at: float) -> Allowance | None:
        if self._gateway_quota is None:
            return None
        return self._gateway_quota.admit(caller.name, route.operation, at)

    def _told(self, allowance: Allowance | None) -> Mapping[str, str] | None:
        return allowance.headers() if self._tells and allowance else None


def _is_signed(request: web.BaseRequest) -> bool:
    # A token goes first: it is looked up, and the body left alone.
    headers = request.headers
    return TOKEN not in headers and "Authorization" in headers


def _arrived(request: web.BaseRequest, body: bytes) -> Arrived:
    url, given = request.rel_url, request.headers
    headers = {name.lower(): ",".join(given.getall(name)) for name in given}
    return Arrived(request.method, url.raw_path, url.raw_query_string, headers, body)


def _gateway_quota(settings: EmulatorSettings) -> GatewayQuota | None:
    if settings.gateway_quota is None:
        return None
    return GatewayQuota(settings.gateway_quota, count_refused=settings.count_refused)
