"""Presences of several relays on one Redis, each with its task, as relays have them."""

import asyncio
import secrets
from typing import Self

from relayd.ports import Holder, NoPlace, Presence
from relayd.presence.redis import RedisPresence
from relayd.presence.settings import RedisSettings
from relayd.testing.presence_contract import take
from relayd.testing.world import RecordingObserver
from tests.harness.follower import until

__all__ = ["Fleet", "is_refused"]

PATIENCE = 5.0
"""A machine that is busy with other tests must not look like a Redis that is away."""


class Fleet:
    """All relays of one test: they share a prefix that no other test has."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"test-{secrets.token_hex(4)}:"
        self.observer = RecordingObserver()
        self._tasks: dict[RedisPresence, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for presence in list(self._tasks):
            await self.dies(presence)

    def settings(self, **settings: object) -> RedisSettings:
        """Return settings for this test."""
        given = {"url": self.url, "prefix": self.prefix, "patience_seconds": PATIENCE, **settings}
        return RedisSettings.model_validate(given)

    async def relay(self, **settings: object) -> RedisPresence:
        """Return the presence of one more relay, which counts together with the others by now."""
        presence = self.lonely(**settings)
        await until(lambda: not presence.trouble)
        return presence

    def lonely(self, **settings: object) -> RedisPresence:
        """Return the presence of one more relay, which will count with the others as soon as it can."""
        presence = RedisPresence(self.settings(**settings), self.observer)
        self.lives(presence)
        return presence

    def lives(self, presence: RedisPresence) -> None:
        """Begin its task."""
        self._tasks[presence] = asyncio.create_task(presence.run())

    async def dies(self, presence: RedisPresence) -> None:
        """End its task without a word to anybody, as a kill does."""
        task = self._tasks.pop(presence)
        assert not task.done(), task
        task.cancel()
        await asyncio.wait({task})

    def noticed(self) -> list[str]:
        """Return the names of what was noticed, in order."""
        return [event for event, _ in self.observer.of("noticed")]


async def is_refused(presence: Presence, held: Holder) -> bool:
    """Return whether there is no place for it; where there is one it is given back."""
    try:
        (await take(presence, held)).release()
    except NoPlace:
        return True
    return False
