"""TLS and proxies as companies have them: let through, or told what to do."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from bench import Bench, start_emulator, wait_for

CANARY = "canary-Pr0xy"
PATIENCE = 30.0
# An address that leads to this machine and is no loopback address, so that the
# environment's proxy is used.
ELSEWHERE = "0.0.0.0"  # noqa: S104  (nobody listens there)


@dataclass(frozen=True)
class Authority:
    """An authority of our own, with its certificate in a file."""

    folder: Path
    ca: trustme.CA

    @property
    def file(self) -> str:
        """The file to give to --ca-cert."""
        path = self.folder / "authority.pem"
        self.ca.cert_pem.write_to_path(str(path))
        return str(path)

    def certificate(
        self, *names: str, ends: datetime | None = None
    ) -> tuple[Path, Path]:
        """Return the files of a certificate for these names, and of its key."""
        made = self.ca.issue_cert(*names, not_after=ends)
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        made.private_key_pem.write_to_path(str(key))
        cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return cert, key


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that nobody trusts yet."""
    return Authority(tmp_path, trustme.CA())


@contextmanager
def refusing(context: ssl.SSLContext) -> Iterator[str]:
    """Shake hands with one client after the other; each is told why it may not enter."""
    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            tls = context.wrap_socket(
                client, server_side=True, do_handshake_on_connect=False
            )
            with tls, suppress(OSError):
                _refuse(tls)

    thread = threading.Thread(target=greet)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(20)


def _refuse(tls: ssl.SSLSocket) -> None:
    with suppress(ssl.SSLError):
        tls.do_handshake()
    # A close with something unread would be a reset, which can overtake the alert.
    tls.shutdown(socket.SHUT_WR)
    while tls.recv(65536):
        pass


@contextmanager
def https(bench: Bench, files: tuple[Path, Path]) -> Iterator[Bench]:
    """Give the same folder an emulator that speaks TLS."""
    cert, key = files
    with start_emulator(tls_cert=cert, tls_key=key) as emulator:
        yield Bench(bench.folder, emulator)


def test_an_authority_of_one_s_own(bench: Bench, authority: Authority) -> None:
    """--ca-cert makes a run over TLS possible; doctor tells the connection."""
    with https(bench, authority.certificate("127.0.0.1")) as here:
        ended = here.run(here.prepare(20), "--ca-cert", authority.file)
        assert ended.code == 0, ended.err
        told = here.command("doctor", *here.target, "--ca-cert", authority.file)
    assert "TLSv1." in told.out
    assert told.code == 0


def test_resume_knows_the_authority(bench: Bench, authority: Authority) -> None:
    """What --ca-cert said is part of the run, wherever resume is called from."""
    with https(bench, authority.certificate("127.0.0.1")) as here:
        relative = os.path.relpath(authority.file)
        source = here.prepare(20)
        assert here.run(source, "--ca-cert", relative, "--limit", "20").code == 0
        recorded = here.record().manifest["settings"]["ca-cert"]
    assert recorded == [authority.file]


@pytest.mark.parametrize(
    ("case", "code", "remedy"),
    [
        ("unknown", "TRANSPORT.TLS", "--ca-cert"),
        ("other host", "TRANSPORT.TLS_HOST", "--endpoint"),
        ("expired", "TRANSPORT.TLS_EXPIRED", "clock"),
    ],
)
def test_certificates_that_do_not_hold(
    bench: Bench, authority: Authority, case: str, code: str, remedy: str
) -> None:
    """Each way a certificate can be wrong has its own remedy; nothing is sent: exit 3."""
    name = "frs.example.com" if case == "other host" else "127.0.0.1"
    ends = datetime.now(UTC) - timedelta(days=1) if case == "expired" else None
    trusted = () if case == "unknown" else ("--ca-cert", authority.file)
    with https(bench, authority.certificate(name, ends=ends)) as here:
        ended = here.run(here.prepare(5), *trusted)
        told = here.command("doctor", *here.target, *trusted)
        assert here.emulator.witness.requests == 0
    assert ended.code == 3
    assert f"{code}:" in ended.err
    assert remedy in ended.err
    [failed] = [line for line in told.out.splitlines() if line.startswith("FAIL")]
    assert failed[6:].startswith("TLS")


def test_https_where_http_is_spoken(bench: Bench) -> None:
    """TLS to a plain port is told as such."""
    url = bench.emulator.url.replace("http:", "https:")
    ended = bench.run(bench.prepare(5), "--endpoint", url)
    assert ended.code == 3
    assert "TRANSPORT.NO_TLS" in ended.err
    assert ": wrong version number (the endpoint" in ended.err


