"""Redis goes away, is stuck, forgets everything; a relay dies with its places taken.  Real processes, real faults."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from redis.asyncio import Redis

from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until, until_true
from tests.harness.redis import PrivateRedis
from tests.harness.replicas import Guests, notes, places, replicas, until_together


@pytest.fixture
async def guests() -> AsyncIterator[Guests]:
    """Let guests come."""
    async with Guests() as guests:
        yield guests


class Crowd:
    """Users who come and go all the time, at whichever relay, and count what they were told."""

    def __init__(self, relays: list[PrivateRelay], seed: int) -> None:
        self.relays = relays
        self.random = Random(seed)
        self.told: Counter[str] = Counter()
        self._stop = False

    async def user(self, name: str) -> None:
        """Come with up to eight connections, three more than there are places, and leave with all."""
        while not self._stop:
            async with Guests() as guests:
                came = await asyncio.gather(
                    *(guests.comes(self.random.choice(self.relays), name) for _ in range(self.random.randint(1, 8)))
                )
                self.told.update(guest.first.get("code", "in") for guest in came)

    @asynccontextmanager
    async def milling(self, *, users: int) -> AsyncGenerator[None]:
        """Let them come and go until the block ends; raises what one of them met."""
        async with asyncio.TaskGroup() as group:
            for number in range(users):
                group.create_task(self.user(f"user-{number}"))
            try:
                yield
            finally:
                self._stop = True

    async def until_more(self, count: int) -> None:
        """Return when so many more were let in."""
        enough = self.told["in"] + count
        await until(lambda: self.told["in"] >= enough, seconds=60)


async def until_nobody(relays: list[PrivateRelay], users: int) -> None:
    """Return when no user holds a place any more, whoever is asked."""
    for relay in relays:
        for number in range(users):
            await until_room(relay, f"user-{number}", 0)


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_a_redis_that_is_away_under_load(redis: PrivateRedis, fault: str) -> None:
    """F23: viewers come in all the while, both relays say so once and stay ready; afterwards all counts are true."""
    seed = time.time_ns() % 1_000_000
    print(f"seed {seed}")  # noqa: T201  # pytest shows it when the test fails
    users = 6
    # What is to be true again must be so before a lease is over.
    async with replicas(redis, lease_seconds=75.0, patience_seconds=1.0) as relays:
        crowd = Crowd(relays, seed)
        async with crowd.milling(users=users):
            await crowd.until_more(50)
            async with getattr(redis, fault)():
                for relay in relays:
                    await until(lambda relay=relay: "presence" in notes(relay))  # type: ignore[misc]  # its own default
                    assert 0 == relay.metric("relayd_redis_up")
                    assert notes(relay)["presence"].startswith(f"Redis at 127.0.0.1:{redis.port}: ")
                # The fault lasts until so many came in: were one of them to wait for Redis, all would.
                await crowd.until_more(100)
            await until_together(*relays)
            assert [{}, {}] == [notes(relay) for relay in relays]
            await crowd.until_more(50)
        assert {"in", "TOO_MANY_CONNECTIONS"} == crowd.told.keys()
        await until_nobody(relays, users)
        for relay in relays:
            assert 0 == relay.metric('relayd_connections{transport="websocket"}')
            assert 0 == relay.metric("relayd_failures_total")
            said = [line for line in relay.lines if line["event"].startswith("redis_")]
            # A busy machine may be slow enough to look like a fault of its own; each is told once and ends.
            assert ["redis_connected", "redis_lost"] * (len(said) // 2) + ["redis_connected"] == [
                line["event"] for line in said
            ]
        await until_together(*relays)
        async with Guests() as guests:
            came = await asyncio.gather(*(guests.comes(relays[number % 2], "ada") for number in range(12)))
            assert 5 == sum(guest.is_in for guest in came)


async def test_who_came_in_meanwhile_stays(redis: PrivateRedis, guests: Guests) -> None:
    """F23: each relay by its own count; afterwards nobody is cut, and the next is refused until there are four."""
    async with replicas(redis) as (here, there):
        before = [await guests.comes(here, "ada") for _ in range(3)]
        async with redis.killed():
            for relay in (here, there):
                await until(lambda relay=relay: bool(notes(relay)))  # type: ignore[misc]  # its own default
            meanwhile = [await guests.comes(relay, "ada") for relay in (here, here, *[there] * 5)]
            assert not (await guests.comes(here, "ada")).is_in
            assert not (await guests.comes(there, "ada")).is_in
        await until_together(here, there)
        everybody = {guest.connection_id for guest in (*before, *meanwhile)}
        assert 10 == len(everybody)
        for relay in (here, there):
            refused = await guests.comes(relay, "ada")
            assert not refused.is_in
            assert everybody == refused.named == set(await places(relay, "ada"))
        await guests.leaves(*meanwhile[1:])
        await until_room(here, "ada", 4)
        assert (await guests.comes(there, "ada")).is_in
        assert not (await guests.comes(here, "ada")).is_in
        # Those who were never asked to leave are still there.
        for guest in (*before, meanwhile[0]):
            await guest.viewer.says({"type": "ping"})
            assert "pong" == (await guest.viewer.frame())["type"]


async def test_a_relay_that_starts_without_redis_waits_for_it(redis: PrivateRedis, guests: Guests) -> None:
    """F23: it is ready, lets viewers in by its own count, and tells the others of them when Redis is there."""
    async with replicas(redis, count=2) as (here, there):
        assert 0 == await here.stop_async()
        async with redis.killed():
            await here.start_async()
            assert 0 == here.metric("relayd_redis_up")
            came = [await guests.comes(here, "ada") for _ in range(5)]
            assert all(guest.is_in for guest in came)
        await until_together(here, there)
        refused = await guests.comes(there, "ada")
        assert {guest.connection_id for guest in came} == refused.named


async def test_the_places_of_a_relay_that_was_killed_come_back(redis: PrivateRedis, guests: Guests) -> None:
    """F24: when its leases are over, without anybody's doing; until then they are taken, and nothing is left behind."""
    async with (
        replicas(redis, lease_seconds=3.0, prefix="test-f24:") as (here, there),
        Redis.from_url(redis.url) as client,
    ):
        came = [await guests.comes(here, "ada") for _ in range(5)]
        await asyncio.to_thread(here.kill)
        refused = await guests.comes(there, "ada")
        assert {guest.connection_id for guest in came} == refused.named
        await until_room(there, "ada", 0)
        again = [await guests.comes(there, "ada") for _ in range(5)]
        assert all(guest.is_in for guest in again)
        # Its next life begins with nothing, and finds the others' places.
        await here.start_async()
        await until_together(here)
        assert {guest.connection_id for guest in again} == (await guests.comes(here, "ada")).named
        await guests.leaves(*again)
        await until_room(there, "ada", 0)

        async def empty() -> bool:
            return await client.keys("test-f24:*") == []

        await until_true(empty)


async def until_room(relay: PrivateRelay, user: str, most: int) -> None:
    """Return when a user holds no more places than that."""

    async def is_room() -> bool:
        return len(await places(relay, user)) <= most

    await until_true(is_room)
