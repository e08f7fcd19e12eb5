"""The official SDK: update_face from 16 threads. Give it a scratch HOME: it writes there."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkfrs import v2

from benchmarks.peers.frame import Job, Refused, run

_THREADS = 16


def send(job: Job) -> None:
    """Send each body as the SDK does, signed; its signer is part of its cost."""
    client = _build(job)

    def update(body: bytes) -> None:
        content = json.loads(body)
        request = v2.UpdateFaceRequest(face_set_name=job.url.split("/")[-2])
        request.body = v2.UpdateFaceReq(**content)
        if client.update_face(request).face_number != 1:
            raise Refused(content["face_id"])

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(update, job.bodies):
            pass


def _build(job: Job) -> Any:
    where = urlsplit(job.url)
    project = where.path.split("/")[2]
    trusted = {"ssl_ca_cert": job.ca_file} if job.ca_file else {}
    builder = v2.FrsClient.new_builder()
    builder = builder.with_http_config(HttpConfig(timeout=30, **trusted))
    builder = builder.with_credentials(BasicCredentials("AK", "SK", project))
    return builder.with_endpoint(f"{where.scheme}://{where.netloc}").build()


if __name__ == "__main__":
    run(send)
