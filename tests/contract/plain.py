"""The plainest client of all: one requests.put with the token in a header."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from batch_updater.frs.proxies import Proxy
from contract.asking import Answer


@dataclass(frozen=True, slots=True)
class PlainClient:
    """
    UpdateFace as the seed example does it.

    Args:
        url: of the faces of one face set.
    """

    url: str
    token: str = field(repr=False)
    ca_cert: Path | None = None
    proxy: Proxy | None = None

    def put(self, body: Mapping[str, Any]) -> Answer:
        """Send one update; whatever happens is an answer."""
        try:
            reply = requests.put(
                self.url,
                headers={"X-Auth-Token": self.token},
                json=body,
                timeout=30,
                verify=True if self.ca_cert is None else str(self.ca_cert),
                proxies=_proxies(self.proxy),
            )
            return _answer(reply)
        except requests.RequestException as broken:
            return Answer(None, message=type(broken).__name__)


def _answer(reply: requests.Response) -> Answer:
    try:
        content = reply.json()
    except requests.JSONDecodeError:
        return Answer(reply.status_code, message="no JSON")
    if not isinstance(content, dict):
        return Answer(reply.status_code, message="no JSON object")
    code, message = content.get("error_code", ""), content.get("error_msg", "")
    return Answer(reply.status_code, str(code), str(message), content)


def _proxies(proxy: Proxy | None) -> dict[str, str]:
    if proxy is None:
        return {}
    scheme, _, where = proxy.url.partition("://")
    who = f"{quote(proxy.user, '')}:{quote(proxy.password, '')}@" if proxy.user else ""
    return dict.fromkeys(("http", "https"), f"{scheme}://{who}{where}")
