"""Used tickets on a real Redis, which freezes and forgets."""

import asyncio

import pytest
from redis.asyncio import Redis

from relayd.ports import KEPT_SECONDS, SharedOneUse, TooManyUsed
from relayd.presence.shared_once import RedisOneUse
from tests.harness.follower import until
from tests.harness.redis import PrivateRedis
from tests.presence.fleet import Fleet


async def test_a_name_is_used_once_over_all_relays(fleet: Fleet) -> None:
    """Twenty at the same moment, at two of them."""
    here, there = await fleet.relay(), await fleet.relay()
    assert isinstance(here, SharedOneUse)
    used = await asyncio.gather(*((here, there)[number % 2].one_use.use(b"a", now=0.0) for number in range(20)))
    assert 1 == used.count(True)
    assert await there.one_use.use(b"b", now=0.0)
    assert not await here.one_use.use(b"b", now=0.0)


async def test_what_lies_in_redis_grows_old(fleet: Fleet) -> None:
    """It is the name, which opens nothing, under the prefix, for as long as a memory keeps it."""
    relay = await fleet.relay()
    assert await relay.one_use.use(b"\x00\xffname", now=0.0)
    async with Redis.from_url(fleet.url) as client:
        key = f"{fleet.prefix}ticket:00ff6e616d65"
        assert [key.encode()] == await client.keys(f"{fleet.prefix}ticket:*")
        assert (KEPT_SECONDS - 30) * 1_000 < await client.pttl(key) <= KEPT_SECONDS * 1_000


async def test_without_redis_each_knows_its_own(fleet: Fleet, redis: PrivateRedis) -> None:
    """It is said, nobody waits for longer than the patience, and what was used here stays used."""
    here, there = await fleet.relay(patience_seconds=0.5), await fleet.relay(patience_seconds=0.5)
    assert await here.one_use.use(b"before", now=0.0)
    async with redis.frozen():
        assert await here.one_use.use(b"a", now=0.0)
        assert here.trouble.endswith(
            "no answer within 500 ms; places per user are counted, and used tickets known, on this relay alone"
        )
        for name in (b"a", b"before"):
            assert not await here.one_use.use(name, now=0.0)
            assert await there.one_use.use(name, now=0.0)
    await until(lambda: not (here.trouble or there.trouble))
    assert await here.one_use.use(b"after", now=0.0)
    assert not await there.one_use.use(b"after", now=0.0)


async def test_a_redis_that_forgets_does_not_let_one_in_twice_here(fleet: Fleet) -> None:
    """The own memory is asked first."""
    relay = await fleet.relay()
    assert await relay.one_use.use(b"a", now=0.0)
    async with Redis.from_url(fleet.url) as client:
        await client.delete(f"{fleet.prefix}ticket:61")
    assert not await relay.one_use.use(b"a", now=0.0)


async def test_it_is_bounded_as_one_alone_is(fleet: Fleet) -> None:
    """Whether Redis is there or not."""
    presence = await fleet.relay()
    once = RedisOneUse(presence._line, prefix=fleet.prefix)
    once._most = 1
    assert await once.use(b"a", now=0.0)
    with pytest.raises(TooManyUsed):
        await once.use(b"b", now=0.0)
