"""The official SDK as client: its model classes, and what its users see."""

import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from batch_updater.frs.proxies import Proxy
from batch_updater.frs.signing import AccessKey
from contract.asking import HEADERS, Answer, Ask

_BODIES = {
    "create_face_set": "CreateFaceSetReq",
    "add_faces_by_base64": "AddFacesBase64Req",
    "update_face": "UpdateFaceReq",
    "batch_delete_faces": "DeleteFacesBatchReq",
}


class SdkClient:
    """
    Calls through the SDK, signed.

    It has lost code, text and headers of a 429 to a PUT or GET (frs-api.md 7.4).
    """

    name = "sdk"

    def __init__(
        self,
        endpoint: str,
        project_id: str,
        key: AccessKey,
        *,
        ca_cert: Path | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._models = _import_sdk()
        self._seen: Mapping[str, str] = {}
        self._client = self._build(endpoint, project_id, key, _options(ca_cert, proxy))

    def knows(self, operation: str) -> bool:
        """Return whether the SDK has it; it knows no v1."""
        return hasattr(self._client, operation)

    def call(self, ask: Ask) -> Answer:
        """Call an operation; whatever the SDK raises becomes an answer."""
        from huaweicloudsdkcore.exceptions import exceptions

        self._seen = {}
        try:
            response = getattr(self._client, ask.operation)(self._request(ask))
        except exceptions.ServiceResponseException as refused:
            return self._refused(refused)
        except exceptions.ConnectionException as broken:
            return Answer(None, message=type(broken).__name__)
        except ValueError as broken:
            # A member of another type than the SDK expects.
            return Answer(200, message=f"the SDK cannot read it: {broken}")
        return Answer(200, content=_plain(response), headers=self._seen)

    def _request(self, ask: Ask) -> Any:
        kind = "".join(word.capitalize() for word in ask.operation.split("_"))
        named = {"face_set_name": ask.face_set} if ask.face_set else {}
        request = getattr(self._models, f"{kind}Request")(**named, **ask.query)
        if ask.body is not None:
            request.body = getattr(self._models, _BODIES[ask.operation])(**ask.body)
        return request

    def _refused(self, refused: Any) -> Answer:
        code = str(refused.error_code or "")
        if code == str(refused.status_code):  # there was none, or it was lost
            code = ""
        headers = {} if refused.status_code == 429 and not code else self._seen
        message = str(refused.error_msg or "")
        return Answer(refused.status_code, code, message, headers=headers)

    def _build(
        self, endpoint: str, project_id: str, key: AccessKey, options: dict[str, Any]
    ) -> Any:
        from huaweicloudsdkcore.auth.credentials import BasicCredentials
        from huaweicloudsdkcore.http.http_config import HttpConfig
        from huaweicloudsdkcore.http.http_handler import HttpHandler

        credentials = BasicCredentials(key.access, key.secret, project_id)
        if key.security_token:
            credentials.with_security_token(key.security_token)
        builder = self._models.FrsClient.new_builder()
        builder = builder.with_http_config(HttpConfig(**options))
        builder = builder.with_credentials(credentials).with_endpoint(endpoint)
        watcher = HttpHandler().add_response_handler(self._see)
        return builder.with_http_handler(watcher).build()

    def _see(self, **given: Any) -> None:
        # The SDK's models keep no header but the request id.
        headers = given["response"].headers
        self._seen = {name: headers[name] for name in HEADERS if name in headers}


def _import_sdk() -> ModuleType:
    # Importing it writes a file into the home folder, which is not ours to fill.
    import os

    home = os.environ.get("HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        try:
            return import_module("huaweicloudsdkfrs.v2")
        finally:
            os.environ.pop("HOME")
            if home is not None:
                os.environ["HOME"] = home


def _options(ca_cert: Path | None, proxy: Proxy | None) -> dict[str, Any]:
    options: dict[str, Any] = {"timeout": 30}
    if ca_cert:
        options["ssl_ca_cert"] = str(ca_cert)
    if proxy:
        scheme, _, where = proxy.url.partition("://")
        host, _, port = where.rpartition(":") if ":" in where else (where, "", "")
        options |= {"proxy_protocol": scheme, "proxy_host": host}
        options |= {"proxy_port": int(port)} if port else {}
        login = {"proxy_user": proxy.user, "proxy_password": proxy.password}
        options |= login if proxy.user else {}
    return options


def _plain(value: Any) -> Any:
    """Return a model of the SDK as JSON would have it; what is None was not there."""
    if hasattr(value, "attribute_map"):
        named = {
            wire: getattr(value, name) for name, wire in value.attribute_map.items()
        }
        return {name: _plain(v) for name, v in named.items() if v is not None}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
