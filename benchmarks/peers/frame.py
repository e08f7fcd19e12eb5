"""What the peers share: the job from the command line, and a clock around it."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HEADERS = {"Content-Type": "application/json", "X-Auth-Token": "bench-token"}


@dataclass(frozen=True, slots=True)
class Job:
    """
    What a peer is to do.

    Args:
        url: what to PUT to.
        bodies: one for each request, as they go over the wire.
        ca_file: PEM of the authority to trust, or None for plain http.
    """

    url: str
    bodies: list[bytes]
    ca_file: str | None


def run(send: Callable[[Job], None]) -> None:
    """
    Take the job, do it, and tell how long it took.

    The bodies are read before the clock starts: what a peer would do to make them
    is not counted against it. `send` raises when an answer is not 200.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--ca-file")
    given = parser.parse_args()
    job = Job(given.url, given.bodies.read_bytes().splitlines(), given.ca_file)
    started, spent = time.perf_counter(), time.process_time()
    send(job)
    seconds, cpu = time.perf_counter() - started, time.process_time() - spent
    print(json.dumps({"seconds": seconds, "cpu": cpu}))


class Refused(Exception):
    """An answer that is not 200."""
