"""FRS calls of one project: each is one request, and whatever happens is a Reply."""

from collections.abc import Coroutine
from typing import Any

from yarl import URL

from batch_updater.frs.auth import Auth
from batch_updater.frs.protocol import (
    face_query,
    face_set_path,
    face_sets_path,
    faces_path,
    page_query,
)
from batch_updater.frs.sending import BODY_LIMIT, Send
from batch_updater.models import Reply

Coming = Coroutine[Any, Any, Reply]
"""A Reply that comes, whatever happens on the way."""

_FACE_LIMIT = 32 * 1024  # ten fields of 256 characters, all escaped, and to spare
_FACE_SETS_LIMIT = 4 << 20  # all are in one answer; a set takes about 300 bytes


class FrsClient:
    """
    FRS calls of one project.

    Args:
        endpoint: URL without a trailing slash.
        project_id: part of every path; may be set later, before the first call.
    """

    def __init__(self, send: Send, endpoint: str, project_id: str, auth: Auth) -> None:
        self.project_id = project_id
        self._send = send
        self._endpoint = endpoint
        self._auth = auth
        self._urls: dict[str, URL] = {}

    def update_face(self, face_set_name: str, body: bytes) -> Coming:
        """PUT one update; the body is what protocol.encode_update made."""
        url = self._urls.get(face_set_name)
        if url is None:
            url = self._url(faces_path(self.project_id, face_set_name))
            self._urls[face_set_name] = url
        return self._call("PUT", url, body)

    def show_face_set(self, face_set_name: str) -> Coming:
        """GET a face set: its declared fields, and proof that we may ask."""
        url = self._url(face_set_path(self.project_id, face_set_name))
        return self._call("GET", url, None)

    def show_face_sets(self) -> Coming:
        """GET all face sets of the project."""
        url = self._url(face_sets_path(self.project_id))
        return self._call("GET", url, None, limit=_FACE_SETS_LIMIT)

    def show_face(self, face_set_name: str, face_id: str) -> Coming:
        """GET one face by its id (API page 0094)."""
        path = faces_path(self.project_id, face_set_name)
        return self._call("GET", self._url(face_query(path, face_id)), None)

    def show_faces(self, face_set_name: str, offset: int, limit: int) -> Coming:
        """GET a page of faces (API page 0094)."""
        path = faces_path(self.project_id, face_set_name)
        url = self._url(page_query(path, offset, limit))
        most = BODY_LIMIT + limit * _FACE_LIMIT
        return self._call("GET", url, None, limit=most)

    def _url(self, path: str) -> URL:
        return URL(self._endpoint + path, encoded=True)

    def _call(
        self, method: str, url: URL, body: bytes | None, *, limit: int = BODY_LIMIT
    ) -> Coming:
        # Not awaited here: every layer between a worker and its answer costs time.
        headers = self._auth.headers(method, url, body or b"", self.project_id)
        return self._send(method, url, headers, body, limit=limit)
