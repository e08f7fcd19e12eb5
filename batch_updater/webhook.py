"""What a command came to, posted to a webhook: a few tries, and soon over."""

import asyncio
import time
from collections.abc import Mapping
from itertools import count
from random import Random, SystemRandom
from typing import Any

from batch_updater.config.webhook import Webhook
from batch_updater.delivery.retry import RetryPolicy
from batch_updater.frs.transport import open_transport
from batch_updater.inert import json_line
from batch_updater.models import Reply
from batch_updater.scribe import QUOTING

_LONGEST = 6.0  # seconds of a try
# Whoever stops a command often waits for 30 s (Kubernetes does) before he kills it.
_POLICY = RetryPolicy(max_attempts=4, max_elapsed=20.0 - _LONGEST, base=1.0)
_MAY_PASS = frozenset({408, 425, 429})


def make_body(
    content: Mapping[str, Any], facts: Mapping[str, Any], *, values: bool
) -> bytes:
    """
    Return the JSON to post.

    Args:
        content: the summary, as JSON carries it.
        facts: what a summary does not tell: command, host and exit code.
        values: whether the service's own words go along; they quote values of rows.
    """
    told = {**content, **facts}
    return json_line(told if values else _without_words(told)).encode()


def _without_words(told: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(told)
    if errors := kept.get("errors"):
        kept["errors"] = [{**each, "message": ""} for each in errors]
    stop = kept.get("stop")
    if stop and stop["name"] in QUOTING:
        kept["stop"] = {**stop, "message": ""}
    return kept


async def post(
    webhook: Webhook,
    body: bytes,
    *,
    policy: RetryPolicy = _POLICY,
    chance: Random | None = None,
) -> str:
    """
    Post a body; return what went wrong, or nothing when it was taken.

    An answer of 2xx takes it. No answer, 5xx, 408, 425 and 429 are tried again, all
    others are not: a redirect would lead where nobody said that it may go.

    Args:
        policy: how often it is tried, and for how long a try may begin.
    """
    chance = chance or SystemRandom()
    async with open_transport(
        patience=min(webhook.patience, _LONGEST),
        ssl_context=webhook.ssl_context,
        proxy_for=webhook.proxy_for,
    ) as transport:
        began = time.monotonic()
        for attempt in count(1):
            reply = await transport.send("POST", webhook.url, webhook.headers, body)
            trouble = _trouble(reply)
            delay = policy.backoff(attempt, reply.retry_after, chance)
            again = policy.allows(attempt, time.monotonic() - began, delay)
            if not trouble or not again or not _may_pass(reply):
                return trouble
            await asyncio.sleep(delay)
    raise AssertionError


def _trouble(reply: Reply) -> str:
    if reply.status is None:
        return f"TRANSPORT.{reply.error.upper()}: {reply.detail}"
    if 200 <= reply.status < 300:
        return ""
    if 300 <= reply.status < 400:
        return f"it answered {reply.status}, and redirects are not followed"
    return f"it answered {reply.status}"


def _may_pass(reply: Reply) -> bool:
    status = reply.status
    return status is None or status >= 500 or status in _MAY_PASS
