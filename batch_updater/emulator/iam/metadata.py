"""The metadata service of a cloud server: temporary keys; pure (frs-api.md 5.4)."""

from collections.abc import Callable
from datetime import datetime, timedelta

from batch_updater.emulator.answers import Answer, encode
from batch_updater.emulator.gateway.identity import Identity
from batch_updater.emulator.iam.tokens import TIME_FORM

MAX_TTL = 21_600
NO_AGENCY = "Please configure Cloud Service Agency first"


class Metadata:
    """The short-lived tokens that guard the keys, and the switch of their mode."""

    def __init__(self, identity: Identity, chance: Callable[[int], str]) -> None:
        self._identity, self._chance = identity, chance
        self._mode = identity.rules.metadata
        self._tokens: dict[str, datetime] = {}

    def create_token(self, ttl: str | None, now: datetime) -> Answer:
        """Answer PUT /meta-data/latest/api/token: the token as text.

        `ttl` is the header X-Metadata-Token-Ttl-Seconds, 1 to 21600.
        """
        if self._mode in ("404", "405"):
            return _text(int(self._mode), "There are no metadata tokens here.")
        if ttl is None or not (ttl.isascii() and ttl.isdigit() and len(ttl) <= 5):
            return _text(400, "X-Metadata-Token-Ttl-Seconds must be a number.")
        if not 1 <= int(ttl) <= MAX_TTL:
            return _text(400, f"X-Metadata-Token-Ttl-Seconds: 1 to {MAX_TTL}.")
        token = self._chance(32)
        self._tokens[token] = now + timedelta(seconds=int(ttl))
        return _text(200, token)

    def security_key(self, token: str | None, now: datetime) -> Answer:
        """Answer GET /openstack/latest/securitykey: a new temporary access key."""
        if self._mode == "no-agency":
            return _text(401, f"{NO_AGENCY}.")
        if self._mode == "token" and not self._good(token, now):
            return _text(401, "X-Metadata-Token is missing, unknown or too old.")
        life = timedelta(seconds=self._identity.rules.metadata_key_life)
        key = self._identity.keys.issue(now + life)
        credential = {
            "access": key.access,
            "secret": key.secret,
            "securitytoken": key.security_token,
            "expires_at": f"{now + life:{TIME_FORM}}",
        }
        return Answer(200, encode({"credential": credential}))

    def _good(self, token: str | None, now: datetime) -> bool:
        end = self._tokens.get(token or "")
        return end is not None and now < end


def _text(status: int, text: str) -> Answer:
    code = "" if status < 400 else str(status)
    return Answer(status, text.encode("ascii"), code, "text/plain; charset=utf-8")
