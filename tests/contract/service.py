"""Asking the service: paced, patient with what passes by, and refused only once."""

from collections.abc import Iterable
from dataclasses import replace

from batch_updater.frs.codes import find_code
from contract.asking import Answer, Ask, Client
from contract.pace import Pace

_TRIES = 3
_SHORTEST = 6
# Codes that concern every call (frs-api.md 3.1), whatever their status.
_REFUSALS = ("FRS.0002", "FRS.0019", "FRS.0020", "FRS.0028", "FRS.0202")
_NO_REFUSALS = ("FRS.0306",)  # 403, though it is about one face set


class Refused(Exception):
    """The service refuses the suite as a whole."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class Service:
    """
    The one way by which cases reach the service.

    Args:
        secrets: what no answer may repeat.
        pause: seconds before a call is made again.
    """

    def __init__(
        self,
        client: Client,
        pace: Pace,
        secrets: Iterable[str] = (),
    ) -> None:
        self.client, self.pace = client, pace
        self.throttled: list[Answer] = []
        self.last = Answer(None, message="nothing was asked yet")
        # Too short a text is no secret, and would spoil every message.
        self._secrets = tuple(each for each in secrets if len(each) >= _SHORTEST)

    def ask(self, ask: Ask) -> Answer:
        """
        Return the answer to one call.

        A 429, a 5xx and a broken connection are asked again, three times in all.

        Raises:
            Refused: the credentials, or the whole account, are not let in.
        """
        for _ in range(_TRIES - 1):
            self.pace.wait()
            answer = self.ask_once(ask)
            if not _passes_by(answer):
                return answer
            self.pace.hold(max(_pause(answer), _retry_after(answer)))
        self.pace.wait()
        return self.ask_once(ask)

    def ask_once(self, ask: Ask) -> Answer:
        """Return the answer to one request that is sent at once."""
        return self.look(self.client.call(ask))

    def look(self, answer: Answer) -> Answer:
        """Return an answer without secrets, noted; Refused as `ask` says."""
        for secret in self._secrets:
            answer = replace(answer, message=answer.message.replace(secret, "***"))
        if answer.status == 429:
            self.throttled.append(answer)
        if answer.headers:
            self.last = answer
        if _is_refusal(answer):
            raise refusal(answer)
        return answer


def refusal(answer: Answer, hint: str = "") -> Refused:
    """Return the exception for an answer after which nothing can go on."""
    entry = find_code(answer.code, answer.message, answer.status)
    said = f"{answer.said}: {answer.message}".rstrip(": ")
    meaning = f" ({entry.meaning})" if entry else ""
    remedy = entry.remedy if entry else "check the credentials, project and endpoint"
    return Refused(f"the service refuses: {said}{meaning}", hint or remedy)


def _passes_by(answer: Answer) -> bool:
    return answer.status is None or answer.status == 429 or answer.status >= 500


def _is_refusal(answer: Answer) -> bool:
    if answer.code in _NO_REFUSALS:
        return False
    return answer.status in {401, 403} or answer.code in _REFUSALS


def _pause(answer: Answer) -> float:
    # Longer than the window of a quota of so many calls a second.
    return 1.2 if answer.status == 429 else 0.4


def _retry_after(answer: Answer) -> float:
    said = answer.headers.get("Retry-After", "")
    return min(60.0, float(said)) if said.isdecimal() else 0.0
