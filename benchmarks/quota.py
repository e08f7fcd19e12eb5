"""
One quota that several real commands share: the sum in the worst second, who got what.

Counted at the server, by the emulator in a process of its own, over the time during
which all of them were at work.
"""

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.rate import FACE_SET, PROJECT, TOKEN, call, emulator

RATES = (10, 100, 500)
RUNS = (2, 3, 8)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how long."""
    parser.add_argument("--seconds", type=float, default=12.0)


def measure(options: argparse.Namespace) -> None:
    """Print the table."""
    seconds: float = options.seconds
    print(f"One quota shared by several runs, {seconds:g} s each: starts in the worst")
    print("second of all, share of the rate used, least and most of one run\n")
    print("| runs | " + " | ".join(f"rate {rate}" for rate in RATES) + " |")
    print("|---|" + "---|" * len(RATES))
    for runs in RUNS:
        cells = [_cell(rate, runs, seconds) for rate in RATES]
        print(f"| {runs} | " + " | ".join(cells) + " |", flush=True)
    print()


def _cell(rate: float, runs: int, seconds: float) -> str:
    rows = round(rate * (seconds + 20))  # nobody comes to an end meanwhile
    with emulator() as url, tempfile.TemporaryDirectory() as folder:
        for run in range(runs):
            faces = [{"face_id": _face(run, i)} for i in range(rows)]
            call(url, "seed", {"face_set_name": FACE_SET, "faces": faces})
        with ExitStack() as commands:
            for run in range(runs):
                commands.enter_context(_command(url, rate, Path(folder), run, rows))
            while len(_owners(_updates(url))) < runs:
                time.sleep(0.1)
            time.sleep(seconds + 1)
        return _describe(_updates(url), call(url, "witness"), rate, seconds)


def _describe(
    updates: Sequence[dict], witness: dict, rate: float, seconds: float
) -> str:
    first = max({_owner(u): u["arrival"] for u in reversed(updates)}.values())
    counted = [u for u in updates if first <= u["arrival"] < first + seconds]
    shares = sorted(_owners(counted).values())
    span = counted[-1]["arrival"] - counted[0]["arrival"]
    used = (len(counted) - 1) / span / rate
    least, most = (100 * n / len(counted) for n in (shares[0], shares[-1]))
    worst = witness["worst_second"]
    return f"{worst}, {100 * used:.1f} %, {least:.1f} to {most:.1f} %"


def _owners(updates: Sequence[dict]) -> Counter[str]:
    return Counter(map(_owner, updates))


def _owner(update: dict) -> str:
    return update["face_id"][:2]


def _face(run: int, number: int) -> str:
    return f"{run:02d}{number:06d}"


def _updates(url: str) -> list[dict]:
    updates: list[dict] = []
    while page := call(url, f"updates?since={len(updates)}&limit=10000")["updates"]:
        updates += page
    return updates


@contextmanager
def _command(
    url: str, rate: float, folder: Path, run: int, rows: int
) -> Iterator[None]:
    path = folder / f"faces{run}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["face_id", "external_image_id"])
        writer.writerows([_face(run, i), f"img-{i}"] for i in range(rows))
    words = [sys.executable, "-m", "batch_updater", "run", str(path), "-q"]
    words += ["--face-set", FACE_SET, "--endpoint", url, "--project-id", PROJECT]
    words += ["--rate", str(rate), "--run-dir", f"{folder}/run{run}"]
    words += ["--share-quota", "--quota-dir", f"{folder}/quota"]
    environ = {**os.environ, "BATCH_UPDATER_TOKEN": TOKEN}
    process = subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
