"""The suite against an emulator of a test's choice, as the command and in parts."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

from bench import FACE_SET, start_emulator

from batch_updater.emulator import Emulator, Fault
from contract.command import main, open_stage
from contract.options import make_parser, target_of
from contract.setting import build, take_down
from contract.stage import Stage

CLIENTS = ("ours", "sdk")


@dataclass(frozen=True)
class Examined:
    """How a run of the suite ended."""

    code: int
    out: str
    err: str
    emulator: Emulator

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """The entries of the JSON report by the name of their case."""
        content = json.loads(self.out.splitlines()[-1])
        return {entry["case"]: entry for entry in content["entries"]}

    @property
    def not_held(self) -> set[str]:
        """The documented facts that are not so."""
        return {name for name, e in self.entries.items() if e["state"] == "NOT HELD"}

    @property
    def values(self) -> dict[str, str]:
        """What was found, by the name of its question."""
        return {n: e["found"]["value"] for n, e in self.entries.items() if e["found"]}

    @property
    def switches(self) -> set[str]:
        """The emulator's flags that the findings name."""
        found = [entry["found"] for entry in self.entries.values() if entry["found"]]
        return {each["switch"] for each in found} - {""}

    @property
    def face_sets(self) -> set[str]:
        """The face sets that are left."""
        return set(self.emulator.state.face_sets)


def environment(emulator: Emulator, **more: str) -> dict[str, str]:
    """Return this environment with the emulator's credentials, and no others."""
    ours = ("BATCH_UPDATER_", "HUAWEICLOUD_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    keys = emulator.settings
    return {
        **kept,
        "BATCH_UPDATER_TOKEN": emulator.token,
        "HUAWEICLOUD_SDK_AK": keys.ak,
        "HUAWEICLOUD_SDK_SK": keys.sk,
        **more,
    }


def flags(emulator: Emulator, *more: str) -> list[str]:
    """Return the flags that lead to an emulator, fast and without patience."""
    target = ["--endpoint", emulator.url, "--project-id", emulator.project_id]
    return [*target, "--rate", "unlimited", "--wait", "3s", *more]


def examine_at(
    emulator: Emulator, *more: str, environ: Mapping[str, str] | None = None
) -> Examined:
    """Run the suite as a command in this process."""
    out, err = StringIO(), StringIO()
    given = environment(emulator) if environ is None else environ
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(flags(emulator, *more), given)
        except SystemExit as left:
            code = int(left.code or 0)
    return Examined(code, out.getvalue(), err.getvalue(), emulator)


def examine(
    client: str, *more: str, faults: Iterable[Fault] = (), **settings: Any
) -> Examined:
    """Run the suite against an emulator with these settings and faults."""
    with start_emulator(**settings) as emulator:
        emulator.script(faults)
        ended = examine_at(emulator, "--json", "--client", client, *more)
        assert ended.face_sets == {FACE_SET}
        return ended


@contextmanager
def staged(client: str, *more: str, **settings: Any) -> Iterator[Stage]:
    """Yield a stage that is built, at an emulator with these settings."""
    with start_emulator(**settings) as emulator:
        arguments = make_parser().parse_args(
            [*flags(emulator), "--client", client, *more]
        )
        with (
            target_of(arguments, environment(emulator)) as resolved,
            open_stage(arguments, resolved) as stage,
        ):
            try:
                build(stage)
                yield stage
            finally:
                assert not take_down(stage)
