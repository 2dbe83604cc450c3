"""The harness itself: the private Redis is private, keeps nothing, and can be frozen."""

import asyncio
from contextlib import suppress

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.harness.redis import PrivateRedis


async def test_it_comes_back_empty(redis: PrivateRedis) -> None:
    """What faults are tested with: killed at once, started again on the same port, and nothing of its data there."""
    async with Redis.from_url(redis.url) as client:
        await client.set("kept", "no")
    async with redis.killed(), Redis.from_url(redis.url) as client:
        with pytest.raises(RedisConnectionError):
            await client.ping()
    async with Redis.from_url(redis.url) as client:
        assert None is await client.get("kept")
    assert {redis.process.printed, redis.socket} == set(redis.folder.iterdir())


async def test_it_is_frozen_and_thaws(redis: PrivateRedis) -> None:
    """It takes a connection and a question, and answers when it is let go."""
    async with redis.frozen():
        reader, writer = await asyncio.open_connection("127.0.0.1", redis.port)
        writer.write(b"PING\r\n")
        answering = asyncio.create_task(reader.readline())
        done, _ = await asyncio.wait({answering}, timeout=0.2)
        assert set() == done
    assert b"+PONG\r\n" == await answering
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
