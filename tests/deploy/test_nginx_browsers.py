"""The shipped nginx configuration as browsers meet it: what is negotiated, and that a page is of one piece."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from gzip import decompress
from pathlib import Path

import pytest
from msgspec import Struct

from relayd.protocol.endpoints import PREFIX
from relayd.web.pages import Pages
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.nginx import PrivateNginx
from tests.harness.process import Process, find
from tests.harness.viewer import log

PACKAGE = Path(__file__).parents[2] / "relayd"
SECONDS = 15
STREAMS = 8
"""More than the six connections that a browser opens to a host without HTTP/2."""

NEWER = b"/* newer */\n"


class Answer(Struct, frozen=True):
    """What curl was answered, and how many connections it opened for it."""

    version: str
    status: int
    headers: dict[str, str]
    body: bytes
    opened: int


@pytest.fixture(scope="module")
def relay() -> Iterator[PrivateRelay]:
    """A relay with its own log."""
    with PrivateRelay() as relay:
        yield relay


@pytest.fixture(scope="module")
def nginx(relay: PrivateRelay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNginx]:
    """The proxy before it."""
    with PrivateNginx(tmp_path_factory.mktemp("nginx"), relayd=f"127.0.0.1:{relay.port}") as nginx:
        yield nginx


def curl(nginx: PrivateNginx, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Run curl, which trusts the private certificate and speaks what both sides can."""
    trusting = ("--silent", "--show-error", "--cacert", str(nginx.certificate))
    return subprocess.run([find("curl"), *trusting, *options], capture_output=True, check=False, timeout=SECONDS)


def ask(nginx: PrivateNginx, *paths: str, accept: str = "identity") -> Sequence[Answer]:
    """Return what a client is answered that asks for one path after the other and keeps its connection."""
    mark = "\n--- %{num_connects}\n"
    urls = [f"{nginx.https}{path}" for path in paths]
    done = curl(nginx, "--include", "--header", f"Accept-Encoding: {accept}", "--write-out", mark, *urls)
    assert 0 == done.returncode, done.stderr
    told = re.findall(rb"(HTTP/.*?)\n--- (\d+)\n", done.stdout, re.DOTALL)
    return [answer(one, opened=int(opened)) for one, opened in told]


def answer(told: bytes, *, opened: int) -> Answer:
    """Return an answer as curl prints it, its head before its body."""
    head, _, body = told.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    version, status, *_ = first.split()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(version, int(status), headers, body, opened)


def files_of(page: Answer) -> Sequence[str]:
    """Return the paths of the files that a page names."""
    return [f"/{path}" for path in re.findall(r'(?:src|href)="(assets/[^"]+)"', page.body.decode())]


