"""Who takes part: the commands, and how much each is given to do."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.nginx.config import FACE_SET, PROJECT

CONCURRENCY = 64
BARE = "aiohttp, bare and tuned"
BESIDE = "beside, "
OURS = ("batch-updater, Parquet", "batch-updater, CSV")
SDK = "official SDK, 16 threads"
VENDOR = "requests.put a row (the vendor's sample)"
WRK = "wrk"
WRK_SECONDS = 2

_PATH = f"/v2/{PROJECT}/face-sets/{FACE_SET}"


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where the clients send to.

    Args:
        endpoint: URL without a trailing slash.
        ca_file: PEM of the authority to trust; None for plain http.
    """

    endpoint: str
    ca_file: Path | None = None

    @property
    def scheme(self) -> str:
        """http or https."""
        return self.endpoint.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Client:
    """
    One that sends updates.

    Args:
        share: of the rows that it gets; slow ones get few, and counts are by request.
        peer: its script in benchmarks.peers, or empty.
        file: the input that our command reads, or empty.
        python: the interpreter that our command is installed in.
    """

    name: str
    share: float = 1.0
    peer: str = ""
    file: str = ""
    python: str = sys.executable

    def words(self, place: Place, folder: Path) -> list[str]:
        """Return the command that sends the input in a folder."""
        if self.peer:
            return self._peer_words(place, folder)
        return (
            self._our_words(place, folder) if self.file else _wrk_words(place, folder)
        )

    def _peer_words(self, place: Place, folder: Path) -> list[str]:
        words = [sys.executable, "-m", f"benchmarks.peers.{self.peer}"]
        words += [f"{place.endpoint}{_PATH}/faces", str(folder / "bodies.jsonl")]
        return words + (["--ca-file", str(place.ca_file)] if place.ca_file else [])

    def _our_words(self, place: Place, folder: Path) -> list[str]:
        words = [self.python, "-m", "batch_updater", "run", str(folder / self.file)]
        words += ["--endpoint", place.endpoint, "--project-id", PROJECT]
        words += ["--face-set", FACE_SET, "--rate", "unlimited"]
        words += ["--concurrency", str(CONCURRENCY), "--run-dir", str(folder / "run")]
        return words + (["--ca-cert", str(place.ca_file)] if place.ca_file else [])


def _wrk_words(place: Place, folder: Path) -> list[str]:
    # It repeats the first body; what it says about itself is not used.
    body = (folder / "bodies.jsonl").read_text().partition("\n")[0]
    script = folder / "put.lua"
    script.write_text(
        f"wrk.method = 'PUT'\nwrk.body = [[{body}]]\n"
        "wrk.headers['Content-Type'] = 'application/json'\n"
        "wrk.headers['X-Auth-Token'] = 'bench-token'\n"
    )
    words = ["wrk", "-t", "1", "-c", str(CONCURRENCY), "-d", f"{WRK_SECONDS}s"]
    return [*words, "-s", str(script), f"{place.endpoint}{_PATH}/faces"]


def all_clients(beside: str | None = None) -> list[Client]:
    """
    Return those who take part, the bare loop between ours.

    Args:
        beside: the interpreter of another installation of our command, or None.
    """
    parquet, csv = OURS
    clients = [
        Client(parquet, file="faces.parquet"),
        Client(BARE, peer="bare"),
        Client(csv, file="faces.csv"),
        Client("aiohttp, stock", 0.5, peer="stock"),
        Client("requests, one Session", 0.05, peer="session"),
        Client(VENDOR, 0.05, peer="vendor"),
        Client(SDK, 0.1, peer="sdk"),
        Client("httpx async", 0.02, peer="httpx_async"),
    ]
    if beside:
        clients[1:1] = [
            Client(BESIDE + each.name, file=each.file, python=beside)
            for each in clients
            if each.file
        ]
    return clients + ([Client(WRK)] if shutil.which("wrk") else [])
