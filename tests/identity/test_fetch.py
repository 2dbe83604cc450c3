"""Against real servers on the loopback, those that behave and those that do not."""

import asyncio
import gzip
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relayd.identity.fetch import MAX_BYTES, Endpoint, FetchFailed
from relayd.identity.keys import BadKey
from tests.harness.authority import Authority
from tests.harness.follower import until
from tests.harness.issuer import Issuer

LONG = 30.0
"""Seconds: what is answered, is answered before."""


async def failure(endpoint: Endpoint) -> str:
    """Return why there is no document."""
    with pytest.raises(FetchFailed) as caught:
        await endpoint.fetch()
    return str(caught.value)


async def test_what_stands_there_comes_back() -> None:
    """As it is, byte for byte."""
    async with Issuer() as issuer:
        issuer.say(b'{"keys": []}\r\n')
        assert b'{"keys": []}\r\n' == await Endpoint(issuer.url, timeout=LONG).fetch()


async def test_only_whom_the_operator_trusts(tmp_path: Path) -> None:
    """An authority of one's own vouches for an address, and nobody else does; without it the system's are asked."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    authority, other = Authority(ours), Authority(theirs)
    async with Issuer(tls=authority.server()) as issuer:
        issuer.say("yes")
        assert issuer.url.startswith("https://")
        assert b"yes" == await Endpoint(issuer.url, timeout=LONG, ca_file=str(authority.path)).fetch()
        for endpoint in (
            Endpoint(issuer.url, timeout=LONG),
            Endpoint(issuer.url, timeout=LONG, ca_file=str(other.path)),
        ):
            assert "certificate verify failed" in await failure(endpoint)
        assert 1 == issuer.asked
    async with Issuer(tls=authority.server("127.0.0.2")) as issuer:
        assert "IP address mismatch" in await failure(Endpoint(issuer.url, timeout=LONG, ca_file=str(authority.path)))
        assert 0 == issuer.asked


async def test_an_address_that_does_not_speak_tls() -> None:
    """What was to be secret and checked is not fetched otherwise."""
    async with Issuer() as issuer:
        await failure(Endpoint(issuer.url.replace("http:", "https:"), timeout=LONG))
        assert 0 == issuer.asked


@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_an_authority_that_is_none(tmp_path: Path, text: str | None) -> None:
    """Told with the name of the setting before anybody is asked."""
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)

    with pytest.raises(BadKey, match=r"^auth\.jwks\.ca_file: .*/ca\.pem can't be used: "):
        Endpoint("https://127.0.0.1:1/", timeout=1, ca_file=str(path))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_lead_nowhere(status: int) -> None:
    """Whoever may put one there would otherwise choose the keys; where it leads nobody is asked."""
    async with Issuer() as there, Issuer() as here:
        here.say("", status=status, Location=there.url)
        said = f"it answers {status}, and redirects are not followed: give the address they lead to"

        assert said == await failure(Endpoint(here.url, timeout=LONG))
        assert (1, 0) == (here.asked, there.asked)


@pytest.mark.parametrize("status", [204, 304, 401, 404, 500, 503])
async def test_other_answers_are_none(status: int) -> None:
    """Whatever they say besides."""
    async with Issuer() as issuer:
        issuer.say("" if status in {204, 304} else '{"keys": []}', status=status)

        assert (await failure(Endpoint(issuer.url, timeout=LONG))).startswith(f"it answers {status}")


async def test_a_document_has_a_largest_size() -> None:
    """64 KiB are read, and of more nothing is kept, however it is announced."""
    async with Issuer() as issuer:
        endpoint = Endpoint(issuer.url, timeout=LONG)
        issuer.say(b"x" * MAX_BYTES)
        assert MAX_BYTES == len(await endpoint.fetch())
        issuer.say(b"x" * (MAX_BYTES + 1))
        assert "it answers more than 64 KiB" == await failure(endpoint)
    async with endless() as url:
        assert "it answers more than 64 KiB" == await failure(Endpoint(url, timeout=LONG))


async def test_nothing_is_unpacked() -> None:
    """What is small on the wire stays small here."""
    bomb = gzip.compress(b" " * 10_000_000)
    async with Issuer() as issuer:
        issuer.say(bomb, Content_Encoding="gzip")

        assert bomb == await Endpoint(issuer.url, timeout=LONG).fetch()


async def test_an_answer_has_a_longest_time() -> None:
    """Whether it never begins or never ends."""
    async with Issuer() as issuer:
        endpoint = Endpoint(issuer.url, timeout=0.2)
        issuer.hang()
        assert "no answer within 0.2 s" == await failure(endpoint)
        issuer.say("")
        issuer.drip()
        assert "no answer within 0.2 s" == await failure(endpoint)
        assert 2 == issuer.asked


async def test_nobody_is_there() -> None:
    """The system's words name the address."""
    issuer = Issuer()

    assert f"127.0.0.1:{issuer.port}" in await failure(Endpoint(issuer.url, timeout=LONG))


@pytest.mark.parametrize("host", ["x" * 64, "a..b", "\u2024"])
async def test_a_host_that_can_have_no_address(host: str) -> None:
    """What is wrong with a name is found by the library that looks it up, in words and errors of its own."""
    assert await failure(Endpoint(f"https://{host}.example/", timeout=LONG))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http(said: bytes) -> None:
    """It ends as what it is, a document that did not come."""
    async with saying(said) as url:
        assert await failure(Endpoint(url, timeout=LONG))


async def test_the_environment_does_not_come_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that somebody left in the environment could hand out keys of its own."""
    async with Issuer() as issuer, Issuer() as proxy:
        issuer.say("theirs")
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

        assert b"theirs" == await Endpoint(issuer.url, timeout=LONG).fetch()
        assert 0 == proxy.asked


async def test_nothing_is_left_behind() -> None:
    """Connection and session end with the answer, also with one that was cut off."""
    async with Issuer() as issuer:
        before = asyncio.all_tasks()
        issuer.say("")
        issuer.drip()
        await failure(Endpoint(issuer.url, timeout=0.1))
        await until(lambda: before == asyncio.all_tasks())


@asynccontextmanager
async def saying(said: bytes) -> AsyncGenerator[str]:
    """Give the address of a server that says this to whoever asks, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@asynccontextmanager
async def endless() -> AsyncGenerator[str]:
    """Give the address of a server whose answer has no end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 10_000)
                await writer.drain()
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
