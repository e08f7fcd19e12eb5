"""What a run came to, why it ended, and what to type next."""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from batch_updater.config.options import BY_NAME, OPTIONS
from batch_updater.config.settings import Settings, Texts
from batch_updater.errors import InputError, RunStopped
from batch_updater.files.batch import Batch
from batch_updater.files.bulk import Lines, read_bulk
from batch_updater.files.inputs import STDIN, Input
from batch_updater.files.plan_file import read_plan
from batch_updater.files.replay import PAGE, Record
from batch_updater.files.run_dir import RunDirectory
from batch_updater.files.search import notes
from batch_updater.frs.catalogue.entry import TRY_LATER, ErrorCode
from batch_updater.frs.codes import find_code
from batch_updater.manifest import Manifest
from batch_updater.mapping.care import KEPT
from batch_updater.models import ErrorClass, OnDuplicate, Outcome, Purpose, Result
from batch_updater.report.planned import PlanReport
from batch_updater.report.summary import (
    TO_REVIEW,
    Stop,
    Summary,
    SummaryBuilder,
    exit_code_of,
)
from batch_updater.report.text import count_faces


@dataclass(frozen=True, slots=True)
class Told:
    """
    What a summary says beside what the journal holds.

    Args:
        file: the file that was made.
        next_command: instead of what the outcomes suggest.
        otherwise: what to type next when the outcomes suggest nothing.
        plan: what the plan says that was made.
    """

    file: str = ""
    note: str = ""
    next_command: str = ""
    otherwise: str = ""
    plan: PlanReport | None = None


NOTHING = Told()


def summarise(
    directory: RunDirectory,
    manifest: Manifest,
    settings: Settings,
    builder: SummaryBuilder,
    stop: Stop | None,
    told: Told,
) -> Summary:
    """Return the summary of a run whose journal has been added up; write it too."""
    tally = builder.tally
    refused = settings.on_duplicate is OnDuplicate.ERROR
    keeping = builder.ended_with(KEPT)
    exit_code = exit_code_of(
        tally,
        stop,
        duplicates_bad=refused,
        reviewed=_REVIEWED.get(manifest.purpose, TO_REVIEW),
        keeping=keeping,
    )
    if told.plan and not told.plan.changes:
        exit_code = exit_code or settings.exit_code_no_change
    suggested = told.next_command or _next_command(
        directory, manifest, builder, exit_code
    )
    summary = Summary(
        run_dir=str(directory.path),
        face_set_name=settings.face_set or "",
        read=tally.outcomes.total(),
        outcomes={str(outcome): tally.outcomes[outcome] for outcome in Outcome},
        errors=tuple(builder.errors(_REMEDIES[manifest.purpose])),
        rate=builder.highest_rate(settings.rate),
        exit_code=exit_code,
        stop=stop,
        note="; ".join(filter(None, (told.note, _kept_note(keeping)))),
        file=told.file,
        wanted=str(manifest.purpose.wanted),
        plan=replace(told.plan, cost=tally.attempts) if told.plan else None,
        next_command=suggested or told.otherwise,
        **builder.speed(),
    )
    directory.write_json("summary.json", summary.as_json())
    return summary


def _kept_note(faces: int) -> str:
    if not faces:
        return ""
    return (
        f"{count_faces(faces)} with fields that the API cannot take back: "
        "error_msg in results.csv names them"
    )


def _remedy(code: str, first: Result) -> str:
    if first.outcome in {Outcome.INVALID, Outcome.DUPLICATE}:
        return "mend these rows in invalid.csv"
    entry = find_code(code, first.error_msg, first.http_status)
    if entry:
        return remedy_of(entry, first.outcome)
    return "look the code up: it is not among those that this tool knows"


def remedy_of(entry: ErrorCode, outcome: Outcome) -> str:
    """Return what to do about a code: a row that has not failed is none of retry's."""
    if outcome is Outcome.UNPROCESSED and entry.remedy == TRY_LATER:
        return "try again later: resume sends these rows"
    return entry.remedy


def _remedy_of_export(code: str, first: Result) -> str:
    if first.outcome is Outcome.MISSING:
        return "remove these ids from the list; missing.csv has them"
    return _remedy_of_reading(code, first)


def _remedy_of_verifying(code: str, first: Result) -> str:
    if first.outcome is Outcome.MISSING:
        return "find out who deleted these faces; missing.csv has them"
    return _remedy_of_reading(code, first)


def _remedy_of_reading(code: str, first: Result) -> str:
    if first.error_class is ErrorClass.TRANSIENT:
        return "ask for these faces again later with resume"
    return _remedy(code, first)


_REMEDIES = {
    Purpose.UPDATE: _remedy,
    Purpose.EXPORT: _remedy_of_export,
    Purpose.PLAN: _remedy_of_export,
    Purpose.VERIFY: _remedy_of_verifying,
}
_REVIEWED = {Purpose.VERIFY: TO_REVIEW | {Outcome.MISSING}}

