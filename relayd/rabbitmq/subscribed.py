"""The log behind an open subscription, as a resume asks for it."""

import asyncio

from aiormq.abc import AbstractConnection

from relayd.dialects.delivery import Delivery
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.subscription import Subscription, edge

__all__ = ["SubscribedLog"]

COUNT_SECONDS = 10.0
"""The broker counts the messages of its streams every five seconds, a busy one a little later."""


class SubscribedLog:
    """A `resume.Log`; its verbs raise Lost."""

    def __init__(self, connection: AbstractConnection, settings: RabbitSettings, subscription: Subscription) -> None:
        self._connection = connection
        self._settings = settings
        self._subscription = subscription

    async def arrival(self, patience: float) -> Delivery | None:
        """Return the first delivery, None when none came within `patience` seconds."""
        return await self._subscription.first(patience)

    async def oldest(self) -> int | None:
        """Return the oldest offset, None when it is empty."""
        return await edge(self._connection, self._settings, "first", patience=self._settings.silence_seconds)

    async def newest(self) -> int | None:
        """Return the newest offset, None when it is empty."""
        newest = await self._newest()
        if newest is None:
            # To call a log empty makes a gap for every viewer: what the broker has not counted yet is waited for.
            await asyncio.sleep(COUNT_SECONDS)
            newest = await self._newest()
        return newest

    async def _newest(self) -> int | None:
        return await edge(self._connection, self._settings, "last", patience=self._settings.silence_seconds)
