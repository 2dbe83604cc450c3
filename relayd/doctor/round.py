"""
A doctor's round: all checks at once, each within its time, their findings in the order of the checks.

Law: a check that takes too long is a finding of its own, and costs the others nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain

from msgspec import Struct

from relayd.doctor.finding import Finding, bad

__all__ = ["SECONDS", "Check", "Look", "examine"]

Look = Callable[[], Awaitable[Iterable[Finding]]]

SECONDS = 15.0
"""Longest time of one check, unless it says its own."""


class Check(Struct, frozen=True):
    """What is looked at, and who looks."""

    looked_at: str
    look: Look
    seconds: float = SECONDS


async def examine(checks: Sequence[Check]) -> list[Finding]:
    """Return what all of them find."""
    return list(chain.from_iterable(await asyncio.gather(*map(_within_its_time, checks))))


async def _within_its_time(check: Check) -> Iterable[Finding]:
    try:
        async with asyncio.timeout(check.seconds):
            return await check.look()
    except TimeoutError:
        found = f"no answer within {check.seconds:g} s"
        return [bad(check.looked_at, found, mend="see whether it hangs, or is not reached from here")]
