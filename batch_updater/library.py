"""The doors for programs: a blocking run over files, and streams of updates."""

from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from batch_updater.config.connection import connect_to_face_set
from batch_updater.config.options import BY_NAME, OPTIONS
from batch_updater.config.secrets import Secrets
from batch_updater.config.settings import Resolved, Settings, Texts, resolve
from batch_updater.delivery.feed import Batch, Feed
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.pool import Pool, open_pool
from batch_updater.delivery.signals import Signals
from batch_updater.delivery.window import refuse_past
from batch_updater.errors import (
    CircuitOpen,
    JournalFailed,
    QuotaFailed,
    RunRefused,
    RunStopped,
    SameFailures,
    TimeWindowOver,
    TooManyErrors,
    UsageError,
)
from batch_updater.event_loop import run_to_end
from batch_updater.files.inputs import resolve_inputs
from batch_updater.frs.credentials import Password
from batch_updater.frs.signing import AccessKey
from batch_updater.jobs import Job
from batch_updater.mapping.columns import FieldTypes
from batch_updater.mapping.tasks import make_task
from batch_updater.models import FaceUpdate, Outcome, Result, Task
from batch_updater.outlet import open_outlet
from batch_updater.pipeline import execute
from batch_updater.report.summary import Summary
from batch_updater.upkeep import time_window

Updates = Iterable[FaceUpdate] | AsyncIterable[FaceUpdate]
Credentials = AccessKey | Password
# All others are about files and records; those of safety take counted rows.
_OF_STREAMS = frozenset(
    option.name
    for option in OPTIONS
    if option.group in {"target", "pace", "retry", "credentials"}
) | {"strict", "include-values", "max-outage", "max-duration", "stop-at"}
_STOPS: Mapping[str, type[RunStopped]] = {
    kind.name: kind
    for kind in (
        RunRefused,
        TooManyErrors,
        SameFailures,
        CircuitOpen,
        JournalFailed,
        QuotaFailed,
        TimeWindowOver,
    )
}


def run(
    inputs: str | Path | Sequence[str | Path],
    *,
    token: str | None = None,
    credentials: Credentials | None = None,
    **settings: Any,
) -> Summary:
    """
    Do what `batch-updater run` does, and wait for its end.

    Args:
        inputs: files, globs or folders.
        token: a project-scoped token; or give `token_file`.
        credentials: an access key, or an IAM user's password, instead of a token.
        settings: the flags of `run`, with underscores: ``face_set="staff"``,
            ``rate=10``, ``field=["age:integer=Age"]``. Environment and
            configuration file are not read.

    Raises:
        UsageError, InputError: nothing was sent.
        RunStopped: the run ended early (RunRefused, TooManyErrors, ...); its
            ``summary`` attribute tells how far it came, or is None when nothing
            was sent.
    """
    resolved = _resolve(token, credentials, {"progress": "none", **settings})
    names = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    job = Job(
        settings=resolved.settings,
        texts=resolved.texts,
        connection=connect_to_face_set(resolved),
        inputs=resolve_inputs([str(name) for name in names], resolved.settings.format),
    )
    summary = run_to_end(_execute(job))
    if summary is None:
        raise UsageError("dry_run has no summary", hint="Use batch-updater check.")
    if stop := summary.stop:
        kind = _STOPS.get(stop.name, RunStopped)
        raise kind(stop.message, hint=stop.hint, summary=summary)
    return summary


async def _execute(job: Job) -> Summary | None:
    return await execute(job, Signals(Gate(), _notices(job.settings)))


def update_all(
    updates: Iterable[FaceUpdate],
    *,
    on_result: Callable[[Result], None] = lambda result: None,
    token: str | None = None,
    credentials: Credentials | None = None,
    **settings: Any,
) -> Counter[Outcome]:
    """
    Send every update and wait for the end; nothing is written to disk.

    Args:
        on_result: called with each result as it comes, in the order of arrival.

    Returns:
        How many updates ended in each outcome.

    Raises:
        As update_faces does.
    """

    async def consume() -> Counter[Outcome]:
        outcomes: Counter[Outcome] = Counter()
        stream = update_faces(updates, token=token, credentials=credentials, **settings)
        async with stream as results:
            async for result in results:
                outcomes[result.outcome] += 1
                on_result(result)
        return outcomes

    return run_to_end(consume())


