"""httpx, asynchronous, 64 workers, bytes in, bytes out."""

import asyncio
import ssl
from collections.abc import Iterator

import httpx

from benchmarks.peers.bare import WORKERS
from benchmarks.peers.frame import HEADERS, Job, Refused, run


async def _send_all(job: Job) -> None:
    context = ssl.create_default_context(cafile=job.ca_file) if job.ca_file else True
    left = iter(job.bodies)
    limits = httpx.Limits(max_connections=WORKERS, max_keepalive_connections=WORKERS)
    async with (
        httpx.AsyncClient(
            headers=HEADERS, verify=context, limits=limits, timeout=30, trust_env=False
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(WORKERS):
            group.create_task(_work(client, job.url, left))


async def _work(client: httpx.AsyncClient, url: str, left: Iterator[bytes]) -> None:
    for body in left:
        reply = await client.put(url, content=body)
        if reply.status_code != 200:
            raise Refused(reply.status_code)


if __name__ == "__main__":
    run(lambda job: asyncio.run(_send_all(job)))
