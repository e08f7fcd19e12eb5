"""Secrets taken out of what others say; pure but for the secrets it is told."""

import json
import re
from collections.abc import Iterator
from html import escape
from urllib.parse import quote, quote_plus

_SHORTEST = 6
_HEAD = 16  # bytes by which a secret is known that was cut off
_LONG = 2 * _HEAD
_MOST = 32  # secrets; a run that renews has a new one each time
_REST = rb"(?:\\/|[^\s\"'<>,;\\])*"
_MASK = b"***"


class Redaction:
    """The secrets in use, in every spelling in which an answer may repeat them."""

    def __init__(self) -> None:
        self._spellings: dict[str, set[bytes]] = {}
        self._heads: tuple[bytes, ...] = ()
        self._pattern = re.compile(b"(?!)")

    def hide(self, secret: str) -> None:
        """
        Take a secret out from now on: gateways quote what they were sent.

        Too short a text is no secret, and would spoil every message. A long one is
        known by its start too, because quotations are cut off. Those that nobody
        has named for a long time are forgotten.
        """
        if len(secret) < _SHORTEST:
            return
        known = self._spellings.pop(secret, None)
        forms = known or {form.encode() for form in _spellings(secret)}
        self._spellings[secret] = forms
        if known is None:
            self._forget()
            self._learn()

    def _forget(self) -> None:
        # A token that was replaced so long ago is in no answer that comes now.
        while len(self._spellings) > _MOST:
            del self._spellings[next(iter(self._spellings))]

    def _learn(self) -> None:
        forms = set().union(*self._spellings.values())
        longest_first = sorted(forms, key=len, reverse=True)
        self._heads = tuple({each[:_HEAD] for each in longest_first})
        whole = map(re.escape, longest_first)
        cut_off = {
            re.escape(form[:_HEAD]) + _REST
            for form in longest_first
            if len(form) >= _LONG
        }
        self._pattern = re.compile(b"|".join([*whole, *cut_off]))

    def touches(self, content: bytes) -> bool:
        """Return whether content may hold a secret; nearly always it does not."""
        # A loop: with one or two secrets it is quicker than any().
        for head in self._heads:  # noqa: SIM110
            if head in content:
                return True
        return False

    def clean(self, content: bytes) -> bytes:
        """Return content without secrets."""
        return self._pattern.sub(_MASK, content) if self.touches(content) else content

    def clean_text(self, text: str) -> str:
        """Return text without secrets; halves of characters stay as they are."""
        content = text.encode("utf-8", "surrogatepass")
        return self.clean(content).decode("utf-8", "surrogatepass")


def _spellings(secret: str) -> Iterator[str]:
    """Yield a secret as it stands, in JSON, in a URL and in HTML."""
    yield secret
    for ascii_only in (True, False):
        quoted = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield quoted
        yield quoted.replace("/", r"\/")
        yield re.sub("[<>&]", lambda sign: f"\\u{ord(sign[0]):04x}", quoted)
    for encode in (quote, quote_plus):
        in_url = encode(secret, safe="")
        yield in_url
        yield re.sub("%..", lambda sign: sign[0].lower(), in_url)
    yield escape(secret)