@pytest.mark.parametrize("trouble", ["old", "client 1.2", "client 1.3"])
def test_a_server_that_does_not_take_our_tls(
    bench: Bench, authority: Authority, trouble: str
) -> None:
    """Old TLS and a wish for our certificate are told as such, not as plain http: exit 3."""
    cert, key = authority.certificate("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if trouble == "old":
        context.set_ciphers("AES128-SHA")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    else:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)
        newest = trouble == "client 1.3"
        context.maximum_version = (
            ssl.TLSVersion.TLSv1_3 if newest else ssl.TLSVersion.TLSv1_2
        )
    with refusing(context) as url:
        flags = ("--ca-cert", authority.file, "--max-attempts", "1")
        ended = bench.run(bench.prepare(5), "--endpoint", url, *flags)
    assert ended.code == 3
    assert "TRANSPORT.TLS_REFUSED" in ended.err
    assert "certificate of ours" in ended.err


def test_http_where_https_is_spoken(bench: Bench, authority: Authority) -> None:
    """Plain http to a TLS port ends with 3, and no token was lost to the network."""
    with https(bench, authority.certificate("127.0.0.1")) as here:
        url = here.emulator.url.replace("https:", "http:")
        ended = here.run(here.prepare(5), "--endpoint", url, "--max-attempts", "1")
        told = here.command("doctor", *here.target, "--endpoint", url)
    assert (ended.code, told.code) == (3, 3)
    assert "TRANSPORT.RESET" in ended.err
    assert "If that port speaks TLS, write https://" in told.out


def test_a_name_without_an_address(bench: Bench) -> None:
    """A host that does not exist is a matter of --region or --endpoint."""
    url = "https://frs.invalid"
    ended = bench.run(bench.prepare(5), "--endpoint", url, "--max-attempts", "1")
    assert ended.code == 3
    assert "TRANSPORT.DNS" in ended.err
    assert "--endpoint" in ended.err


@dataclass(frozen=True)
class RealProxy:
    """A running tinyproxy."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        """Where it is, without user and password."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def full_url(self) -> str:
        """The same with user and password, as HTTPS_PROXY has it."""
        return f"http://robot:{CANARY}@127.0.0.1:{self.port}"

    @property
    def passed(self) -> int:
        """How many connections it let through."""
        return self.log.read_text().count("Established connection to host")


TINYPROXY = shutil.which("tinyproxy")


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[RealProxy]:
    """A real proxy that wants a user and a password."""
    with tinyproxy(tmp_path / "proxy.conf", f"BasicAuth robot {CANARY}") as started:
        yield started