def connections(nginx: PrivateNginx) -> int:
    """Return how many connections clients of this machine have to the proxy, as the kernel lists them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()]
    established = "01"
    return sum(line[2] == f"0100007F:{nginx.port:04X}" and line[3] == established for line in lines)


async def all_say(tabs: Process, text: str) -> None:
    """Return when each stream has said it once, and none twice."""
    await until(lambda: tabs.output.count(text) >= STREAMS)
    assert STREAMS == tabs.output.count(text)


@pytest.mark.parametrize("offered", [["h2", "http/1.1"], ["http/1.1"]])
def test_the_best_that_a_browser_offers_is_taken(nginx: PrivateNginx, offered: list[str]) -> None:
    """HTTP/2 by ALPN (RFC 7301), and HTTP/1.1 for the connection that becomes a WebSocket."""
    tls = ssl.create_default_context(cafile=nginx.certificate)
    tls.set_alpn_protocols(offered)
    with (
        socket.create_connection(("127.0.0.1", nginx.port), SECONDS) as plain,
        tls.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        assert offered[0] == secure.selected_alpn_protocol()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls_of_today_is_spoken(nginx: PrivateNginx, version: str) -> None:
    """By who insists on it."""
    done = curl(nginx, f"--tlsv{version}", "--tls-max", version, f"{nginx.https}{PREFIX}/health")
    assert (0, b"") == (done.returncode, done.stderr)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_tls_of_yesterday_is_refused(nginx: PrivateNginx, version: str) -> None:
    """By the proxy, which names the reason, and not because nobody here could speak it (RFC 8996)."""
    weak = ("--ciphers", "DEFAULT:@SECLEVEL=0")
    done = curl(nginx, f"--tlsv{version}", "--tls-max", version, *weak, f"{nginx.https}{PREFIX}/health")
    assert 35 == done.returncode
    assert b"alert protocol version" in done.stderr


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"])
def test_a_cipher_that_http2_forbids_is_refused(nginx: PrivateNginx, cipher: str) -> None:
    """A browser would end a connection that has one (RFC 9113, appendix A)."""
    done = curl(nginx, "--tls-max", "1.2", "--ciphers", cipher, f"{nginx.https}{PREFIX}/health")
    assert 35 == done.returncode
    assert b"alert handshake failure" in done.stderr


def test_the_dashboard_comes_over_one_connection_and_is_kept(nginx: PrivateNginx) -> None:
    """The page is asked for each time; what it names never, for a year, neither plain nor compressed."""
    (page,) = ask(nginx, "/")
    assert ("HTTP/2", 200, "no-cache") == (page.version, page.status, page.headers["cache-control"])
    assert "default-src 'none'" in page.headers["content-security-policy"]
    names = files_of(page)
    assert 4 == len(names)
    plain = ask(nginx, "/", *names)
    assert [1, 0, 0, 0, 0] == [one.opened for one in plain]
    for one, zipped in zip(plain[1:], ask(nginx, *names, accept="gzip"), strict=True):
        for told in (one, zipped):
            assert ("HTTP/2", 200) == (told.version, told.status)
            assert "public, max-age=31536000, immutable" == told.headers["cache-control"]
            assert "Accept-Encoding" == told.headers["vary"]
        assert ("gzip", one.body) == (zipped.headers["content-encoding"], decompress(zipped.body))


def test_a_file_of_another_version_is_not_there(nginx: PrivateNginx) -> None:
    """Neither the one of this version under that name, nor an answer that a browser would keep."""
    (told,) = ask(nginx, "/assets/0000000000000000/page.css")
    assert ("HTTP/2", 404) == (told.version, told.status)
    assert "cache-control" not in told.headers


async def test_more_streams_than_a_browser_has_connections_share_one(
    nginx: PrivateNginx, relay: PrivateRelay, tmp_path: Path
) -> None:
    """Each hears of an event when it happens, and there is room for the page beside them."""
    streams = [f"{PREFIX}/projects/tabs/stream?token={relay.token(f'user-{number}')}" for number in range(STREAMS)]
    options = ("--silent", "--no-buffer", "--cacert", str(nginx.certificate), "--parallel")
    with Process(["curl", *options, *(f"{nginx.https}{path}" for path in streams)], folder=tmp_path) as tabs:
        await all_say(tabs, '"connection_established"')
        for text in ("one", "two"):
            await relay.publish(log("tabs", text))
            await all_say(tabs, f'"message":"{text}"')
        assert 1 == connections(nginx)


def test_a_page_is_of_one_version_while_relays_are_of_two(relay: PrivateRelay, tmp_path: Path) -> None:
    """Halfway through an update, whichever relay gave the page: each file that it names is of its version."""
    newer = tmp_path / "relayd"
    shutil.copytree(PACKAGE, newer, ignore=shutil.ignore_patterns("__pycache__"))
    sheet = newer / "web" / "static" / "page.css"
    sheet.write_bytes(NEWER + sheet.read_bytes())
    with (
        PrivateRelay(env={"PYTHONPATH": str(tmp_path)}) as other,
        PrivateNginx(tmp_path / "nginx", relayd=[f"127.0.0.1:{one.port}" for one in (relay, relay, other)]) as nginx,
    ):
        ours = Pages().fingerprint
        seen = set()
        for page in ask(nginx, *(["/"] * 6)):
            names = files_of(page)
            files = ask(nginx, *names)
            assert [200] * len(names) == [one.status for one in files], names
            (sheet_of_page,) = [one for one, name in zip(files, names, strict=True) if name.endswith("/page.css")]
            is_newer = f"/assets/{ours}/page.css" not in names
            assert is_newer == sheet_of_page.body.startswith(NEWER)
            seen.add(is_newer)
        assert {False, True} == seen
