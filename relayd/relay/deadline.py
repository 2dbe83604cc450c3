"""A time limit that counts the time of whoever is waited for, not that in which we ourselves were stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from relayd.ports import JournalError

__all__ = ["complaining", "in_time", "late", "within"]

T = TypeVar("T")

MOMENT = 1.0
"""Seconds kept for the end: who was stopped finds the others over when it goes on, and the work done a turn later."""


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Return what the work returns; raises TimeoutError when it takes longer, and does not wait for its end."""
    doing = asyncio.ensure_future(work)
    moment = min(MOMENT, seconds / 2)
    try:
        for limit in (seconds - moment, moment):
            done, _ = await asyncio.wait({doing}, timeout=limit)
            if done:
                return doing.result()
        raise TimeoutError
    finally:
        doing.cancel()


async def in_time(work: "asyncio.Future[T]", seconds: float, what: str) -> T:
    """Return what the journal's work returns; raises JournalError when it takes longer, and leaves it to its end."""
    try:
        return await within(seconds, asyncio.shield(work))
    except TimeoutError:
        raise late(what, seconds) from None
    finally:
        # Nobody may be there any more to hear how it ended; else that would be told as a fault.
        work.add_done_callback(lambda _: work.cancelled() or work.exception())


@contextmanager
def complaining(seconds: float, tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` once if the block takes longer."""
    timer = asyncio.get_running_loop().call_later(seconds, tell)
    try:
        yield
    finally:
        timer.cancel()


def late(what: str, seconds: float) -> JournalError:
    """Return the sentence for an operator about a journal that took too long."""
    return JournalError(
        f"{what} within {seconds:g} s: see whether the disk hangs or is overloaded;"
        " `journal.patience_seconds` is how long it may take"
    )
