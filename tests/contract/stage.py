"""What cases play on: a face set of their own with a few faces, and nothing else."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contract.asking import Answer, Ask
from contract.plain import PlainClient
from contract.service import Service

FACES = 6
# Every type of page 0012; timestamp and id are those of the seed example.
FIELDS = {
    "timestamp": "long",
    "id": "string",
    "note": "string",
    "count": "integer",
    "ratio": "float",
    "weight": "double",
    "flag": "boolean",
    "marker": "long",
}
UNKNOWN_FACE = "zZ9zZ9zZ"  # eight letters and digits, as FRS makes them


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds until something was seen, or None when it never was."""

    seconds: float | None
    tries: int


@dataclass(slots=True)
class Stage:
    """
    The face set of one run of the suite.

    Args:
        plain: what sends a bare requests.put, or None without a token.
        patience: seconds to wait for what was just written.
        burst: whether more may be sent at once than the quota allows.
        step: seconds between two looks.
    """

    service: Service
    name: str
    image: str = field(repr=False)
    plain: PlainClient | None = None
    patience: float = 10.0
    burst: bool = False
    step: float = 0.2
    url: str = field(init=False, default="")
    begun: bool = field(init=False, default=False)
    created: Answer = field(init=False)
    added: list[Answer] = field(init=False, default_factory=list)
    faces: list[str] = field(init=False, default_factory=list)
    lag: Lag = field(init=False, default=Lag(None, 0))
    update_lag: Lag = field(init=False, default=Lag(None, 0))
    _markers: "itertools.count[int]" = field(
        init=False, default_factory=lambda: itertools.count(1)
    )

    def ask(self, operation: str, **members: Any) -> Answer:
        """Call an operation on this face set; keywords are its query."""
        return self.service.ask(Ask(operation, self.name, query=members))

    def tell(self, operation: str, body: Mapping[str, Any]) -> Answer:
        """Call an operation on this face set with a body."""
        return self.service.ask(Ask(operation, self.name, body=body))

    def update(self, face_id: str, **members: Any) -> Answer:
        """Send one UpdateFace."""
        return self.tell("update_face", {"face_id": face_id, **members})

    def write(self, face_id: str, fields: Mapping[str, Any]) -> tuple[Answer, int]:
        """Update custom fields; the marker sent along tells when readers see it."""
        marker = next(self._markers)
        sent = {**fields, "marker": marker}
        return self.update(face_id, external_fields=sent), marker

    def read(self, face_id: str) -> Mapping[str, Any] | None:
        """Return a face, or None when it is not shown."""
        faces = self.ask("show_faces_by_face_id", face_id=face_id).faces
        return faces[0] if faces else None

    def read_written(self, face_id: str, marker: int) -> Mapping[str, Any] | None:
        """Return a face once it has this marker; None when it never has."""
        found: list[Mapping[str, Any] | None] = []

        def there() -> bool:
            found.append(self.read(face_id))
            return fields_of(found[-1]).get("marker") == marker

        self.update_lag = later(self.update_lag, self.until(there))
        return found[-1] if fields_of(found[-1]).get("marker") == marker else None

    def until(self, there: Callable[[], bool]) -> Lag:
        """Look again and again; return how long it took."""
        pace = self.service.pace
        started = pace.clock()
        for tries in itertools.count(1):
            asked = pace.clock()
            if there():
                return Lag(asked - started if tries > 1 else 0.0, tries)
            if pace.clock() - started > self.patience:
                break
            pace.sleep(self.step)
        return Lag(None, tries)


def fields_of(face: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the custom fields of a face, or nothing."""
    return (face or {}).get("external_fields") or {}


def later(one: Lag, other: Lag) -> Lag:
    """Return the longer of two, of which one may not have been measured yet."""
    if one.tries == 0 or other.tries == 0:
        return other if one.tries == 0 else one
    if one.seconds is None or other.seconds is None:
        return one if one.seconds is None else other
    return max(one, other, key=lambda lag: lag.seconds or 0.0)
