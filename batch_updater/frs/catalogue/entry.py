"""The form of an entry, and what several of them advise."""

from dataclasses import dataclass

from batch_updater.models import Verdict

RETRY = Verdict.RETRY
SLOW = Verdict.THROTTLED
RENEW = Verdict.RENEW_CREDENTIALS
SETTLE = Verdict.SETTLE
ROW = Verdict.FAIL_ROW
STOP = Verdict.STOP_RUN


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """
    One entry of the catalogue; a code whose meaning depends on more has several.

    Args:
        code: as the service writes it; gateway codes without their prefix.
        statuses: HTTP statuses it is documented with, the table's first; empty
            where no document says.
        verdict: what it means for an UpdateFace call.
        meaning: what happened, in a few words.
        remedy: what the person at the keyboard should do.
        phrase: text in the message that tells this entry from the code's others.
        source: where it is documented, if elsewhere than the rest of its group.
    """

    code: str
    statuses: tuple[int, ...]
    verdict: Verdict
    meaning: str
    remedy: str
    phrase: str = ""
    source: str = ""

    @property
    def advice(self) -> str:
        """The remedy as a sentence of its own."""
        return f"{self.remedy[0].upper()}{self.remedy[1:]}."


@dataclass(frozen=True, slots=True)
class Group:
    """
    The codes of one sender.

    Args:
        title: whose codes they are.
        prefixes: what their codes may begin with, the usual one first.
        source: where they are documented.
        entries: those of one code stand together.
    """

    title: str
    prefixes: tuple[str, ...]
    source: str
    entries: tuple[ErrorCode, ...]


FIX_INPUT = "mend these rows in the input and run them again"
REPORT = "report it: this tool should never send such a request"
NOT_FOR_UPDATES = "not expected from an update; keep the request id for support"
TRY_LATER = "try again later: retry sends the failed rows"
CHECK_TARGET = "check --region or --endpoint, --project-id and --face-set"
GRANT = "grant the user FRS access"
CHECK_KEY = "check the access key and its secret"
NEW_TOKEN = "get a new token of this region and project"  # noqa: S105
