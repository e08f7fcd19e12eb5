"""aiohttp as its front page shows it: json=, resp.json(), the default loop."""

import asyncio
import json
import ssl
from collections.abc import Iterator

import aiohttp

from benchmarks.peers.bare import WORKERS
from benchmarks.peers.frame import HEADERS, Job, Refused, run


async def _send_all(job: Job) -> None:
    context = ssl.create_default_context(cafile=job.ca_file) if job.ca_file else True
    left = iter([json.loads(body) for body in job.bodies])
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), headers=HEADERS
        ) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(WORKERS):
            group.create_task(_work(session, job.url, left))


async def _work(
    session: aiohttp.ClientSession, url: str, left: Iterator[dict[str, object]]
) -> None:
    for body in left:
        async with session.put(url, json=body) as reply:
            answer = await reply.json()
            if reply.status != 200 or answer["face_number"] != 1:
                raise Refused(reply.status)


if __name__ == "__main__":
    run(lambda job: asyncio.run(_send_all(job)))