@asynccontextmanager
async def update_faces(
    updates: Updates,
    *,
    token: str | None = None,
    credentials: Credentials | None = None,
    **settings: Any,
) -> AsyncIterator[AsyncIterator[Result]]:
    """
    Open a stream of results, one for each update, as they come.

    ``row_number`` of a result counts the updates from 1. Updates of the same face
    are sent one after the other, in order. Leaving the block early stops.

    Args:
        updates: any iterable or asynchronous iterable; it is read as fast as
            updates can be sent and results are taken, and never further ahead.
        token, credentials: as `run` takes them.
        settings: flags of `run` about target, pace, retry and credentials, and
            `strict`, `include_values`, `max_outage`, `max_duration`, `stop_at`.

    Raises:
        UsageError: a setting is missing or wrong, or is about files.
        RunRefused: the service refuses all of it; raised after the results of
            what was in flight. Updates that were not sent have no result, or
            one that says `unprocessed`.
        CircuitOpen: the service has been down for longer than `max_outage`;
            likewise.
        TimeWindowOver: `max_duration` or `stop_at` is over; likewise.
    """
    resolved = _resolve(token, credentials, settings)
    _refuse_of_files(resolved.texts)
    options, connection = resolved.settings, connect_to_face_set(resolved)
    refuse_past(options.stop_at)
    gate = Gate()
    signals = Signals(gate, _notices(options))
    async with open_outlet(options, connection, signals) as outlet:
        async with time_window(signals, options):
            declared = dict((await outlet.ask_face_set()).fields)
        types = FieldTypes(types=declared, allowed=frozenset(declared))
        send = outlet.sender(repeats=lambda task: True)
        make = _Maker(options, types)
        async with (
            aclosing(_batches(updates, make, gate)) as batches,
            time_window(signals, options),
            open_pool(Feed(batches, gate), send, options.concurrency) as pool,
        ):
            yield _until_refused(pool, signals)


def _notices(settings: Settings) -> Notices:
    return Notices(values=settings.include_values)


async def _until_refused(pool: Pool, signals: Signals) -> AsyncIterator[Result]:
    async for results in pool:
        for result in results:
            signals.notices.row(result)
            yield result
    if signals.gate.reason:
        raise signals.gate.reason


class _Maker:
    """Numbers updates and turns them into tasks, or into the results they are."""

    def __init__(self, options: Settings, types: FieldTypes) -> None:
        self._face_set_name = options.face_set or ""
        self._strict = options.strict
        self._types = types
        self._count = 0

    def __call__(self, update: FaceUpdate) -> Task | Result:
        self._count += 1
        return make_task(
            update, self._face_set_name, self._count, self._types, strict=self._strict
        )


async def _batches(
    updates: Updates, make: Callable[[FaceUpdate], Task | Result], gate: Gate
) -> AsyncGenerator[Batch, None]:
    if isinstance(updates, AsyncIterable):
        coming = aiter(updates)
        # Whoever waits for an update that may never come must hear of the end.
        while update := await gate.unless_closed(lambda: anext(coming, None)):
            yield (make(update),)
        return
    # Lazily: whoever takes the next update reads it, and nobody reads ahead.
    yield (make(update) for update in updates)


def _refuse_of_files(given: Texts) -> None:
    for name in given.keys() - _OF_STREAMS:
        raise UsageError(
            f"{BY_NAME[name].attribute} is no setting of a stream of updates",
            hint="It is one of run(), which takes files and keeps a record.",
        )


def _resolve(
    token: str | None, credentials: Credentials | None, settings: Mapping[str, Any]
) -> Resolved:
    texts = {}
    for attribute, value in settings.items():
        name = attribute.replace("_", "-")
        if name not in BY_NAME:
            raise UsageError(f"there is no setting {attribute!r}")
        if name == "notify-url":
            raise UsageError(
                "notify_url is a setting of the command",
                hint="The summary that run() returns is what it would post.",
            )
        if value is not None:
            texts[name] = tuple(_texts(value))
    secrets = _secrets(token, credentials)
    return resolve(texts, secrets.as_environment(), recorded={})


def _secrets(token: str | None, credentials: Credentials | None) -> Secrets:
    match credentials:
        case AccessKey(access, secret, security_token):
            return Secrets(
                access_key=access, secret_key=secret, security_token=security_token
            )
        case Password(domain, user, password):
            return Secrets(iam_domain=domain, iam_user=user, iam_password=password)
        case None:
            return Secrets(token=token or "")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, list | tuple):
        yield from (str(item) for item in value)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    else:
        yield str(value)
