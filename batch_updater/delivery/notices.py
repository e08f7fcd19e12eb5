"""What happens to a run: said once, in its log, and in the journal if it must stay."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from batch_updater.frs.verdicts import Judgement
from batch_updater.models import Attempt, Outcome, Reply, Result, Task, Verdict

Say = Callable[[str], None]
Note = Callable[[str, Mapping[str, Any]], None]

_RUN = logging.getLogger("batch_updater.run")
_ATTEMPTS = logging.getLogger("batch_updater.attempts")
_ROWS = logging.getLogger("batch_updater.rows")
_GOOD = frozenset({Outcome.UPDATED, Outcome.UNCHANGED, Outcome.EXPORTED, Outcome.SAME})


class Notices:
    """
    Takes what happens to a run, and to its rows as far as anybody wants to know.

    Rooms that know of such a thing (pacing, circuit, renewal, signals) are given
    this one; where it is shown and kept is not theirs to know. Log records carry
    facts as attributes; README's section "Logs" has their names.

    Args:
        say: told what people must know, instead of the log.
        values: whether the log may repeat the service's own words, which quote
            values of rows.

    Attributes:
        run_id: of the run, once it has a directory.
    """

    def __init__(self, say: Say | None = None, *, values: bool = False) -> None:
        self.run_id = ""
        self._say = say or self._warn
        self._values = values
        self._note: Note | None = None

    def tell(self, said: str) -> None:
        """Say something that a person must know."""
        self._say(said)

    def mention(self, said: str) -> None:
        """Say something for whoever wants to know more."""
        _RUN.info("%s", said, extra=self._facts())

    def record(self, kind: str, said: str, **facts: Any) -> None:
        """
        Say that the run's state has changed, and note it where that is kept.

        Args:
            kind: what has changed, as the journal names it: `rate`, `circuit`.
            facts: values of the change, as JSON takes them.
        """
        self._say(said)
        if self._note:
            self._note(kind, {"said": said, **facts})

    def attempt(
        self,
        task: Task | None,
        number: int,
        attempt: Attempt,
        judgement: Judgement,
        reply: Reply,
    ) -> None:
        """
        Log one try of a call.

        Args:
            task: what it is for; None for the question about the face set.
            number: of the try, from 1.
        """
        fine = judgement.verdict is Verdict.SUCCESS
        level = logging.DEBUG if fine else logging.INFO
        if not _ATTEMPTS.isEnabledFor(level):
            return
        facts = self._facts(
            **_whom(task),
            attempt=number,
            code=judgement.code,
            http_status=attempt.status,
            request_id=reply.request_id or judgement.request_id,
            latency_ms=round(attempt.latency * 1000, 3),
            error_msg=judgement.message if self._values else "",
        )
        what = "" if task else "face set: "
        said = f"{what}{judgement.verdict.replace('_', ' ')}"
        _ATTEMPTS.log(level, "%s", said, extra=facts)

    def row(self, result: Result) -> None:
        """Log how a row ended, if not well."""
        if result.outcome in _GOOD or not _ROWS.isEnabledFor(logging.INFO):
            return
        facts = self._facts(
            source=result.source,
            row=result.row_number,
            face_id=result.face_id,
            code=result.error_code or result.rule,
            http_status=result.http_status,
            request_id=result.request_id,
            error_msg=result.error_msg if self._values else "",
        )
        attempts = len(result.attempts)
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        said = f"{result.outcome} after {tries}" if attempts else str(result.outcome)
        _ROWS.info("%s", said, extra=facts)

    @contextmanager
    def kept(self, note: Note) -> Iterator[None]:
        """Note changes with this (the journal's) while the block runs."""
        self._note = note
        try:
            yield
        finally:
            self._note = None

    def _warn(self, said: str) -> None:
        _RUN.warning("%s", said, extra=self._facts())

    def _facts(self, **facts: Any) -> dict[str, Any]:
        """Return what is known of these facts."""
        known = {"run_id": self.run_id, **facts}
        return {name: fact for name, fact in known.items() if fact not in (None, "")}


def _whom(task: Task | None) -> dict[str, Any]:
    if task is None:
        return {}
    face_id = task.update.face_id
    return {"source": task.source, "row": task.row_number, "face_id": face_id}
