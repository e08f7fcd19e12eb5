"""nginx as a child: a private prefix, free ports of loopback, ended by its id."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import trustme

from benchmarks.nginx.config import Ports, write_config
from benchmarks.nginx.counts import Reading, read_status

HOW_TO_INSTALL = "needs nginx: apt-get install nginx-light"
_PATIENCE = 10.0  # seconds for it to start or to end
_DIRECT = build_opener(ProxyHandler({}))


class NginxTrouble(Exception):
    """It is not installed, or did not start."""


@dataclass(frozen=True, slots=True)
class Nginx:
    """
    A running nginx.

    Args:
        url: plain http, without a trailing slash.
        tls_url: the same over https.
        ca_file: PEM of the authority that signed its certificate.
    """

    url: str
    tls_url: str
    ca_file: Path
    _status_url: str
    _log: Path

    def read(self) -> Reading:
        """Return its counters; the request for them counts as one."""
        with _DIRECT.open(self._status_url, timeout=_PATIENCE) as page:
            said = page.read().decode()
        return read_status(said, self._log.read_text())


def find_nginx() -> str | None:
    """Return the path of nginx; Debian keeps it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def tell_version() -> str:
    """
    Return nginx's name and version.

    Raises:
        NginxTrouble: it is not installed.
    """
    words = [_command(), "-v"]
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    return said.stderr.partition(":")[2].strip()


@contextmanager
def start_nginx(core: int | None = None) -> Iterator[Nginx]:
    """
    Run nginx until the block ends.

    Args:
        core: the processor that its one worker stays on, or None for any.

    Raises:
        NginxTrouble: it is not installed, or did not start; the message says more.
    """
    command = _command()
    with tempfile.TemporaryDirectory() as folder:
        prefix, ports = Path(folder), _free_ports()
        config = write_config(prefix, ports, core=core, root=os.geteuid() == 0)
        (prefix / "nginx.conf").write_text(config)
        _write_certificate(prefix)
        words = [command, "-p", folder, "-c", "nginx.conf", "-e", f"{folder}/error.log"]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
            try:
                yield _when_ready(process, prefix, ports)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(_PATIENCE)


def _command() -> str:
    command = find_nginx()
    if command is None:
        raise NginxTrouble(HOW_TO_INSTALL)
    return command


def _free_ports() -> Ports:
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return Ports(*(each.getsockname()[1] for each in taken))


def _write_certificate(prefix: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(prefix / "ca.pem")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(prefix / "server.pem")


def _when_ready(
    process: "subprocess.Popen[bytes]", prefix: Path, ports: Ports
) -> Nginx:
    server = Nginx(
        url=f"http://127.0.0.1:{ports.plain}",
        tls_url=f"https://127.0.0.1:{ports.tls}",
        ca_file=prefix / "ca.pem",
        _status_url=f"http://127.0.0.1:{ports.status}/",
        _log=prefix / "noted.log",
    )
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            server.read()
        except URLError:
            time.sleep(0.02)
        else:
            return server
    raise NginxTrouble(f"nginx did not start: {_errors(prefix)}")


def _errors(prefix: Path) -> str:
    log = prefix / "error.log"
    return log.read_text().strip() if log.exists() else "it said nothing"
