"""Who may enter: projects, tokens, access keys, one user's password; pure."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batch_updater.emulator.settings import IdentityRules

TOKEN_BYTES = 1536  # a real token is several KB long (frs-api.md 5.1)
# More than five failures in a row lock an access key for five minutes
# (frs-api.md section 0). For passwords no figure is given; ours.
KEY_FAILURES, KEY_LOCK = 6, timedelta(minutes=5)
PASSWORD_FAILURES, PASSWORD_LOCK = 5, timedelta(minutes=15)

Chance = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from, and the ids of the projects it may act on."""

    name: str
    projects: frozenset[str]


@dataclass(slots=True)
class Grant:
    """What a token allows, and until when; None is for ever."""

    caller: Caller
    expires_at: datetime | None = None
    withdrawn: bool = False

    def ended(self, now: datetime) -> bool:
        """Say whether the token has expired or was withdrawn."""
        expired = self.expires_at is not None and self.expires_at <= now
        return self.withdrawn or expired


class Tokens:
    """Every token there ever was: the fixed one, and those that IAM issued."""

    def __init__(self, fixed: str, caller: Caller, chance: Chance) -> None:
        self.fixed = fixed
        self.issued = 0
        self._grants = {fixed: Grant(caller)}
        self._chance = chance

    def find(self, token: str) -> Grant | None:
        """Return what a token allows, also one that has ended; None: not ours."""
        return self._grants.get(token)

    def issue(self, caller: Caller, expires_at: datetime) -> str:
        """Return a new token; those before stay good (frs-api.md 5.1)."""
        token = f"MII{self._chance(TOKEN_BYTES)}"
        self._grants[token] = Grant(caller, expires_at)
        self.issued += 1
        return token

    def replace(self, token: str) -> None:
        """Let another fixed token in; the one before has expired."""
        old = self._grants[self.fixed]
        old.withdrawn = True
        self._grants[token] = Grant(old.caller)
        self.fixed = token

    def withdraw(self, token: str, *, withdrawn: bool = True) -> bool:
        """End a token early, or let it in again; say whether it is known."""
        grant = self._grants.get(token)
        if grant is not None:
            grant.withdrawn = withdrawn
        return grant is not None

    def withdraw_issued(self) -> int:
        """End every token that IAM issued; return how many were good until now."""
        good = [
            grant
            for token, grant in self._grants.items()
            if token != self.fixed and not grant.withdrawn
        ]
        for grant in good:
            grant.withdrawn = True
        return len(good)


class Lockout:
    """Names that failed `failures` times in a row stay locked for a while."""

    def __init__(self, failures: int, lock: timedelta) -> None:
        self._limit, self._lock = failures, lock
        self._failed: dict[str, int] = {}
        self._until: dict[str, datetime] = {}

    def locked(self, name: str, now: datetime) -> bool:
        """Say whether a name is locked; a lock that is over begins a new count."""
        until = self._until.get(name)
        if until is None:
            return False
        if now < until:
            return True
        self.clear(name)
        return False

    def fail(self, name: str, now: datetime) -> None:
        """Count a failure, the last one of a row locks."""
        self._failed[name] = self._failed.get(name, 0) + 1
        if self._failed[name] >= self._limit:
            self._until[name] = now + self._lock

    def clear(self, name: str) -> None:
        """Forget the failures: a success, or the end of a lock."""
        self._failed.pop(name, None)
        self._until.pop(name, None)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key pair; a temporary one has a security token and an end."""

    access: str
    secret: str = field(repr=False)
    caller: Caller
    security_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


class KeyRing:
    """The access keys by their id, and the locks on them."""

    def __init__(self, fixed: AccessKey, chance: Chance) -> None:
        self.lockout = Lockout(KEY_FAILURES, KEY_LOCK)
        self._keys = {fixed.access: fixed}
        self._caller = fixed.caller
        self._chance = chance

    def find(self, access: str) -> AccessKey | None:
        """Return a key, also one that has expired; None: not ours."""
        return self._keys.get(access)

    def issue(self, expires_at: datetime) -> AccessKey:
        """Return a new temporary key; those before stay good until their end."""
        access, secret = f"HST{self._chance(12)}", self._chance(30)
        security_token = self._chance(TOKEN_BYTES)
        key = AccessKey(access, secret, self._caller, security_token, expires_at)
        self._keys[access] = key
        return key


class Identity:
    """Everything about who is who in one emulator."""

    def __init__(
        self, rules: IdentityRules, chance: Chance = secrets.token_urlsafe
    ) -> None:
        self.rules = rules
        self.tokens = Tokens(rules.token, self.member(rules.project_id), chance)
        account = Caller(rules.iam_user, frozenset(rules.all_projects.values()))
        self.keys = KeyRing(AccessKey(rules.ak, rules.sk, account), chance)
        self.logins = Lockout(PASSWORD_FAILURES, PASSWORD_LOCK)

    def member(self, project_id: str) -> Caller:
        """Return the user as a token of this one project presents it."""
        return Caller(self.rules.iam_user, frozenset((project_id,)))

    def project_id(self, name: str) -> str | None:
        """Return the id of a project, or None when there is none of that name."""
        return self.rules.all_projects.get(name)

    def project_name(self, project_id: str) -> str | None:
        """Return the name of a project, or None when there is none with that id."""
        names = (
            name for name, one in self.rules.all_projects.items() if one == project_id
        )
        return next(names, None)

    def knows(self, domain: str, user: str, password: str) -> bool:
        """Say whether these are the account, the user and the password."""
        rules = self.rules
        right = (rules.iam_domain, rules.iam_user, rules.iam_password)
        given = (domain, user, password)
        return all(map(same, given, right))


def same(given: str, right: str) -> bool:
    """Compare two texts in a time that does not tell where they differ."""
    encoded = (text.encode("utf-8", "surrogatepass") for text in (given, right))
    return hmac.compare_digest(*encoded)


def made_id(name: str) -> str:
    """Return an id of 32 hexadecimal digits that always belongs to this name."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
