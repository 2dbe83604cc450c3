"""The bare loop at the pace that a server really kept."""

import asyncio
import math

from benchmarks.load import Load
from benchmarks.measure.sample import Sample, watch
from benchmarks.rows.row import Bench
from benchmarks.servers.bare import Bare

__all__ = ["bare_at_the_pace_of"]

TAIL = 0.2
"""Seconds that the loop goes on behind the window."""


async def bare_at_the_pace_of(
    sample: Sample, loop: Bare, load: Load, bench: Bench, *, cohort: int = 1, slowest: float = math.inf
) -> Sample:
    """
    Let the loop send what the server sent: as many events, as many frames, as many bytes.

    A server that sends a frame for each event gets a loop that does; one that gathers gets one that gathers as long,
    but not longer than `slowest` seconds: where lateness is judged, a server must not be its own yardstick.
    """
    frames = sample.frame_rate
    interval = 0.0 if frames > 0.98 * sample.rate or frames == 0 else min(slowest, 1 / frames)
    settle, seconds = min(1.0, bench.scale.settle), bench.scale.seconds
    task = asyncio.create_task(
        loop.pace(sample.rate, interval=interval, size=max(sample.event_bytes, 40), seconds=settle + seconds + TAIL)
    )
    await asyncio.sleep(settle)
    paced = await watch(loop, load, name=loop.name, rate=sample.rate, seconds=seconds, cohort=cohort)
    await task
    return paced
