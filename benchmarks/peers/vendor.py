"""The vendor's sample: requests.put, a call a row."""

import json

import requests

from benchmarks.peers.frame import HEADERS, Job, Refused, run


def send(job: Job) -> None:
    """Send each body by a connection of its own, as the sample does."""
    for body in job.bodies:
        reply = requests.put(
            job.url,
            headers=HEADERS,
            json=json.loads(body),
            verify=job.ca_file or True,
            timeout=30,
        )
        if reply.status_code != 200 or reply.json()["face_number"] != 1:
            raise Refused(reply.status_code)


if __name__ == "__main__":
    run(send)
