"""The real command against a real nginx, which counts connections and handshakes."""

import csv
import json

import pytest
from bench import Bench
from commands import call

from benchmarks.nginx.config import FACE_SET, PROJECT
from benchmarks.nginx.counts import Counts, Reading, between, read_status
from benchmarks.nginx.running import Nginx

ROWS = 2000
CONCURRENCY = 16


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_connections_are_held_for_the_whole_run(
    bench: Bench, nginx: Nginx, scheme: str
) -> None:
    """
    Each row is one PUT, and no worker needs more than its one connection for all.

    Over TLS a connection is a handshake. A tenth more is for those that break.
    """
    with (bench.folder / "faces.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["face_id", "external_fields.id"])
        writer.writerows([f"{n:08d}", f"person-{n}"] for n in range(ROWS))
    url = {"http": nginx.url, "https": nginx.tls_url}[scheme]
    target = ("--endpoint", url, "--project-id", PROJECT, "--face-set", FACE_SET)
    pace = ("--rate", "unlimited", "--concurrency", str(CONCURRENCY))
    before = nginx.read()
    ended = call(
        bench,
        *("run", "faces.csv", "--run-dir", "job", "--output", "json"),
        *target,
        *pace,
        *(("--ca-cert", str(nginx.ca_file)) if scheme == "https" else ()),
    )
    seen = between(before, nginx.read())
    assert ended.code == 0, ended
    assert ended.json["outcomes"]["updated"] == ended.json["attempts"] == ROWS
    assert (seen.updates, seen.others) == (ROWS, 1)  # the question about the face set
    assert seen.connections <= 1.1 * CONCURRENCY
    values = [row["payload_sha256"] for row in bench.record().results]
    assert len(set(values)) == ROWS


def test_nginx_counts_are_those_between_two_readings() -> None:
    """The second reading's own request, and all before the first, are left out."""
    page = "Active connections: 1 \nserver accepts handled requests\n {} {} {} \nReading: 0"
    first = read_status(page.format(5, 5, 9), "1 GET 200 -\n")
    log = "1 GET 200 -\n1 PUT 200 r\n7 PUT 503 .\n2 GET 200 r\n1 GET 404 .\n"
    last = read_status(page.format(9, 9, 109), log)
    assert first == Reading(5, 9, ("1 GET 200 -",))
    assert between(first, last) == Counts(
        connections=3, updates=96, others=3, resumed=1
    )


def test_what_is_not_a_status_page_is_refused() -> None:
    """A figure is never taken from another page."""
    with pytest.raises(ValueError, match="stub_status"):
        read_status(json.dumps({"error_code": "APIGW.0101"}), "")
