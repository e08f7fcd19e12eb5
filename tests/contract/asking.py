"""A call and its answer, the same whichever client carries them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

# Headers of answers that something here wants to know of (page 0005).
HEADERS = (
    *("Date", "X-Request-Id", "Retry-After"),
    *("X-ratelimit", "X-ratelimit-used", "X-ratelimit-window"),
)


@dataclass(frozen=True, slots=True)
class Ask:
    """
    One call.

    Args:
        operation: the SDK's name in snake case; with `_v1` at its end, under /v1.
        face_set: empty for the operations that name none.
    """

    operation: str
    face_set: str = ""
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What came back.

    Args:
        status: HTTP status, or None when no answer came.
        code: the service's error code, or empty; it is lost with the body of a 429
            that the SDK has seen.
        message: the text beside the code, or why no answer came.
        headers: those of HEADERS that were there.
    """

    status: int | None
    code: str = ""
    message: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return self.status == 200 and not self.code

    @property
    def said(self) -> str:
        """The answer in a few words, for evidence."""
        if self.status is None:
            return f"no answer ({self.message})"
        if "face_number" in self.content:
            return f"{self.status} with face_number {self.content['face_number']}"
        return f"{self.status} {self.code}".strip()

    @property
    def faces(self) -> list[Mapping[str, Any]]:
        """The faces in it; none when it has no list of them."""
        found = self.content.get("faces")
        return [each for each in found if isinstance(each, dict)] if found else []

    @property
    def face_set_info(self) -> Mapping[str, Any]:
        """The face set it tells of, or nothing."""
        return self.content.get("face_set_info") or {}


class Client(Protocol):
    """What carries calls; may be used by several threads at once."""

    @property
    def name(self) -> str:
        """Its name in reports."""

    def knows(self, operation: str) -> bool:
        """Return whether it has this operation."""

    def call(self, ask: Ask) -> Answer:
        """Send one request; whatever happens is an answer."""
