"""Against a real server on the loopback, that behaves and that does not."""

import asyncio
import gzip
import hashlib
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from relayd.identity.product import MAX_BYTES, Outcome, Product, Reply
from relayd.identity.settings import HttpSettings
from relayd.telemetry import labels
from tests.harness.authority import Authority
from tests.harness.product import ProductApi

TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"
SECRET = "0123456789abcdef0123456789abcdef"


@asynccontextmanager
async def asking(url: str, **settings: Any) -> AsyncGenerator[Product]:  # noqa: ANN401  # fields of the settings
    """Give somebody who asks there."""
    product = Product(HttpSettings.model_validate({"url": url, **settings}), now=lambda: 1_700_000_000.9)
    try:
        yield product
    finally:
        await product.close()


@pytest.mark.parametrize("status", [200, 204])
async def test_a_yes(status: int) -> None:
    """It is asked for the project, in the viewer's name, and not in anybody else's."""
    async with ProductApi() as api, asking(api.url) as product:
        api.status = status
        assert Reply(Outcome.GRANTED) == await product.ask("p-1", TOKEN)
        (asked,) = api.asked
        assert ("p-1", TOKEN, "/projects/p-1/access?from=relayd") == (asked.project_id, asked.token, asked.target)
        assert not {"Cookie", "X-Relayd-Signature"} & set(asked.headers)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_no(status: int) -> None:
    """The API knows better than the token's signature."""
    async with ProductApi() as api, asking(api.url) as product:
        api.status = status
        assert Reply(Outcome.DENIED) == await product.ask("p-1", TOKEN)


@pytest.mark.parametrize("status", [201, 202, 206, 400, 402, 405, 410, 418, 429, 500, 502, 503])
async def test_anything_else_is_no_answer(status: int) -> None:
    """Neither yes nor no; the sentence says what came."""
    async with ProductApi() as api, asking(api.url) as product:
        api.status = status
        assert Reply(Outcome.UNREADABLE, f"it answers {status}") == await product.ask("p-1", TOKEN)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_lead_nowhere(status: int) -> None:
    """The token would go along; where it leads nobody is asked."""
    async with ProductApi() as there, ProductApi() as here, asking(here.url) as product:
        here.status, here.headers = status, {"Location": f"{there.address}/projects/p-1/access"}
        reply = await product.ask("p-1", TOKEN)
        assert Outcome.UNREADABLE is reply.outcome
        assert f"it answers {status}, and redirects are not followed: give the address they lead to" == reply.detail
        assert (1, []) == (len(here.asked), there.asked)


async def test_an_answer_has_a_largest_size() -> None:
    """64 KiB are read to keep the connection, and more is no answer; nothing is unpacked."""
    async with ProductApi() as api, asking(api.url) as product:
        api.body = b"x" * MAX_BYTES
        assert Outcome.GRANTED is (await product.ask("p-1", TOKEN)).outcome
        api.body = b"x" * (MAX_BYTES + 1)
        assert Reply(Outcome.UNREADABLE, "it answers more than 64 KiB") == await product.ask("p-1", TOKEN)
        api.body, api.headers = gzip.compress(b" " * 10_000_000), {"Content-Encoding": "gzip"}
        assert Outcome.GRANTED is (await product.ask("p-1", TOKEN)).outcome


async def test_nobody_there_is_no_answer() -> None:
    """And when somebody is again, the next question gets one, although the connection of before is gone."""
    async with ProductApi() as api, asking(api.url) as product:
        assert Outcome.GRANTED is (await product.ask("p-1", TOKEN)).outcome
        await api.stop()
        reply = await product.ask("p-1", TOKEN)
        assert Outcome.UNREACHABLE is reply.outcome
        assert "Cannot connect" in reply.detail
        assert TOKEN not in reply.detail
        await api.start()
        assert Outcome.GRANTED is (await product.ask("p-1", TOKEN)).outcome


async def test_a_connection_is_used_again() -> None:
    """Thousands of questions must not cost as many handshakes."""
    ports: set[object] = set()
    over = asyncio.Event()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername"))
        with suppress(asyncio.IncompleteReadError), closing(writer):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        over.set()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asking(f"http://127.0.0.1:{port}/{{project_id}}") as product:
        for _ in range(5):
            assert Outcome.GRANTED is (await product.ask("p-1", TOKEN)).outcome
    server.close()
    await over.wait()
    assert 1 == len(ports)


async def test_what_it_sets_for_one_is_not_sent_for_another() -> None:
    """A cookie would say who the viewer before was; at a name, for jars keep none of addresses in numbers."""
    async with ProductApi() as api, asking(api.url.replace("127.0.0.1", "localhost")) as product:
        api.headers = {"Set-Cookie": "session=ada; Path=/"}
        for token in (TOKEN, "another"):
            await product.ask("p-1", token)
        assert [False, False] == ["Cookie" in asked.headers for asked in api.asked]


@pytest.mark.parametrize("name", ["..", "a/b", "a?b", "a#b", "a%2fb", "a b", "ä"])
async def test_a_name_stays_within_its_place(name: str) -> None:
    """Whatever it is made of, it leads to no other path and adds nothing to the query."""
    async with ProductApi() as api, asking(f"{api.address}/projects/{{project_id}}.x/access") as product:
        assert Outcome.GRANTED is (await product.ask(name, TOKEN)).outcome
        assert [f"{name}.x"] == api.projects()


async def test_a_token_that_is_no_header_is_not_sent() -> None:
    """Nor told of: what a plug-in verified may be anything."""
    async with ProductApi() as api, asking(api.url) as product:
        reply = await product.ask("p-1", "a\r\nX-Admin: yes")
        assert (Outcome.UNREADABLE, []) == (reply.outcome, api.asked)
        assert "X-Admin" not in reply.detail


async def test_a_question_is_signed() -> None:
    """As the API can check with an HMAC and nothing else."""
    async with ProductApi() as api, asking(api.url, secret=SECRET) as product:
        await product.ask("p-1", TOKEN)
        (asked,) = api.asked
        parts = dict(part.split("=", 1) for part in asked.headers["X-Relayd-Signature"].split(","))
        token_hash = hashlib.sha256(asked.token.encode()).hexdigest()
        told = f"{parts['t']}.GET.{asked.target}.{token_hash}".encode()
        assert hmac.new(SECRET.encode(), told, hashlib.sha256).hexdigest() == parts["v1"]
        assert "1700000000" == parts["t"]


async def test_only_whom_the_operator_trusts(tmp_path: Path) -> None:
    """Nobody else gets a token."""
    authority = Authority(tmp_path)
    async with ProductApi(tls=authority.server()) as api:
        async with asking(api.url, ca_file=str(authority.path)) as product:
            assert Outcome.GRANTED is (await product.ask("p-1", TOKEN)).outcome
        async with asking(api.url) as product:
            reply = await product.ask("p-1", TOKEN)
        assert Outcome.UNREACHABLE is reply.outcome
        assert "certificate verify failed" in reply.detail
        assert 1 == len(api.asked)


def test_an_authority_that_is_none(tmp_path: Path) -> None:
    """Told with the name of the setting before anybody is asked."""
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    settings = HttpSettings(url="https://127.0.0.1:1/{project_id}", ca_file=str(path))
    with pytest.raises(ValueError, match=r"^ca_file: .*/ca\.pem can't be used: "):
        Product(settings)


def test_every_outcome_is_a_label() -> None:
    """And every label an outcome."""
    assert {*Outcome, labels.OTHER} == set(labels.RIGHTS)
