"""A time limit that counts the time of whoever is waited for, not that in which we ourselves were stopped."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

__all__ = ["within"]

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