# Where to and as whom: all of it but the face set, which not every command names so.
_TARGET = tuple(
    option.name
    for option in OPTIONS
    if option.group in {"target", "credentials"} and option.name != "face-set"
)

_OF_A_PLAN = tuple(
    option.name
    for option in OPTIONS
    if option.group in {"input", "mapping", "target", "plan", "state", "credentials"}
    and option.name != "check-ahead"  # a plan always looks
)

# Flags that a run over failed.csv needs too. Those about the input's format are not
# among them: views are CSV in UTF-8, whatever the input was.
_TOLD_AGAIN = ("face-id", "external-image-id", "field", "face-set", *_TARGET)


def _run_again(settings: Texts) -> Iterator[str]:
    yield from _flags(settings, _TOLD_AGAIN)


def export_again(settings: Texts) -> Iterator[str]:
    """Yield the words of another export of the same face set."""
    yield settings["face-set"][-1]
    yield from _flags(settings, _TARGET)


def _flags(settings: Texts, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        for text in settings.get(name, ()):
            if not BY_NAME[name].switch:
                yield from (f"--{name}", text)
            elif text == "true":
                yield f"--{name}"


def _plan_again(source: Input) -> Iterator[str]:
    """Yield the words that look at all rows of a plan again; a rollback has none."""
    with suppress(InputError):  # gone, or not as it was: then there is nothing to say
        facts = read_plan(source.path)
        names = [str(each["name"]) for each in facts.inputs]
        if names and STDIN not in names and "to" in facts.settings:
            yield "plan"
            yield from (str(each["path"]) for each in facts.inputs)
            yield from _flags(facts.settings, _OF_A_PLAN)
            yield from ("-o", facts.settings["to"][-1])


def _next_command(
    directory: RunDirectory,
    manifest: Manifest,
    builder: SummaryBuilder,
    exit_code: int,
) -> str:
    outcomes, path = builder.tally.outcomes, directory.path
    words: list[str] = []
    reads = manifest.purpose is not Purpose.UPDATE
    if outcomes[Outcome.UNPROCESSED] or (reads and builder.worth_retrying):
        words = ["resume", str(path)]
    elif reads:
        words = []
    elif builder.worth_retrying:
        words = ["retry", str(path)]
    elif manifest.plan:
        words = [*_plan_again(manifest.plan)] if exit_code else []
    elif outcomes[Outcome.FAILED]:  # once these rows have been mended
        words = ["run", str(path / "failed.csv"), *_run_again(manifest.settings)]
    elif outcomes[Outcome.INVALID]:
        words = ["run", str(path / "invalid.csv"), *_run_again(manifest.settings)]
    return shlex.join(["batch-updater", *words]) if words else ""


def add_up(told: Record | Lines, builder: SummaryBuilder) -> None:
    """Take what lines of the journal add to a summary, but for rows' outcomes."""
    if isinstance(told, Lines):
        attempts = told.batch.attempts()
        builder.add_attempts(attempts.started, attempts.latency, attempts.statuses)
    elif told.kind == "session":
        builder.new_session()
    elif told.kind == "rate":
        builder.note_rate(told.facts)
    elif told.kind == PAGE:
        attempts = Batch.of([told.result()]).attempts()
        builder.add_attempts(attempts.started, attempts.latency, attempts.statuses)


_OF_PAGES = ("source", "row_number", "outcome", "attempts")


def write_listing(
    directory: RunDirectory,
    manifest: Manifest,
    settings: Settings,
    stop: Stop | None,
    listed: int,
    told: Told,
) -> Summary:
    """
    Write the summary of an export by listing, which has no rows; return it.

    Args:
        listed: how many different faces its pages hold.
    """
    builder = SummaryBuilder()
    for lines in read_bulk(directory.journal, _OF_PAGES):
        add_up(lines, builder)
    outcomes = builder.tally.outcomes
    outcomes[Outcome.EXPORTED] = listed
    outcomes[Outcome.UNPROCESSED] = max(0, manifest.face_number - listed)
    return summarise(directory, manifest, settings, builder, stop, told)


def read_stop(directory: RunDirectory) -> Stop | None:
    """
    Return why a run's last session ended early, or None.

    Whoever calls this holds the journal's lock: a session without an end is one
    that was killed.
    """
    killed = Stop(
        name=RunStopped.name,
        message="the run did not end by itself: it was killed, or the machine stopped",
        hint=f"It can go on: batch-updater resume {shlex.quote(str(directory.path))}",
        exit_code=RunStopped.exit_code,
    )
    stop: Stop | None = killed
    for record in notes(directory.journal):
        if record.kind == "session":
            stop = killed
        elif record.kind == "end":
            stop = _told_stop(record)
    return stop


def _told_stop(record: Record) -> Stop | None:
    said = record.facts.get("stop")
    try:
        stop = Stop(**said) if said is not None else None
    except TypeError:
        raise record.damage() from None
    if stop and not (type(stop.exit_code) is int and _are_texts(stop)):
        raise record.damage()
    return stop


def _are_texts(stop: Stop) -> bool:
    return all(isinstance(t, str) for t in (stop.name, stop.message, stop.hint))
