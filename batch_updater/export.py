"""
An export that goes by listing, top to bottom.

One page after the other, each written down the moment it is there, from where the
last one ended to the end of the face set, or of what FRS lists at all. An export by
ids is not here: its rows run through the pipeline, and are read instead of updated.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from batch_updater.config.mapping_file import settle
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.reader import Reader
from batch_updater.delivery.signals import Signals
from batch_updater.delivery.window import refuse_past
from batch_updater.ending import conclude, views_later
from batch_updater.errors import TooManyErrors
from batch_updater.frs.protocol import LIST_WINDOW, FaceSet
from batch_updater.jobs import Job
from batch_updater.manifest import Manifest
from batch_updater.mapping.columns import ColumnMapping
from batch_updater.models import Outcome, Result
from batch_updater.outlet import open_outlet
from batch_updater.record import Opened, opened, write_down
from batch_updater.report.progress import ProgressMode
from batch_updater.report.summary import Summary, Tally
from batch_updater.scribe import Scribe, say_the_end
from batch_updater.snapshots import faces_of, pages
from batch_updater.upkeep import Pace, rate_followed, shown, time_window, upkeep
from batch_updater.version import __version__


async def list_faces(
    job: Job, signals: Signals, announce: Callable[[FaceSet], None]
) -> Summary:
    """
    List the face set, record, write the file.

    Args:
        announce: told what the face set holds before anything is listed.

    Returns:
        The summary; when the export was stopped early its `stop` says why.

    Raises:
        BatchUpdaterError: nothing was listed, or the journal cannot be written.
    """
    settings, notices = job.settings, signals.notices
    refuse_past(settings.stop_at)
    with ExitStack() as held:  # the journal's lock, until the file is there
        async with open_outlet(settings, job.connection, signals) as outlet:
            async with time_window(signals, settings):
                face_set = await signals.until_cut_off(outlet.ask_face_set())
            announce(face_set)
            with opened(job.resumed, settings.run_dir, held) as run:
                notices.run_id = run.directory.run_id
                manifest = _describe(job, run, face_set)
                write_down(run, manifest, job.session, in_flight=1)
            notices.mention(f"{job.command} begins, version {__version__}")
            scribe = Scribe(run.journal, signals.gate, notices.tell)
            listing = _Listing(job, run, face_set, outlet.reader(), scribe)
            async with rate_followed(run.directory.rate, outlet.pacer, notices):
                with notices.kept(scribe.note):
                    await listing.go_on(signals, outlet.pacer.cap)
            stop = scribe.end()
            say_the_end(stop, notices, values=settings.include_values)
        with signals.leaving(views_later(run.directory)):
            return conclude(run.directory, manifest, settings, stop)


def _describe(job: Job, run: Opened, face_set: FaceSet) -> Manifest:
    return Manifest(
        tool_version=__version__,
        run_id=run.directory.run_id,
        created_at=run.created_at,
        settings=settle(job.texts, ColumnMapping(), job.connection.endpoint),
        inputs=(),
        rows={},
        declared=dict(face_set.fields),
        face_number=face_set.face_number,
        header=(),
        purpose=job.purpose,
    )


@dataclass(frozen=True, slots=True)
class _Listing:
    job: Job
    run: Opened
    face_set: FaceSet
    reader: Reader
    scribe: Scribe

    async def go_on(self, signals: Signals, cap: Pace) -> None:
        """Ask for what is left, within the time window and until a second signal."""
        settings, offset = self.job.settings, self._offset()
        left = max(0, min(self.face_set.face_number, LIST_WINDOW) - offset)
        tally, gate = Tally(self.job.purpose.wanted), signals.gate

        def pace() -> float | None:
            return settings.page * (cap() or 0.0) or None

        async with time_window(signals, settings) as window:
            mode = ProgressMode(settings.progress)
            progress = shown(left, left, mode, pace, window)
            async with self.scribe.syncing(), upkeep(progress, tally):
                await signals.until_cut_off(self._ask(offset, tally, gate))

    async def _ask(self, offset: int, tally: Tally, gate: Gate) -> None:
        """Ask for page after page; a page that cannot be had closes the gate."""
        settings = self.job.settings
        while not gate.closed and offset < LIST_WINDOW:
            limit = min(settings.page, LIST_WINDOW - offset)
            page = await self.reader.read_page(settings.face_set or "", offset, limit)
            self.scribe.write(page)
            if page.outcome is not Outcome.EXPORTED:
                _stop_on_lost(page, gate)
                return
            count = len(faces_of(page, self.run.directory))
            tally.add_page(page, count)
            offset += count
            if self._is_last(count, limit, offset):
                return

    def _offset(self) -> int:
        """Return where the last page that is on record ended."""
        offset = 0
        for page in pages(self.run.directory):
            offset = page.row_number - 1 + len(faces_of(page, self.run.directory))
        return offset

    def _is_last(self, count: int, limit: int, offset: int) -> bool:
        # A short page alone is no end: how large a page may be is not documented,
        # and the service may give less than it was asked for.
        return not count or (count < limit and offset >= self.face_set.face_number)


def _stop_on_lost(page: Result, gate: Gate) -> None:
    if page.outcome is Outcome.UNPROCESSED:
        return  # the gate is closed already
    said = f"{page.error_code}: {page.error_msg}"
    gate.close(
        TooManyErrors(
            f"the faces from number {page.row_number} on cannot be listed: {said}",
            hint="No file is written for half a face set. Resume goes on there; "
            "smaller pages (--page N) may help.",
        )
    )
