"""Tasks that must not end: they are told of, counted and begun again; and the one fault after which nothing goes on."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from relayd.ports import Observer
from relayd.telemetry.health import Health

__all__ = ["give_up", "heed_memory", "supervise"]

EX_SOFTWARE = 70

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


def heed_memory(loop: asyncio.AbstractEventLoop, observer: Observer) -> None:
    """Tell the observer of memory that was short in a callback, too, where no net is."""

    def unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(error := context.get("exception"), MemoryError):
            observer.failed("loop", error)
        loop.default_exception_handler(context)

    loop.set_exception_handler(unhandled)


def give_up() -> NoReturn:
    """
    End the process at once, with status 70 (sysexits.h: EX_SOFTWARE), and write nothing any more.

    What was half done when memory ran short must not be kept.  Whoever starts the relay again has it go on from the
    log, and viewers resume.
    """
    os._exit(EX_SOFTWARE)
