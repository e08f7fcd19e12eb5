"""How a run ends: its views are made, and run.json says so."""

from batch_updater.config.settings import Settings
from batch_updater.errors import InputError, ViewsFailed
from batch_updater.files.run_dir import RunDirectory
from batch_updater.manifest import Manifest, ended
from batch_updater.report.summary import Stop, Summary
from batch_updater.snapshots import write_all
from batch_updater.views import naming_trouble, results_command


def views_later(directory: RunDirectory) -> str:
    """Return the hint for a run whose views were not made."""
    return f"All is recorded; this makes the views: {results_command(directory)}"


def conclude(
    directory: RunDirectory, manifest: Manifest, settings: Settings, stop: Stop | None
) -> Summary:
    """
    Make the views of a run that has ended, and note its end in run.json.

    Raises:
        ViewsFailed: they cannot be written; the journal is whole.
    """
    try:
        with naming_trouble(directory, ViewsFailed):
            summary = write_all(directory, manifest, settings, stop)
            totals = {"read": summary.read, **summary.outcomes}
            ended(manifest, early=stop is not None).save(directory, totals)
    except ViewsFailed as error:
        raise _with_stop(error, stop) from error.__cause__
    except InputError as error:  # as such it would say that nothing was sent
        raise ViewsFailed(
            f"the input changed while the views were made: {error.message}",
            hint="Put the file back as it was, then: " + results_command(directory),
        ) from error
    return summary


def _with_stop(failure: ViewsFailed, stop: Stop | None) -> ViewsFailed:
    if stop is None:
        return failure
    said = f"{stop.message}; then {failure.message}"
    return ViewsFailed(said, hint=stop.hint or failure.hint)