@contextmanager
def tinyproxy(config: Path, *lines: str) -> Iterator[RealProxy]:
    """Start a real proxy; it does not outlive the block."""
    if TINYPROXY is None:
        pytest.skip("needs tinyproxy: apt-get install tinyproxy-bin")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = config.with_suffix(".log")
    settings = (
        *(f"Port {port}", "Listen 127.0.0.1", "Allow 127.0.0.1", "Timeout 60"),
        *(f'LogFile "{log}"', "LogLevel Connect", *lines),
    )
    config.write_text("\n".join(settings) + "\n")
    process = subprocess.Popen(
        [TINYPROXY, "-d", "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _listens(port), "tinyproxy never listened")
        yield RealProxy(port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def elsewhere(bench: Bench) -> tuple[str, str]:
    """Return the flags of the emulator under a name that goes through a proxy."""
    return ("--endpoint", f"https://{ELSEWHERE}:{bench.emulator.port}")


def assert_unseen(bench: Bench, *said: str) -> None:
    """Assert that no output and no file of a run holds the proxy's password."""
    assert CANARY not in "".join(said)
    for path in (bench.folder / "job").rglob("*"):
        assert CANARY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("way", ["HTTPS_PROXY", "--proxy"])
def test_through_a_real_proxy(
    bench: Bench,
    authority: Authority,
    proxy: RealProxy,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    """Every request passes the proxy inside TLS; its password is nowhere to be seen."""
    flags: tuple[str, ...] = ("--ca-cert", authority.file, "--concurrency", "4")
    if way == "--proxy":
        monkeypatch.setenv("BATCH_UPDATER_PROXY_USER", "robot")
        monkeypatch.setenv("BATCH_UPDATER_PROXY_PASSWORD", CANARY)
        flags = (*flags, "--proxy", proxy.url)
    else:
        monkeypatch.setenv("HTTPS_PROXY", proxy.full_url)
    with https(bench, authority.certificate(ELSEWHERE)) as here:
        ended = here.run(here.prepare(40), *elsewhere(here), *flags)
        assert ended.code == 0, ended.err
        assert here.updates == 40
        config = here.command("run", "x", *elsewhere(here), *flags, "--print-config")
    assert 1 <= proxy.passed <= 4
    assert_unseen(bench, ended.out, ended.err, config.out, config.err)


def test_hosts_that_need_no_proxy(
    bench: Bench,
    authority: Authority,
    proxy: RealProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NO_PROXY and `--proxy off` lead straight to the service."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.full_url)
    with https(bench, authority.certificate(ELSEWHERE)) as here:
        flags = (*elsewhere(here), "--ca-cert", authority.file)
        off = here.run(here.prepare(5), *flags, "--proxy", "off")
        monkeypatch.setenv("NO_PROXY", ELSEWHERE)
        named = here.run("faces.csv", *flags, "--run-dir", "two")
    assert (off.code, named.code) == (0, 0)
    assert proxy.passed == 0


def test_a_proxy_that_wants_a_password(
    bench: Bench,
    authority: Authority,
    proxy: RealProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy's 407 ends with 3 and names the variables; a wrong password is not shown."""
    with https(bench, authority.certificate(ELSEWHERE)) as here:
        source = here.prepare(5)
        flags = (*elsewhere(here), "--ca-cert", authority.file)
        bare = here.run(source, *flags, "--proxy", proxy.url)
        monkeypatch.setenv(
            "HTTPS_PROXY", f"http://robot:{CANARY}2@127.0.0.1:{proxy.port}"
        )
        wrong = here.run(source, *flags)
        assert here.emulator.witness.requests == 0
    for ended in (bare, wrong):
        assert ended.code == 3
        assert "TRANSPORT.PROXY_LOGIN" in ended.err
        assert "BATCH_UPDATER_PROXY_PASSWORD" in ended.err
    assert_unseen(bench, bare.err, wrong.err)


def test_a_proxy_that_forbids(
    bench: Bench, authority: Authority, tmp_path: Path
) -> None:
    """A host that the proxy does not allow is told as such, after one try."""
    with https(bench, authority.certificate(ELSEWHERE)) as here:
        source = here.prepare(5)
        flags = (*elsewhere(here), "--ca-cert", authority.file)
        with tinyproxy(tmp_path / "proxy.conf", "ConnectPort 443") as strict:
            ended = here.run(source, *flags, "--proxy", strict.url)
    assert ended.code == 3
    assert "TRANSPORT.PROXY_REFUSED" in ended.err
    assert "NO_PROXY" in ended.err


def test_a_proxy_that_is_not_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy where nobody listens is told by its own code, not as the endpoint's."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://robot:{CANARY}@127.0.0.1:1")
    ended = bench.run(bench.prepare(5), *elsewhere(bench), "--max-attempts", "1")
    assert ended.code == 3
    assert "TRANSPORT.PROXY:" in ended.err
    assert "HTTPS_PROXY" in ended.err
    assert_unseen(bench, ended.err)


def test_a_proxy_without_an_address(bench: Bench) -> None:
    """A name that leads to no proxy is the proxy's fault, not the endpoint's."""
    ended = bench.command("doctor", *bench.target, "--proxy", "http://proxy.invalid")
    assert ended.code == 3
    assert "TRANSPORT.PROXY:" in ended.out
    assert "proxy.invalid port 80" in ended.out


def test_doctor_names_the_proxy(bench: Bench, tmp_path: Path) -> None:
    """Who wonders which way was taken reads it in the endpoint's line."""
    with tinyproxy(tmp_path / "proxy.conf") as open_proxy:
        ended = bench.command("doctor", *bench.target, "--proxy", open_proxy.url)
    assert ended.code == 0, ended
    assert f" through {open_proxy.url}\n" in ended.out


def test_what_went_wrong_below(bench: Bench) -> None:
    """A refused connection is told in the system's words, without those of aiohttp."""
    url = "http://127.0.0.1:1"
    ended = bench.command("doctor", *bench.target, "--endpoint", url)
    assert ended.code == 3
    said = "TRANSPORT.CONNECT: cannot connect to 127.0.0.1 port 1: Connection refused ("
    assert said in ended.out


def test_a_proxy_of_another_kind(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """SOCKS is refused by the variable's name before anything is sent."""
    monkeypatch.setenv("HTTPS_PROXY", f"socks5://robot:{CANARY}@127.0.0.1:1")
    ended = bench.run(bench.prepare(5), *elsewhere(bench))
    assert ended.code == 2
    assert "HTTPS_PROXY" in ended.err
    assert_unseen(bench, ended.err)
