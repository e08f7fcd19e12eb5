"""The rehearsal as a command: what it does, what it found, and an exit code."""

import argparse
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from rehearsal.checks import check
from rehearsal.nights import rehearse
from rehearsal.service import Service
from rehearsal.story import Story
from served import emulator


def main(argv: Sequence[str] | None = None) -> int:
    """Rehearse once and print the tables; 0 when everything held, 1 otherwise."""
    arguments = _parser().parse_args(argv)
    story = Story(
        nights=arguments.nights,
        faces=arguments.faces,
        changed=max(1, arguments.faces // 50),
        drifting=max(1, arguments.faces // 1000),
        seed=arguments.seed,
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(exist_ok=True)
        words = ["--latency", "1ms", "--jitter", "0ms"]
        words += ["--external-fields", arguments.external_fields]
        with emulator(folder, *words) as url:
            sdk = import_module("huaweicloudsdkfrs.v2")
            rehearsal = rehearse(story, folder, Service(url, sdk))
    named = "night | needed | plan | reads to plan | reads | updates | failed | drifted"
    print(f"| {named} | mismatch |\n|{9 * '---|'}")
    for night in rehearsal.nights:
        listed = [f"{len(faces):,}" for faces in night.listed.values()]
        cells = [f"{night.number}", f"{night.needed:,}", str(dict(night.statuses))]
        counts = (night.planned, night.read, night.sent)
        cells += [*(f"{count:,}" for count in counts), *listed]
        print(f"| {' | '.join(cells)} |")
    found = list(check(rehearsal))
    print("\n| | check | seen |\n|---|---|---|")
    for each in found:
        print(f"| {'held' if each.good else 'BROKEN'} | {each.what} | {each.seen} |")
    print(f"\n{time.monotonic() - began:.0f} s, seed {story.seed}")
    return 0 if all(each.good for each in found) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    parser.add_argument("--nights", type=int, default=5)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=Story().seed)
    parser.add_argument(
        "--external-fields",
        choices=("merge", "replace"),
        default="replace",
        help="what the service does with fields that an update does not name",
    )
    parser.add_argument("--keep", type=Path, help="keep all files in this folder")
    return parser
