"""One client sends the whole input once: what it took, and what the server counted."""

import csv
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.nginx.counts import Counts, between
from benchmarks.nginx.running import Nginx
from benchmarks.race.clients import WRK, WRK_SECONDS, Client, Place
from benchmarks.race.input import hashes_of
from benchmarks.race.watching import Point, cpu_while_sending, watch

_ROOT = Path(__file__).parents[2]
_CLEAN = ("BATCH_UPDATER_", "HUAWEICLOUD_", "REQUESTS_CA", "SSL_CERT", "CURL_CA")


class Untrue(Exception):
    """A client did not do what it was timed for."""


@dataclass(frozen=True, slots=True)
class Lap:
    """
    What one client took for its rows.

    Args:
        seconds: from its first request to its last answer.
        wall: seconds of the whole process.
        cpu: seconds of processor time of the whole process, user and system.
        sending: seconds of it a request while requests were sent, or None when that
            was too short to tell.
        counts: what the server saw meanwhile.
    """

    requests: int
    seconds: float
    wall: float
    cpu: float
    sending: float | None
    counts: Counts


def run_lap(client: Client, place: Place, folder: Path, server: Nginx) -> Lap:
    """
    Let a client send the input in a folder.

    Raises:
        Untrue: it ended with an error, or the server did not answer one update for
            each row, or the command does not say that each row was updated.
    """
    before = server.read()
    # Peers are found from here; our command is the one that is installed, wherever.
    here = _ROOT if client.peer else folder
    ended = _spend(client.words(place, folder), here, folder / "run" / "journal.jsonl")
    counts = between(before, server.read())
    if client.name == WRK:
        sending = ended.cpu / counts.updates
        return Lap(counts.updates, WRK_SECONDS, ended.wall, ended.cpu, sending, counts)
    hashes = hashes_of(folder / "bodies.jsonl")
    rows = len(hashes)
    if counts.updates != rows:
        raise Untrue(f"{client.name}: {counts.updates} PUTs for {rows} rows")
    if client.peer:
        told = json.loads(ended.said)
        seconds, sending = told["seconds"], told["cpu"] / rows
    else:
        seconds = _examine(client, folder / "run", hashes)
        sending = cpu_while_sending(ended.points, rows)
    return Lap(rows, seconds, ended.wall, ended.cpu, sending, counts)


@dataclass(frozen=True, slots=True)
class _Ended:
    wall: float
    cpu: float
    said: bytes
    points: Sequence[Point]


def _environment(home: str) -> dict[str, str]:
    """Return an environment of our own: the SDK writes into HOME, proxies slow down."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_CLEAN) and not name.lower().endswith("_proxy")
    }
    return {**kept, "HOME": home, "BATCH_UPDATER_TOKEN": "bench-token"}


def _spend(words: Sequence[str], here: Path, journal: Path) -> _Ended:
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.TemporaryDirectory() as home,
    ):
        started = time.perf_counter()
        environ = _environment(home)
        process = subprocess.Popen(words, cwd=here, env=environ, stdout=out, stderr=err)
        try:
            with watch(process.pid, journal) as points:
                _, status, usage = os.wait4(process.pid, 0)
                wall = time.perf_counter() - started
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            err.seek(0)
            told = err.read().decode(errors="replace")[-2000:]
            raise Untrue(f"{' '.join(words)} ended with {process.returncode}\n{told}")
        out.seek(0)
        return _Ended(wall, usage.ru_utime + usage.ru_stime, out.read(), points)


def _examine(client: Client, run_dir: Path, hashes: Sequence[str]) -> float:
    """Return the seconds that the run tells of, if it sent what the others did."""
    summary = json.loads((run_dir / "summary.json").read_text())
    with (run_dir / "results.csv").open(newline="") as file:
        sent = [row["payload_sha256"] for row in csv.DictReader(file)]
    shutil.rmtree(run_dir)
    updated, attempts = summary["outcomes"]["updated"], summary["attempts"]
    if not updated == attempts == len(hashes):
        raise Untrue(f"{client.name}: updated {updated} by {attempts} attempts")
    if sent != hashes:
        raise Untrue(f"{client.name}: the bodies are not those of the peers")
    return float(summary["duration_s"])
