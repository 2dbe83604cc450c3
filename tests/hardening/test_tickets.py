"""Tickets that attackers found, made or changed; each test's sentence tells the attack.  Real processes and sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.raw import raw
from tests.harness.redis import PrivateRedis
from tests.harness.replicas import notes, replicas
from tests.harness.settled import SECRET, Tables, signed
from tests.harness.tickets import WAYS, comes, fetched, issued
from tests.harness.viewer import log, watch

ONE, OTHER = "https://one.example", "https://other.example"
KEY = "a-ticket-secret-of-32-bytes-or-more"
SENTENCE = "the token is missing, expired or not valid; log in again"
ALL_WAYS = (*WAYS, "many")
IN = {"modern": 101, "legacy": 101, "many": 101, "sse": 200, "longpoll": 200}
REFUSED = {"modern": 4401, "legacy": 401, "many": 4401, "sse": 401, "longpoll": 401}


def refusals(relay: PrivateRelay, reason: str) -> float:
    """Return how many were refused for a reason, as the metric has it."""
    return relay.metric(f'relayd_auth_failures_total{{reason="{reason}"}}')


async def is_refused(relay: PrivateRelay, way: str, ticket: str, *, reason: str, **how: Any) -> None:  # noqa: ANN401 - see `comes`
    """Come with a ticket and be refused in the words for a bad token; the reason is in the metric only."""
    before = refusals(relay, reason)
    assert (REFUSED[way], SENTENCE) == await comes(relay, way, ticket, **how)
    assert before + 1 == refusals(relay, reason)


def project(way: str) -> str | None:
    """Return what a ticket is asked for."""
    return None if way == "many" else "p"


@pytest.fixture(scope="module")
def relay() -> Iterator[PrivateRelay]:
    """Give a relay for this module's tests, with two pages, whose tokens have no leeway."""
    tables: Tables = {"server": {"origins": [ONE, OTHER]}, "auth": {"leeway_seconds": 0}}
    with PrivateRelay(tables) as relay:
        asyncio.run(relay.publish([log("p", "one"), log("q", "one")]))
        yield relay


@pytest.mark.parametrize("way", ALL_WAYS)
async def test_a_ticket_that_was_used(relay: PrivateRelay, way: str) -> None:
    """Found in a log, or sent again: by whatever way it comes, it is worth nothing any more."""
    ticket = await fetched(relay, project(way))
    assert (IN[way], "") == await comes(relay, way, ticket)
    again = ALL_WAYS if way == "many" else WAYS
    for other in (way, *again):
        if (other == "many") == (way == "many"):
            await is_refused(relay, other, ticket, reason="ticket_used")


@pytest.mark.parametrize("way", ALL_WAYS)
async def test_a_ticket_for_something_else(relay: PrivateRelay, way: str) -> None:
    """Another project, one or many, another page, no page: refused, and it stays as good as it was."""
    ticket = await fetched(relay, project(way), origin=ONE)
    if way == "many":
        await is_refused(relay, "modern", ticket, reason="ticket_foreign", origin=ONE)
    else:
        await is_refused(relay, way, ticket, reason="ticket_foreign", project_id="q", origin=ONE)
        await is_refused(relay, "many", ticket, reason="ticket_foreign", origin=ONE)
    for origin in (OTHER, None):
        await is_refused(relay, way, ticket, reason="ticket_foreign", origin=origin)
    assert (IN[way], "") == await comes(relay, way, ticket, origin=ONE)
    without = await fetched(relay, project(way))
    await is_refused(relay, way, without, reason="ticket_foreign", origin=ONE)


