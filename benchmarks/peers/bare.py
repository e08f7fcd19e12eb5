"""The barest tuned aiohttp loop: uvloop, 64 workers, bytes in, bytes out."""

import asyncio
import gc
import ssl
from collections.abc import Iterator

import aiohttp
import uvloop
from yarl import URL

from benchmarks.peers.frame import HEADERS, Job, Refused, run

WORKERS = 64


async def _send_all(job: Job) -> None:
    context = ssl.create_default_context(cafile=job.ca_file) if job.ca_file else True
    left = iter(job.bodies)
    # Socket timeouts cost nothing, a total one 7 %.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=30)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=WORKERS, ssl=context),
        timeout=timeout,
        headers=HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(_work(session, URL(job.url), left))


async def _work(
    session: aiohttp.ClientSession, url: URL, left: Iterator[bytes]
) -> None:
    for body in left:
        async with session.put(url, data=body) as reply:
            await reply.read()
            if reply.status != 200:
                raise Refused(reply.status)


if __name__ == "__main__":
    run(lambda job: uvloop.run(_send_all(job)))
