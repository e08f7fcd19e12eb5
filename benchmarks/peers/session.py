"""The vendor's sample with one requests.Session, so that the connection is kept."""

import json

import requests

from benchmarks.peers.frame import HEADERS, Job, Refused, run


def send(job: Job) -> None:
    """Send each body by the one connection."""
    with requests.Session() as session:
        session.headers.update(HEADERS)
        session.verify = job.ca_file or True
        for body in job.bodies:
            reply = session.put(job.url, json=json.loads(body), timeout=30)
            if reply.status_code != 200 or reply.json()["face_number"] != 1:
                raise Refused(reply.status_code)


if __name__ == "__main__":
    run(send)
