"""The one door to the network: a call goes out, a Reply comes back, always."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
from yarl import URL

from batch_updater.frs.auth import Auth
from batch_updater.frs.protocol import face_set_path, faces_path, parse_retry_after
from batch_updater.models import Reply

_BODY_LIMIT = 64 * 1024
_TEXT_LIMIT = 500
_IDLE_SECONDS = 120  # the gateway closes connections idle for 300 s


class FrsClient:
    """
    FRS calls of one project over one session.

    Every method returns a Reply, whatever happened on the way, and sends exactly
    one request: aiohttp's own resending is off, because the pacer would not know.
    """

    def __init__(
        self, session: aiohttp.ClientSession, endpoint: str, project_id: str, auth: Auth
    ) -> None:
        self._session = session
        self._endpoint = endpoint
        self._project_id = project_id
        self._auth = auth
        self._urls: dict[str, URL] = {}

    async def update_face(self, face_set_name: str, body: bytes) -> Reply:
        """PUT one update; the body is what protocol.encode_update made."""
        url = self._urls.get(face_set_name)
        if url is None:
            url = self._url(faces_path(self._project_id, face_set_name))
            self._urls[face_set_name] = url
        return await self._call("PUT", url, body)

    async def show_face_set(self, face_set_name: str) -> Reply:
        """GET a face set: its declared fields, and proof that we may ask."""
        url = self._url(face_set_path(self._project_id, face_set_name))
        return await self._call("GET", url, None)

    @property
    def credentials_version(self) -> int:
        """A number that grows with every renewal."""
        return self._auth.version

    async def renew_credentials(self, stale: int) -> bool:
        """Replace credentials of this version; False when there are no others."""
        return await self._auth.renew(stale)

    def _url(self, path: str) -> URL:
        return URL(self._endpoint + path, encoded=True)

    async def _call(self, method: str, url: URL, body: bytes | None) -> Reply:
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                headers=self._auth.headers(),
                allow_redirects=False,
            ) as response:
                return await _read_reply(response)
        except (aiohttp.ClientError, TimeoutError, _BrokenConnection) as error:
            return _reply_of_trouble(error)


class _BrokenConnection(Exception):
    """A broken connection in a shape that aiohttp does not resend by itself."""


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    # aiohttp quietly repeats an idempotent request whose connection broke. That
    # second request would pass no pacer and stand in no journal.
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenConnection(str(error) or "server disconnected") from error


async def _read_reply(response: aiohttp.ClientResponse) -> Reply:
    headers = response.headers
    return Reply(
        status=response.status,
        body=await _read_body(response),
        request_id=_clean(headers.get("X-Request-Id", "")),
        retry_after=parse_retry_after(headers.get("Retry-After"), datetime.now(UTC)),
    )


def _clean(text: str) -> str:
    """Return text from outside as it can be written down: short, and whole."""
    return text[:_TEXT_LIMIT].encode("utf-8", "replace").decode()


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    if length is not None and length <= _BODY_LIMIT:
        return await response.read()
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size >= _BODY_LIMIT:
            response.close()
            break
    return b"".join(parts)[:_BODY_LIMIT]


def _reply_of_trouble(error: Exception) -> Reply:
    detail = _clean(str(error) or type(error).__name__)
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return Reply(None, error="tls", detail=detail, sent=False)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return Reply(None, error="connect", detail=detail, sent=False)
        case asyncio.TimeoutError():
            return Reply(None, error="timeout", detail="no answer within --timeout")
        case _:
            return Reply(None, error="reset", detail=detail)


@asynccontextmanager
async def open_client(
    endpoint: str, project_id: str, auth: Auth, *, concurrency: int, patience: float
) -> AsyncIterator[FrsClient]:
    """
    Open a client whose connections are kept until the block ends.

    Args:
        endpoint: URL without a trailing slash.
        concurrency: the most connections at once.
        patience: seconds an attempt may take, connecting included.
    """
    connector = aiohttp.TCPConnector(
        limit=concurrency, keepalive_timeout=_IDLE_SECONDS, ttl_dns_cache=300
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=patience),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Content-Type": "application/json",
            "User-Agent": "batch-updater",
        },
        middlewares=(_send_once,),
    ) as session:
        yield FrsClient(session, endpoint, project_id, auth)
