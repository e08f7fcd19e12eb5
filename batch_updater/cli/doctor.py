"""`doctor`: what a run needs, and whether it is there."""

import argparse
from dataclasses import asdict

from batch_updater.cli.arguments import resolve_arguments
from batch_updater.cli.ending import print_json
from batch_updater.cli.show import print_config
from batch_updater.config.connection import make_connection
from batch_updater.config.modes import OutputMode
from batch_updater.doctor import Finding, State, examine, stops_a_run, visit
from batch_updater.event_loop import run_to_end
from batch_updater.inert import printable


def doctor(arguments: argparse.Namespace) -> int:
    """Sign in, ask once, and tell; 3 when something would stop a run."""
    resolved = resolve_arguments(arguments)
    if arguments.print_config:
        print_config(resolved)
        return 0
    connection = make_connection(resolved)
    findings = examine(run_to_end(visit(resolved.settings, connection)))
    code = 3 if stops_a_run(findings) else 0
    if resolved.settings.output is OutputMode.JSON:
        print_json({"findings": [asdict(f) for f in findings], "exit_code": code})
    else:
        for finding in findings:
            _show(finding)
    return code


def _show(finding: Finding) -> None:
    print(f"{finding.state:<6}{finding.name:<14}{printable(finding.said)}")
    if finding.remedy and finding.state is not State.OK:
        print(f"{'':<20}do: {printable(finding.remedy)}")
