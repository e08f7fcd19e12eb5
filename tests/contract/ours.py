"""The updater's own client: its sign-in, its transport, its signatures, its paths."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from yarl import URL

from batch_updater.config.connection import Connection
from batch_updater.errors import RunRefused
from batch_updater.frs.auth import Auth
from batch_updater.frs.client import FrsClient
from batch_updater.frs.iam import find_project
from batch_updater.frs.protocol import (
    face_set_path,
    face_sets_path,
    faces_path,
    read_error,
    read_json,
)
from batch_updater.frs.sending import TryAgain
from batch_updater.frs.transport import Transport, open_transport
from batch_updater.models import Reply
from contract.asking import HEADERS, Answer, Ask

_METHODS = {
    "create": "POST",
    "add": "POST",
    "show": "GET",
    "update": "PUT",
    "delete": "DELETE",
    "batch": "DELETE",
}
_SETS = ("create_face_set", "show_all_face_sets")
_SET = ("show_face_set", "delete_face_set")

T = TypeVar("T")


class OurClient:
    """Calls over the updater's transport, whose loop has a thread of its own."""

    name = "ours"

    def __init__(self, connection: Connection, patience: float) -> None:
        self.connection = connection
        self._patience = patience
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._stack = AsyncExitStack()
        self._transport: Transport
        self.auth: Auth
        self._client: FrsClient

    @property
    def project_id(self) -> str:
        """The project, once signed in."""
        return self._client.project_id

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no report may hold."""
        return (*self.connection.source.secrets, *self.auth.credential.secrets)

    def start(self) -> None:
        """Open the transport."""
        self._thread.start()
        self._await(self._open())

    def stop(self) -> None:
        """Close every connection, and end the thread."""
        try:
            self._await(self._stack.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def sign_in(self) -> None:
        """
        Get credentials, and the project's id where nobody says it.

        Raises:
            RunRefused: they cannot be had; UsageError: there is no one project.
        """
        try:
            self._await(self._sign_in())
        except TryAgain as problem:
            raise RunRefused(f"signing in failed: {problem.message}") from None

    def knows(self, operation: str) -> bool:
        """Return True: it takes any path."""
        return True

    def call(self, ask: Ask) -> Answer:
        """Send one request."""
        return _answer(self._await(self._send(ask)))

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        ways = open_transport(
            patience=self._patience,
            ssl_context=self.connection.ssl_context,
            proxy_for=self.connection.proxy_for,
        )
        self._transport = await self._stack.enter_async_context(ways)
        send, hide = self._transport.send, self._transport.hide
        self.auth = Auth(self.connection.source, send, hide=hide)
        self._client = FrsClient(
            partial(send, keep=HEADERS),
            self.connection.endpoint,
            self.connection.project_id,
            self.auth,
        )

    async def _sign_in(self) -> None:
        await self.auth.renew()
        if self._client.project_id or self.auth.project_id:
            self._client.project_id = self._client.project_id or self.auth.project_id
            return
        iam, region = self.connection.iam_endpoint, self.connection.region
        credential = self.auth.credential
        send = self._transport.send
        self._client.project_id = await find_project(send, iam, credential, region)

    async def _send(self, ask: Ask) -> Reply:
        body = None if ask.body is None else orjson.dumps(ask.body)
        match ask.operation:
            case "update_face":
                return await self._client.update_face(ask.face_set, body or b"")
            case "show_face_set":
                return await self._client.show_face_set(ask.face_set)
            case "show_all_face_sets":
                return await self._client.show_face_sets()
            case "show_faces_by_face_id":
                face_id = str(ask.query["face_id"])
                return await self._client.show_face(ask.face_set, face_id)
            case "show_faces_by_limit" if ask.query:
                offset, limit = int(ask.query["offset"]), int(ask.query["limit"])
                return await self._client.show_faces(ask.face_set, offset, limit)
            case _:
                return await self._send_by_hand(ask, body)

    async def _send_by_hand(self, ask: Ask, body: bytes | None) -> Reply:
        # What the updater itself never calls.
        method = _METHODS[ask.operation.partition("_")[0]]
        url = URL(self.connection.endpoint + self._target(ask), encoded=True)
        headers = self.auth.headers(method, url, body or b"", self.project_id)
        return await self._transport.send(method, url, headers, body, keep=HEADERS)

    def _target(self, ask: Ask) -> str:
        operation = ask.operation.removesuffix("_v1")
        if operation in _SETS:
            path = face_sets_path(self.project_id)
        elif operation in _SET:
            path = face_set_path(self.project_id, ask.face_set)
        else:
            path = faces_path(self.project_id, ask.face_set)
        if operation == "batch_delete_faces":
            path += "/batch"
        if operation != ask.operation:
            path = path.replace("/v2/", "/v1/", 1)
        return f"{path}?{urlencode(ask.query)}" if ask.query else path


@contextmanager
def open_client(connection: Connection, patience: float) -> Iterator[OurClient]:
    """
    Open the updater's client and sign in.

    Raises:
        RunRefused, UsageError: as OurClient.sign_in says.
    """
    client = OurClient(connection, patience)
    client.start()
    try:
        client.sign_in()
        yield client
    finally:
        client.stop()


def _answer(reply: Reply) -> Answer:
    if reply.status is None:
        return Answer(None, message=reply.error)
    kept = zip(HEADERS, reply.kept, strict=True)
    headers = {name: value for name, value in kept if value}
    error, content = read_error(reply.body), read_json(reply.body)
    return Answer(
        reply.status,
        error.code if error else "",
        error.message if error else "",
        content if isinstance(content, dict) else {},
        headers,
    )
