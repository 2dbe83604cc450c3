import json
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest

from tests.harness.inside import InsideRelay, inside
from tests.harness.raw import raw
from tests.harness.settled import signed
from tests.harness.tickets import WAYS, comes, fetched, issued
from tests.harness.viewer import log


async def asks(relay: InsideRelay, body: object = b"", *, prefix: str = "", **headers: str) -> tuple[int, Any]:
    """Return status and JSON of an answer."""
    address = relay.api("/tickets").replace("/v1/", f"{prefix}/v1/", 1)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with relay.http.post(address, data=data, headers={**relay.bearer(), **headers}) as answer:
        assert "no-store" == answer.headers.get("Cache-Control") or answer.status != 201
        return answer.status, await answer.json()


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_a_token_becomes_a_ticket(relay: InsideRelay, prefix: str) -> None:
    """Under both prefixes; it opens for half a minute, and nothing stores it on the way."""
    before = time.time()
    status, told = await asks(relay, {"project_id": "p"}, prefix=prefix)
    assert (201, {"ticket", "expires_at"}) == (status, set(told))
    assert before + 30 <= told["expires_at"] <= time.time() + 30
    await relay.publish(log("p", "one"))
    assert (200, "") == await comes(relay, "longpoll", told["ticket"])


async def test_a_ticket_that_its_token_does_not_outlive(relay: InsideRelay) -> None:
    """What is told of it is no longer than it is worth something."""
    token = signed(ttl=9)
    expires = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))["exp"]
    assert expires == (await issued(relay, token=token))["expires_at"]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"project_id": null}'])
async def test_a_ticket_for_many(relay: InsideRelay, body: bytes) -> None:
    """No project, spelt in whatever way: the socket for many, and nothing else."""
    status, told = await asks(relay, body)
    assert 201 == status
    for way in WAYS:
        assert 101 != (await comes(relay, way, told["ticket"]))[0]
    assert (101, "") == await comes(relay, "many", told["ticket"])
    assert 4401 == (await comes(relay, "many", await fetched(relay, "p")))[0]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b"\xff", "invalid"),
        (b'{"project_id": 5}', "$.project_id"),
        (b'{"project_id": ""}', "$.project_id"),
        (b'{"project_id": ".."}', "$.project_id"),
        (b'{"projectId": "p"}', "unknown field `projectId`"),
        (b'{"project_id": "\xff"}', "utf-8"),
        (b"[" * 4_000, "Expected `object`"),
    ],
)
async def test_a_body_that_can_t_be_read(relay: InsideRelay, body: bytes, named: str) -> None:
    """The sentence names the field, and what to send."""
    status, told = await asks(relay, body)
    assert (400, "BAD_REQUEST") == (status, told["code"])
    assert named in told["detail"]
    assert told["detail"].endswith('send {"project_id": "…"}, or nothing at all for a socket of many projects')


async def test_a_body_that_is_too_large(relay: InsideRelay) -> None:
    """It is refused before the rest of it has come."""
    async with raw(relay) as socket:
        head = f"POST /v1/public/agent-swarms/tickets HTTP/1.1\r\nHost: relay\r\nContent-Length: {2**20}\r\n"
        socket.send(f"{head}Authorization: Bearer {relay.token()}\r\n\r\n{'x' * 5_000}".encode())
        answer = await socket.until(b"}")
    assert answer.startswith("HTTP/1.1 413 "), answer
    assert "a body is at most 4096 bytes" in answer


async def test_only_a_token_in_the_header_becomes_a_ticket(relay: InsideRelay) -> None:
    """One that stands in an address may have been read by others, and a ticket is no token."""
    ticket = await fetched(relay)
    for query in ({"token": relay.token()}, {"ticket": ticket}):
        async with relay.http.post(relay.api("/tickets", **query)) as answer:
            assert (401, "AUTH_FAILED") == (answer.status, (await answer.json())["code"])
    for shown in (f"Bearer {ticket}", "Bearer x", f"Basic {relay.token()}", ""):
        assert 401 == (await asks(relay, Authorization=shown))[0]
    assert 200 == (await comes(relay, "longpoll", ticket))[0]


async def test_a_ticket_opens_nothing_else(relay: InsideRelay) -> None:
    """Neither questions nor the way in for events; and it is not used up by asking."""
    ticket = await fetched(relay)
    for address in (relay.api("/projects"), relay.project("p", "/logs"), relay.api("/connections")):
        for headers in ({}, {"Authorization": f"Bearer {ticket}"}):
            async with relay.http.get(f"{address}?ticket={ticket}", headers=headers) as answer:
                assert 401 == answer.status
    async with relay.http.post(f"{relay.ingest}?ticket={ticket}", data=b"{}") as answer:
        assert 401 == answer.status
    assert 200 == (await comes(relay, "longpoll", ticket))[0]


async def test_a_relay_that_drains_sells_no_tickets(relay: InsideRelay) -> None:
    """Nobody could use them here."""
    relay.rooms.admission.draining = True
    assert (503, "UNAVAILABLE") == ((answer := await asks(relay))[0], answer[1]["code"])


async def test_only_post(relay: InsideRelay) -> None:
    """A ticket is made, not looked up."""
    assert (405, "BAD_REQUEST") == ((answer := await relay.get(relay.api("/tickets")))[0], answer[1]["code"])


async def test_where_everybody_is_let_in_tickets_work_all_the_same(tmp_path: Path) -> None:
    """So that a front end needs no second way for a laptop; a header that can be no token gets none."""
    async with inside(tmp_path, {"auth": {"mode": "disabled", "keys": []}}) as relay:
        await relay.publish(log("p", "one"))
        async with relay.http.post(relay.api("/tickets"), json={"project_id": "p"}) as answer:
            assert 201 == answer.status
            ticket = (await answer.json())["ticket"]
        assert [200, 401] == [(await comes(relay, "longpoll", ticket))[0] for _ in range(2)]
        async with raw(relay) as socket:
            head = b"POST /v1/public/agent-swarms/tickets HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n"
            socket.send(head + b"Authorization: Bearer \xff\xfe\r\n\r\n")
            assert (await socket.rest()).startswith("HTTP/1.1 401 ")
