"""
Throughput and cost of `run --rate unlimited` beside other clients, over http and https.

All send the same bodies to an nginx of our own that answers like FRS, in turn, several
rounds; what counts are ratios within a round.
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from benchmarks.nginx.running import Nginx, NginxTrouble, start_nginx, tell_version
from benchmarks.race import tables
from benchmarks.race.clients import BARE, WRK, Client, Place, all_clients
from benchmarks.race.figures import Round, Turn
from benchmarks.race.input import make_input
from benchmarks.race.laps import Lap, Untrue, run_lap
from benchmarks.race.plot import draw

_NEEDED = ("httpx", "matplotlib", "uvloop")
_PACKAGES = ("aiohttp", "uvloop", "httpx", "requests", "huaweicloudsdkfrs")
_FEW = 100  # rows of the run that tells what the start costs


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how much, how often, who, and where to write."""
    parser.add_argument("--rows", type=int, default=100_000, help="of the fast ones")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="those whose name has this word")
    parser.add_argument("--no-tls", action="store_true", help="leave https out")
    parser.add_argument("--beside", metavar="PYTHON", help="of another installation")
    parser.add_argument("--out", type=Path, default=Path("bench-results"))


def measure(options: argparse.Namespace) -> None:
    """Run the rounds; print the tables, and write them and a plot."""
    _say_what_is_missing()
    core = _keep_to_one_core()
    chosen = _choose(all_clients(options.beside), options.only)
    try:
        with start_nginx(core) as server, tempfile.TemporaryDirectory() as folder:
            race = _Race(server, Path(folder), options.rows)
            plain, secure = _run(race, chosen, options)
    except (NginxTrouble, Untrue) as trouble:
        raise SystemExit(str(trouble)) from None
    _tell(plain, secure, options)


def _say_what_is_missing() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise SystemExit(f"`make bench` installs what is missing: {', '.join(missing)}")
    if shutil.which("wrk") is None:
        print("Without wrk, the ceiling: apt-get install wrk\n")


def _keep_to_one_core() -> int | None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("One processor for client and server: they share it.\n")
        return None
    os.sched_setaffinity(0, {cores[0]})
    print(f"Clients on processor {cores[0]}, nginx on {cores[1]}.\n")
    return cores[1]


def _choose(clients: Sequence[Client], word: str) -> list[Client]:
    return [c for c in clients if word in c.name or c.file or c.name == BARE]


class _Race:
    """The server, and the input by its number of rows."""

    def __init__(self, server: Nginx, folder: Path, rows: int) -> None:
        self._server = server
        self._folder = folder
        self._rows = rows
        self.plain = Place(server.url)
        self.secure = Place(server.tls_url, server.ca_file)

    def turn(self, client: Client, place: Place) -> Turn:
        """Let one client send few rows and then its share of all."""
        rows = max(round(self._rows * client.share), 2 * _FEW)
        few = None if client.name == WRK else self._lap(client, place, _FEW)
        turn = Turn(few, self._lap(client, place, rows))
        print(f"{client.name:42}{place.scheme:6}{turn.rate:>9,.0f}/s", end="")
        print(f"{turn.cpu:9.1f} µs", flush=True)
        return turn

    def _lap(self, client: Client, place: Place, rows: int) -> Lap:
        return run_lap(client, place, self._input(rows), self._server)

    def _input(self, rows: int) -> Path:
        folder = self._folder / str(rows)
        if not folder.exists():
            make_input(folder, rows)
        return folder


def _run(
    race: _Race, clients: Sequence[Client], options: argparse.Namespace
) -> tuple[list[Round], list[Round]]:
    plain: list[Round] = []
    secure: list[Round] = []
    both = {c.name for c in clients if c.file or c.name == BARE}
    both = set() if options.no_tls else both
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}")
        # Nobody always comes after the same one.
        places = len(clients)
        order = [clients[(number + i) % places] for i in range(places)]
        open_turns, tls_turns = {}, {}
        for client in order:
            open_turns[client.name] = race.turn(client, race.plain)
            if client.name in both:
                tls_turns[client.name] = race.turn(client, race.secure)
        plain.append(open_turns)
        secure += [tls_turns] if both else []
    return plain, secure


def _tell(
    plain: Sequence[Round], secure: Sequence[Round], options: argparse.Namespace
) -> None:
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    parts = [f"Taken {when}, {options.rounds} rounds, median (least to most)."]
    parts.append(_machine())
    parts.append(tables.throughput(plain))
    if secure:
        parts.append(tables.tls(plain, secure))
    parts.append(tables.goals(plain, secure))
    text = "\n\n".join(parts) + "\n"
    print(f"\n{text}")
    options.out.mkdir(exist_ok=True)
    (options.out / "throughput.md").write_text(text)
    laps = json.dumps({"http": plain, "https": secure}, default=asdict, indent=1)
    (options.out / "throughput.json").write_text(laps)
    draw(plain, secure, options.out / "throughput.svg")
    print(f"Written to {options.out}: throughput.md, .json and .svg")


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    release = platform.release().partition("-")[0]
    system = f"{platform.system()} {release}, {os.cpu_count()} processors"
    return (
        f"{system}, Python {platform.python_version()}, {packages}, {tell_version()}."
    )
