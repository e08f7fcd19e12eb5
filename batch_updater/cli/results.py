"""`results`: what happened to one row or face, or all views of a run again."""

import argparse
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from batch_updater.cli.ending import print_json
from batch_updater.cli.flags import flags_of
from batch_updater.cli.log import set_log_format
from batch_updater.cli.show import print_summary
from batch_updater.config.modes import OutputMode
from batch_updater.config.settings import resolve
from batch_updater.errors import RunDirectoryError, UsageError
from batch_updater.families.family import find_family
from batch_updater.families.reunion import (
    Chapter,
    family_folder,
    tell_story,
    write_family,
)
from batch_updater.files.lines import encode_result, format_time
from batch_updater.files.lock import locked
from batch_updater.files.run_dir import open_run_directory
from batch_updater.frs.codes import find_code
from batch_updater.inert import printable
from batch_updater.manifest import load_manifest
from batch_updater.models import Purpose, Result
from batch_updater.snapshots import write_all
from batch_updater.summaries import read_stop, remedy_of
from batch_updater.views import (
    find_results,
    naming_trouble,
)


def results(arguments: argparse.Namespace) -> int:
    """Answer for a row or a face, or write the views; 1 when nothing is recorded."""
    if arguments.family:
        return family_results(arguments)
    _refuse_family_words(arguments)
    directory = open_run_directory(Path(arguments.run_directory))
    manifest = load_manifest(directory)
    resolved = resolve(flags_of(arguments), os.environ, recorded=manifest.settings)
    set_log_format(resolved.settings.log_format)
    as_json = resolved.settings.output is OutputMode.JSON
    if arguments.row is None and arguments.face is None:
        with (
            locked(directory.journal),
            naming_trouble(directory, RunDirectoryError),
        ):
            stop = read_stop(directory)
            summary = write_all(directory, manifest, resolved.settings, stop)
        print_summary(summary, as_json=as_json)
        return 0
    if manifest.lists:
        raise UsageError(
            f"{directory.path} is an export by listing: it has pages, but no rows",
            hint=f"Its faces are in {resolved.settings.to}.",
        )
    _refuse_no_row(arguments.row, manifest.rows.values())
    # The journal of a run that keeps a state has values that nobody asked to see.
    values = resolved.settings.include_values or manifest.purpose is Purpose.EXPORT
    found = [
        _shown(result, values=values)
        for result in find_results(
            directory, row_number=arguments.row, face_id=arguments.face
        )
    ]
    _show(found, as_json=as_json)
    return 0 if found else 1


def _shown(result: Result, *, values: bool) -> Result:
    return result if values else replace(result, payload="")


def _refuse_no_row(row_number: int | None, counts: Collection[int]) -> None:
    if row_number is not None and not any(1 <= row_number <= n for n in counts):
        raise UsageError(f"--row {row_number}: rows go from 1 to {max(counts):,}")


def _refuse_family_words(arguments: argparse.Namespace) -> None:
    for given, said in (
        (arguments.others, "more than one directory"),
        (arguments.folder, "--to"),
    ):
        if given:
            raise UsageError(f"{said} is for --family")


def family_results(arguments: argparse.Namespace) -> int:
    """Do the same for a run with all its retries."""
    others = [Path(other) for other in arguments.others]
    family = find_family(Path(arguments.run_directory), others)
    root = family.root.manifest
    settings = resolve(flags_of(arguments), os.environ, recorded=root.settings).settings
    as_json = settings.output is OutputMode.JSON
    with family.locked():
        if arguments.row is None and arguments.face is None:
            folder = Path(arguments.folder) if arguments.folder else None
            target = family_folder(family, folder)
            with naming_trouble(target, RunDirectoryError):
                summary = write_family(family, settings, target)
            print_summary(summary, as_json=as_json)
            return 0
        _refuse_no_row(arguments.row, root.rows.values())
        found = [
            replace(c, result=_shown(c.result, values=settings.include_values))
            for c in tell_story(
                family, row_number=arguments.row, face_id=arguments.face
            )
        ]
    _show_story(found, as_json=as_json)
    return 0 if found else 1


def _show_story(found: list[Chapter], *, as_json: bool) -> None:
    if as_json:
        told = [{"run": c.run, **encode_result(c.result)} for c in found]
        print_json({"results": told})
        return
    if not found:
        print("no outcome is recorded: it was not sent, or not in this family")
    for chapter in found:
        print(printable(f"in {chapter.run}"))
        for line in _story(chapter.result):
            print(line)


def _show(found: list[Result], *, as_json: bool) -> None:
    if as_json:
        print_json({"results": [encode_result(result) for result in found]})
        return
    if not found:
        print("no outcome is recorded: it was not sent, or not in this run")
    for result in found:
        for line in _story(result):
            print(line)


def _story(result: Result) -> Iterator[str]:
    where = f"{result.source} row {result.row_number}"
    yield printable(f"{where}, face {result.face_id or '(none)'}: {result.outcome}")
    for number, attempt in enumerate(result.attempts, 1):
        answer = attempt.status or "no answer"
        said = (
            f"  attempt {number}  {format_time(attempt.started_at)}  "
            f"{attempt.latency * 1000:.0f} ms  {answer}  {printable(attempt.code)}"
        ).rstrip()
        yield f"{said}  ambiguous" if attempt.ambiguous else said
    if result.error_msg:
        said = result.error_code or f"{result.rule} ({result.column})"
        yield printable(f"  {said}: {result.error_msg}")
    entry = find_code(result.error_code, result.error_msg, result.http_status)
    if entry:
        yield f"  do: {remedy_of(entry, result.outcome)}"
    if result.ambiguous:
        yield "  an attempt ended without an answer: it may have been applied"
    if result.request_id:
        yield printable(f"  request id {result.request_id}")