@pytest.mark.parametrize("way", ALL_WAYS)
async def test_a_ticket_that_was_changed(relay: PrivateRelay, way: str) -> None:
    """One byte of it, at whichever place, or a piece of it."""
    ticket = await fetched(relay, project(way))
    places = (4, 25, len(ticket) // 2, len(ticket) - 2)
    for place in places:
        other = "A" if ticket[place] != "A" else "B"
        await is_refused(relay, way, f"{ticket[:place]}{other}{ticket[place + 1 :]}", reason="ticket_seal")
    await is_refused(relay, way, ticket[:24], reason="ticket_seal")
    for bad in ("", ticket[4:], f"{ticket}=", "é"):
        await is_refused(relay, way, bad, reason="ticket_malformed")
    assert (IN[way], "") == await comes(relay, way, ticket)


@pytest.mark.parametrize("way", WAYS)
async def test_a_ticket_and_a_token(relay: PrivateRelay, way: str) -> None:
    """Nobody could say whose word counts, so both are named and neither is looked at."""
    ticket = await fetched(relay, "p")
    status, sentence = await comes(relay, way, ticket, token=relay.token("bob"))
    assert (4400 if way == "modern" else 400) == status
    assert sentence.startswith("ticket, token: ")
    assert (IN[way], "") == await comes(relay, way, ticket)


async def test_a_ticket_s_token_has_expired(relay: PrivateRelay) -> None:
    """By a real clock: the ticket would be young enough, and its token is not."""
    told = await issued(relay, token=relay.token(ttl=2))
    assert told["expires_at"] < time.time() + 2
    await until(lambda: time.time() > told["expires_at"])
    await is_refused(relay, "modern", told["ticket"], reason="expired")


async def test_many_at_once_with_one_ticket(relay: PrivateRelay) -> None:
    """Twenty handshakes in the same moment, over all transports: one comes in."""
    await relay.publish(log("p", "one"))
    for ways in (WAYS, ("modern",), ("sse",)):
        ticket, before = await fetched(relay, "p"), refusals(relay, "ticket_used")
        came = await asyncio.gather(*(comes(relay, ways[number % len(ways)], ticket) for number in range(20)))
        assert 1 == sum(sentence == "" for _, sentence in came)
        assert 19 == sum(sentence == SENTENCE for _, sentence in came)
        assert before + 19 == refusals(relay, "ticket_used")


async def test_no_line_shows_a_ticket(relay: PrivateRelay) -> None:
    """Neither when it was good, nor when it was refused; nor the token in it, which it does not show itself."""
    ticket = await fetched(relay, "p")
    for way in (*WAYS, *WAYS):
        await comes(relay, way, ticket)
    await comes(relay, "legacy", ticket, tail="many")
    path = f"/v1/public/agent-swarms/projects/p/stream?ticket={ticket}"
    for broken in (f"GET {path} HTTP/9.9\r\n", f"G@T {path} HTTP/1.1\r\n", f"GET / HTTP/1.1\r\nno header {ticket}\r\n"):
        async with raw(relay) as socket:
            socket.send(f"{broken}\r\n".encode())
            assert (await socket.rest()).startswith("HTTP/1.0 400 ")
    assert "connection_refused" in relay.log
    # Behind the mark that each one begins with.
    assert ticket[4:16] not in relay.log
    assert ticket[-12:] not in relay.log


async def test_a_ticket_that_is_too_old(tmp_path: Path) -> None:
    """By a real clock, with a life of one second."""
    async with PrivateRelay({"auth.tickets": {"lifetime_seconds": 1}}, folder=tmp_path) as relay:
        await relay.publish(log("p", "one"))
        for way in WAYS:
            told = await issued(relay)
            await until(lambda told=told: time.time() > told["expires_at"])  # type: ignore[misc]  # its own default
            await is_refused(relay, way, told["ticket"], reason="ticket_expired")


async def test_a_ticket_of_another_process() -> None:
    """Each makes up its own key, and a new one at each start, unless they are given one."""
    async with PrivateRelay() as here, PrivateRelay() as there:
        for relay in (here, there):
            await relay.publish(log("p", "one"))
        ticket = await fetched(here)
        await is_refused(there, "modern", ticket, reason="ticket_seal")
        await here.restart_async()
        await is_refused(here, "modern", ticket, reason="ticket_seal")
        for relay in (here, there):
            known = len(relay.lines)
            relay.configure({"auth.tickets": {"key": KEY}})
            relay.hup()
            await asyncio.to_thread(relay.wait_for_line, "reloaded", after=known)
        ticket = await fetched(here)
        assert (101, "") == await comes(there, "modern", ticket)


async def test_a_ticket_outlives_a_reload_and_not_its_key(relay: PrivateRelay) -> None:
    """A reload that leaves the key as it is costs nobody a ticket; with another one its tickets are void at once."""
    for tables, told in (
        ({"limits": {"tail": 50}}, (101, "")),
        ({"auth.tickets": {"key": KEY}}, (4401, SENTENCE)),
        ({"limits": {"tail": 51}}, (101, "")),
        ({"auth.tickets": {"key": KEY[::-1]}}, (4401, SENTENCE)),
        ({"auth.tickets": {"key": ""}}, (4401, SENTENCE)),
    ):
        ticket, known = await fetched(relay), len(relay.lines)
        relay.configure(tables)
        relay.hup()
        await asyncio.to_thread(relay.wait_for_line, "reloaded", after=known)
        assert told == await comes(relay, "modern", ticket)


async def test_who_came_with_a_ticket_stays_no_longer_than_with_its_token(tmp_path: Path) -> None:
    """Refresh, expiry and a key that is withdrawn reach it as they reach others."""
    tables: Tables = {"server": {"heartbeat_seconds": 1}, "auth": {"grace_seconds": 0.2, "leeway_seconds": 0}}
    async with PrivateRelay(tables, folder=tmp_path) as relay:
        await relay.publish(log("p", "one"))
        short = await fetched(relay, token=relay.token(ttl=3))
        refreshing = await fetched(relay, token=relay.token(ttl=3))
        async with (
            watch(relay, "p", subprotocols=["relayd.v1"], ticket=short) as ends,
            watch(relay, "p", subprotocols=["relayd.v1"], ticket=refreshing) as stays,
        ):
            assert (await ends.hears("connection_established"))["token_expires_at"] < time.time() + 3
            await stays.hears("connection_established")
            await stays.says({"type": "refresh", "token": relay.token()})
            assert 4410 == (await ends.ending())[0]
            await relay.publish(log("p", "two"))
            assert ["one", "two"] == await stays.lines(2)
            known = len(relay.lines)
            relay.configure({"auth": {"keys": [{"algorithm": "HS256", "key": SECRET[::-1]}]}})
            relay.hup()
            await asyncio.to_thread(relay.wait_for_line, "reloaded", after=known)
            assert 4401 == (await stays.ending())[0]


# -- several relays --------------------------------------------------------------------------------------------------


@pytest.fixture
async def relays(redis: PrivateRedis) -> AsyncIterator[list[PrivateRelay]]:
    """Give two relays that share a key and a Redis."""
    shared = {"auth.tickets": {"key": KEY}}
    async with replicas(redis, tables=shared, patience_seconds=1.0) as relays:
        for relay in relays:
            await relay.publish(log("p", "one"))
        yield relays


async def test_one_ticket_at_two_relays_at_once(relays: list[PrivateRelay]) -> None:
    """Twenty handshakes, half of them at each: one comes in, wherever the ticket was made."""
    for number in range(4):
        ticket = await fetched(relays[number % 2])
        came = await asyncio.gather(*(comes(relays[turn % 2], WAYS[turn // 2 % 4], ticket) for turn in range(20)))
        assert [1, 19] == [sum(sentence == said for _, sentence in came) for said in ("", SENTENCE)]
    assert 76 == sum(refusals(relay, "ticket_used") for relay in relays)


async def test_a_redis_that_is_frozen(redis: PrivateRedis, relays: list[PrivateRelay]) -> None:
    """Each relay goes by its own memory, lets in who comes, never twice itself, and says so; then they share again."""
    here, there = relays
    before = await fetched(here)
    assert (101, "") == await comes(here, "modern", before)
    async with redis.frozen():
        ticket = await fetched(here)
        assert (101, "") == await comes(here, "modern", ticket)
        for used in (ticket, before):
            await is_refused(here, "modern", used, reason="ticket_used")
        assert notes(here)["presence"].endswith("and used tickets known, on this relay alone")
        # Another relay can't know of it: that is the price, and it is told.
        assert (101, "") == await comes(there, "modern", ticket)
        await is_refused(there, "modern", ticket, reason="ticket_used")
    await until(lambda: not (notes(here) or notes(there)))
    after = await fetched(there)
    assert (101, "") == await comes(here, "modern", after)
    await is_refused(there, "modern", after, reason="ticket_used")
    await is_refused(there, "modern", before, reason="ticket_used")


async def test_relays_that_share_no_key_are_told_of(redis: PrivateRedis) -> None:
    """In the log of each, at the start and at a reload, until they have one."""
    async with replicas(redis, count=1) as (relay,):
        said = [line for line in relay.lines if line["event"] == "tickets_not_shared"]
        assert ["warning"] == [line["level"] for line in said]
        assert said[0]["detail"].startswith("auth.tickets.key: is not set, so a ticket opens only at the relay")
        relay.configure({"auth.tickets": {"key": KEY}})
        await relay.restart_async()
        assert 1 == sum(line["event"] == "tickets_not_shared" for line in relay.lines)


async def test_another_user_s_ticket(relay: PrivateRelay) -> None:
    """It says who comes: whoever has it is its user to the relay, with that user's rights and no others."""
    await relay.publish({"type": "project_started", "project_id": "bobs", "timestamp": 1.0, "owner": "bob"})
    mine = await fetched(relay, "bobs", token=signed("bob", projects=[]))
    theirs = await fetched(relay, "bobs", token=signed("eve", projects=[]))
    assert (101, "") == await comes(relay, "modern", mine, project_id="bobs")
    assert 4403 == (await comes(relay, "modern", theirs, project_id="bobs"))[0]
