"""A user's connections on several relays, which count together over a real Redis."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.redis import PrivateRedis
from tests.harness.replicas import Guests, notes, places, replicas


@pytest.fixture
async def guests() -> AsyncIterator[Guests]:
    """Let guests come."""
    async with Guests() as guests:
        yield guests


async def asks(relay: PrivateRelay, method: str, what: str, *, user: str = "ada") -> tuple[int, object]:
    """Return status and JSON of an answer; None where it has no body."""
    headers = {"Authorization": f"Bearer {relay.token(user)}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.request(method, relay.api(what)) as answer:
        return answer.status, await answer.json() if answer.content_type == "application/json" else None


async def test_a_user_s_way_over_two_relays(redis: PrivateRedis, guests: Guests) -> None:
    """All places taken, one taken over, one ended from afar, a limit that changes, a relay that stops."""
    # Nothing here may wait for a lease to be over.
    async with replicas(redis, lease_seconds=3_600.0) as (here, there):
        assert {} == notes(here)
        came = [await guests.comes((here, there)[number % 2], "ada", session=f"tab{number}") for number in range(5)]
        ids = [guest.connection_id for guest in came]

        # the sixth: told who holds the places, on either relay
        sixth = await guests.comes(there, "ada")
        assert not sixth.is_in
        assert set(ids) == sixth.named

        # everybody sees everybody
        for relay in (here, there):
            assert ids == await places(relay, "ada")
            status, watching = await asks(relay, "GET", "/projects/p/viewers", user="bob")
            assert (200, 5) == (status, watching["total"] if isinstance(watching, dict) else 0)

        # the same tab on the other relay: the old connection is told so
        newer = await guests.comes(there, "ada", session="tab0")
        assert newer.is_in
        assert 4409 == (await came[0].viewer.ending())[0]

        # ended from the other relay, by its user and nobody else
        assert 404 == (await asks(here, "DELETE", f"/connections/{ids[1]}", user="eve"))[0]
        assert 204 == (await asks(here, "DELETE", f"/connections/{ids[1]}"))[0]
        code, reason = await came[1].viewer.ending()
        assert (1000, "NORMAL: ended at its user's wish") == (code, reason)
        assert 404 == (await asks(here, "DELETE", f"/connections/{ids[1]}"))[0]
        assert [*ids[2:], newer.connection_id] == await places(here, "ada")

        # a new limit holds for those who come
        known = len(here.lines)
        here.configure({"limits": {"connections_per_user": 4}})
        here.hup()
        await asyncio.to_thread(here.wait_for_line, "reloaded", after=known)
        assert not (await guests.comes(here, "ada")).is_in
        assert (await guests.comes(there, "ada")).is_in

        # a relay that stops gives its places back at once, that of a poll that has just been answered included
        assert 200 == (await asks(here, "GET", "/projects/p/events?wait=0&session=tab", user="bob"))[0]
        assert 1 == len(await places(there, "bob"))
        assert 0 == await here.stop_async()
        assert 1012 == (await came[2].viewer.ending())[0]
        assert [] == await places(there, "bob")
        for _ in range(2):
            assert (await guests.comes(there, "ada")).is_in
        assert not (await guests.comes(there, "ada")).is_in
