"""`state`: show what was last applied, make it again from journals, or forget it."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from batch_updater.cli.arguments import resolve_arguments
from batch_updater.cli.ending import print_json
from batch_updater.cli.show import note, print_config
from batch_updater.config.connection import endpoint_of
from batch_updater.config.modes import OutputMode
from batch_updater.config.settings import Resolved
from batch_updater.errors import RunDirectoryError, StateDamaged, UsageError
from batch_updater.files.lines import format_time
from batch_updater.files.run_dir import open_run_directory
from batch_updater.files.state_files import discard_state, read_owner
from batch_updater.files.state_store import StateStore
from batch_updater.inert import printable
from batch_updater.manifest import load_manifest
from batch_updater.models import Purpose
from batch_updater.states.opening import State, open_place
from batch_updater.states.places import StatePlace, in_words, place_of, state_directory
from batch_updater.states.rebuilding import Volume, forget, rebuild

_MANY = 5  # as many are named when it is not clear which is meant


def state(arguments: argparse.Namespace) -> int:
    """Do what is asked; 1 when there is nothing to show."""
    _refuse_other_words(arguments)
    resolved = resolve_arguments(arguments)
    if arguments.print_config:
        print_config(resolved)
        return 0
    directory = state_directory(resolved.settings.state, resolved.environ)
    match arguments.action:
        case "show":
            return _show(_found(directory, resolved), arguments.face, resolved)
        case "rebuild":
            return _rebuild(directory, arguments.directories, resolved)
        case _:
            return _forget(directory, resolved)


def _refuse_other_words(arguments: argparse.Namespace) -> None:
    if arguments.directories and arguments.action != "rebuild":
        raise UsageError("run directories are for `state rebuild`")
    if arguments.action == "rebuild" and not arguments.directories:
        raise UsageError(
            "no run is given", hint="Name the directories of all runs of the face set."
        )
    if arguments.face is not None and arguments.action != "show":
        raise UsageError("--face is for `state show`")


def _found(directory: Path, resolved: Resolved) -> Iterator[StatePlace]:
    """Yield the states that the settings do not rule out."""
    settings = resolved.settings
    endpoint = ""
    if settings.endpoint or settings.region:
        asked = endpoint_of(settings, resolved.environ)
        endpoint = place_of(directory, asked, "", "").owner.endpoint
    wanted = (endpoint, settings.project_id, settings.face_set)
    for path in sorted(directory.glob("*.sqlite")):
        owner = read_owner(path)
        told = (owner.endpoint, owner.project_id, owner.face_set_name)
        if all(
            want in {None, "", said} for want, said in zip(wanted, told, strict=True)
        ):
            yield StatePlace(directory, owner)


def _show(places: Iterator[StatePlace], face_id: str | None, resolved: Resolved) -> int:
    values = resolved.settings.include_values
    told = []
    for place in places:
        with open_place(place) as opened:
            for remark in opened.catch_up():
                note(remark)
            told.append(
                _facts(place, opened)
                if face_id is None
                else _face(place, opened, face_id, values=values)
            )
    if face_id is not None:
        told = [facts for facts in told if facts["fields"] is not None]
    if resolved.settings.output is OutputMode.JSON:
        print_json({"states": told, "exit_code": 0 if told else 1})
    else:
        for facts in told:
            _print(facts)
        if not told:
            print("no state is kept" if face_id is None else "nothing is known of it")
    return 0 if told else 1


def _facts(place: StatePlace, opened: State) -> dict[str, Any]:
    owner, counts, runs = place.owner, opened.counts, opened.runs
    return {
        "file": str(place.path),
        "face_set_name": owner.face_set_name,
        "project_id": owner.project_id,
        "endpoint": owner.endpoint,
        "kept": opened.is_kept,
        "sure": opened.is_sure,
        "faces": counts.known,
        "in_doubt": counts.in_doubt,
        "oldest": _moment(counts.oldest),
        "newest": _moment(counts.newest),
        "runs": runs.all,
        "runs_open": runs.open,
        "bytes": place.path.stat().st_size,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else format_time(seconds)


def _face(
    place: StatePlace, opened: State, face_id: str, *, values: bool
) -> dict[str, Any]:
    known = opened.look_up([face_id]).get(face_id)
    fields = None
    if known:
        fields = dict(known.fields) if values else dict.fromkeys(known.fields)
    return {
        "file": str(place.path),
        "face_set_name": place.owner.face_set_name,
        "face_id": face_id,
        "fields": fields,
        "at": known and _moment(known.at),
    }


def _print(facts: dict[str, Any]) -> None:
    for line in _face_lines(facts) if "face_id" in facts else _lines(facts):
        print(printable(line))


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    yield f"state       {facts['file']} ({facts['bytes'] / 1e6:,.1f} MB)"
    yield (
        f"face set    {facts['face_set_name']} of project {facts['project_id']} at "
        f"{facts['endpoint']}"
    )
    if not facts["kept"]:
        yield "faces       forgotten, until a run makes it again"
        return
    sure = "" if facts["sure"] else ", but none is sure now"
    yield f"faces       {facts['faces']:,} known, {facts['in_doubt']:,} in doubt{sure}"
    if facts["oldest"]:
        yield f"applied     from {facts['oldest']} to {facts['newest']}"
    yield f"runs        {facts['runs']:,}, not over: {facts['runs_open']:,}"


def _face_lines(facts: dict[str, Any]) -> Iterator[str]:
    yield f"face        {facts['face_id']} of {facts['face_set_name']}"
    yield f"applied     {facts['at']}"
    for name, value in facts["fields"].items():
        yield f"field       {name}" + ("" if value is None else f": {value}")
    if all(value is None for value in facts["fields"].values()):
        yield "values      are shown with --include-values"


def _rebuild(directory: Path, names: Sequence[str], resolved: Resolved) -> int:
    volumes = [_volume(Path(name)) for name in names]
    places = {_place(directory, volume, resolved) for volume in volumes}
    if len(places) > 1:
        raise UsageError(
            f"these runs are of {len(places)} face sets: a state is of one",
            hint="Give the runs of one face set at a time.",
        )
    place = places.pop()
    with closing(StateStore(place.path, place.owner)) as store:
        rebuild(store, _each_once(volumes))
        counts = store.counts()
    if resolved.settings.output is OutputMode.JSON:
        facts = {"file": str(place.path), "faces": counts.known, "exit_code": 0}
        print_json({**facts, "in_doubt": counts.in_doubt})
    else:
        print(
            printable(
                f"rebuilt     {place.path}: {counts.known:,} faces known, "
                f"{counts.in_doubt:,} in doubt"
            )
        )
    return 0


def _volume(path: Path) -> Volume:
    directory = open_run_directory(path)
    manifest = load_manifest(directory)
    if manifest.purpose is not Purpose.UPDATE:
        raise RunDirectoryError(
            f"{path} is of a run that changed nothing ({manifest.purpose})",
            hint="Leave it out.",
        )
    return Volume(directory, manifest)


def _each_once(volumes: Sequence[Volume]) -> list[Volume]:
    return [*{volume.manifest.key: volume for volume in volumes}.values()]


def _place(directory: Path, volume: Volume, resolved: Resolved) -> StatePlace:
    said, asked = volume.manifest.settings, resolved.settings.project_id
    project_id = said.get("project-id", (asked or "",))[-1]
    if not project_id:
        raise UsageError(
            f"{volume.directory.path} does not say which project it was of",
            hint="Say it with --project-id ID.",
        )
    endpoint, face_set = said["endpoint"][-1], said["face-set"][-1]
    return place_of(directory, endpoint, project_id, face_set)


def _forget(directory: Path, resolved: Resolved) -> int:
    damaged = [*_damaged(directory, resolved.settings.face_set)]
    places = [] if damaged else [*_found(directory, resolved)]
    found = [*damaged, *(place.path for place in places)]
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:_MANY])
        raise UsageError(
            f"there are {len(found)} states in {directory}: {names}",
            hint="Say which one with --face-set NAME, --project-id and --endpoint.",
        )
    for path in damaged:
        discard_state(path)
    for place in places:
        with closing(StateStore(place.path, place.owner)) as store:
            forget(store)
    _tell_forgotten(found, resolved)
    return 0


def _damaged(directory: Path, face_set: str | None) -> Iterator[Path]:
    """Yield files whose owner cannot be told any more, unless their name tells it."""
    for path in sorted(directory.glob("*.sqlite")):
        try:
            read_owner(path)
        except StateDamaged:
            if face_set is None or in_words(face_set) in path.name:
                yield path


def _tell_forgotten(forgotten: Sequence[Path], resolved: Resolved) -> None:
    if resolved.settings.output is OutputMode.JSON:
        print_json({"forgotten": [str(path) for path in forgotten], "exit_code": 0})
        return
    for path in forgotten:
        print(printable(f"forgotten   {path}"))
    if not forgotten:
        print("no state is kept")
