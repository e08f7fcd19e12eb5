"""`check`: every rule over every row, and nothing sent."""

import argparse
from pathlib import Path

from batch_updater.cli.arguments import open_inputs, resolve_arguments
from batch_updater.cli.ending import tell_programs
from batch_updater.cli.show import print_config, survey_lines
from batch_updater.config.modes import OutputMode
from batch_updater.config.settings import Resolved, Settings
from batch_updater.delivery.gate import Gate
from batch_updater.delivery.notices import Notices
from batch_updater.delivery.signals import Signals
from batch_updater.event_loop import run_to_end
from batch_updater.intake.survey import Survey, survey
from batch_updater.manifest import make_intake
from batch_updater.models import FieldType
from batch_updater.views import write_invalid


def check(arguments: argparse.Namespace) -> int:
    """Check the inputs; 0 when every row may be sent, 1 when some may not."""
    resolved = resolve_arguments(arguments)
    if arguments.print_config:
        print_config(resolved)
        return 0
    settings = resolved.settings
    declared = (
        run_to_end(_ask_face_set(resolved)) if arguments.against_face_set else None
    )
    with open_inputs(arguments.inputs, resolved) as inputs:
        intake = make_intake(settings, inputs)
        types = intake.settle_types(declared)
        found = survey(intake, types, settings.on_duplicate)
        if arguments.invalid_csv:
            write_invalid(Path(arguments.invalid_csv), intake, types, found)
    _show(found, settings, asked=arguments.against_face_set)
    return 1 if found.invalid + found.duplicates else 0


async def _ask_face_set(resolved: Resolved) -> dict[str, FieldType]:
    # The network's libraries are a fifth of the start, and few checks need them.
    from batch_updater.config.connection import connect_to_face_set  # noqa: PLC0415
    from batch_updater.outlet import open_outlet  # noqa: PLC0415

    connection = connect_to_face_set(resolved)
    signals = Signals(Gate(), Notices())
    async with open_outlet(resolved.settings, connection, signals) as outlet:
        return dict((await outlet.ask_face_set()).fields)


_NOT_ASKED = (
    "types       not asked for: a custom field whose type nobody says is taken as it "
    "is; a run takes the face set's, as --against-face-set does"
)


def _show(found: Survey, settings: Settings, *, asked: bool) -> None:
    seconds = None if settings.rate is None else found.clean / settings.rate
    content = {**found.as_json(), "rate": settings.rate, "duration_s": seconds}
    as_json = settings.output is OutputMode.JSON
    tell_programs(content, as_json=as_json)
    if as_json:
        return
    for line in survey_lines(found, settings.rate, found.clean, values=True):
        print(line)
    if not asked:
        print(_NOT_ASKED)
    for rule, count in found.rules.most_common():
        print(f"  {count:>8,}  {rule}")
