"""Tasks that must not end: they are told of, counted and begun again."""

import asyncio
from collections.abc import Awaitable, Callable

from relayd.ports import Observer
from relayd.telemetry.health import Health

__all__ = ["supervise"]

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds before a task that failed begins again."""


async def supervise(name: str, begin: Callable[[], Awaitable[None]], *, observer: Observer, health: Health) -> None:
    """Run `begin()` until it returns, again whenever it raises; only being cancelled ends it otherwise."""
    pause = FIRST_PAUSE
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            await begin()
        except Exception as error:  # noqa: BLE001  # the net under every task: one that fails must not take the relay along
            observer.failed(name, error)
            health.restarted(name)
        else:
            return
        # One that ran well for a while begins again at once.
        pause = FIRST_PAUSE if loop.time() - began > LONGEST_PAUSE else min(LONGEST_PAUSE, pause * 2)
        await asyncio.sleep(pause)
