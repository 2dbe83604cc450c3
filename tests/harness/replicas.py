"""Several relays that count together over one Redis, each a process of its own, and guests who come to their doors."""

import asyncio
import itertools
import json
import secrets
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from tests.harness.daemon import PrivateRelay
from tests.harness.redis import PrivateRedis
from tests.harness.settled import Tables, merged
from tests.harness.viewer import Viewer, watch

__all__ = ["Guest", "Guests", "notes", "places", "replicas", "until_together"]

PROJECT = "p"
UP = "relayd_redis_up"

ADDRESSES = itertools.count(1)


@asynccontextmanager
async def replicas(
    redis: PrivateRedis, *, count: int = 2, tables: Tables | None = None, **settings: object
) -> AsyncGenerator[list[PrivateRelay]]:
    """
    Give relays that count together; `settings` are those of `[presence.redis]`, `tables` the others.

    They wait for Redis longer than usual: a machine that is busy with other tests must not look like one that is away.
    """
    shared = {"url": redis.url, "prefix": f"test-{secrets.token_hex(4)}:", "patience_seconds": 5.0, **settings}
    async with AsyncExitStack() as stack:
        whole = merged({"presence": {"use": "redis"}, "presence.redis": shared}, tables or {})
        relays = [PrivateRelay(whole) for _ in range(count)]
        await asyncio.gather(*map(stack.enter_async_context, relays))
        await until_together(*relays)
        yield relays


async def until_together(*relays: PrivateRelay) -> None:
    """Return when all of them count together; raises RuntimeError when they don't."""
    for relay in relays:
        await asyncio.to_thread(relay.wait_for_metric, UP, 1)


def notes(relay: PrivateRelay) -> dict[str, str]:
    """Return what a relay says is amiss although it is ready; raises HTTPError when it is not ready."""
    with urllib.request.urlopen(f"{relay.admin_url}/readyz", timeout=5) as answer:  # noqa: S310 - our own
        said: dict[str, str] = json.loads(answer.read())["notes"]
    return said


async def places(relay: PrivateRelay, user: str) -> list[str]:
    """Return the ids of a user's connections, as this relay tells them."""
    headers = {"Authorization": f"Bearer {relay.token(user)}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(relay.api("/connections")) as answer:
        assert answer.status == 200, await answer.text()
        return [held["connection_id"] for held in (await answer.json())["connections"]]


@dataclass(frozen=True)
class Guest:
    """One who came to a door."""

    viewer: Viewer
    first: dict[str, Any]
    """What it was told first."""

    @property
    def is_in(self) -> bool:
        """Whether it was let in."""
        return bool(self.first["type"] == "connection_established")

    @property
    def connection_id(self) -> str:
        """Its connection's id."""
        return str(self.first["connection_id"])

    @property
    def named(self) -> set[str]:
        """The connections that it was told hold the places."""
        return {held["connection_id"] for held in self.first["data"]["connections"]}


class Guests:
    """All who came in one test; they leave when the block ends."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def comes(self, relay: PrivateRelay, user: str, *, session: str | None = None) -> Guest:
        """Let a user come once more, each time from another address: who is refused often is answered late."""
        number = next(ADDRESSES)
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        watching = watch(relay, PROJECT, token=relay.token(user), session=session, headers={"X-Forwarded-For": address})
        viewer = await self._stack.enter_async_context(watching)
        return Guest(viewer, await viewer.frame())

    async def leaves(self, *guests: Guest) -> None:
        """Let guests leave, politely."""
        for guest in guests:
            await guest.viewer.socket.close()
