"""Whether the measuring is right, and what it costs: the load's counts against what the bare loop says it sent."""

import asyncio
import os
import time

from benchmarks.load import Load
from benchmarks.measure.processes import cpu_seconds
from benchmarks.measure.sample import watch
from benchmarks.publish.feed import Stream
from benchmarks.rows.row import Bench, Cell, Result, Table, Target, median, shown
from benchmarks.servers.bare import Bare

__all__ = ["validation"]

CASES = ((100, 41, 2_000), (1_000, 300, 1_000), (500, 1_021, 500), (50, 70_001, 100))
"""Viewers, bytes of an event, events a second; the odd sizes put marks across the ends of reads and frames."""


async def validation(bench: Bench) -> Result:
    """Count what a loop sends that knows how much it sent."""
    result = Result(title="Is the measuring right, and what does it cost?")
    lines: list[list[Cell]] = []
    equal = True
    async with bench.load() as load, bench.bare() as loop:
        for viewers, size, rate in CASES:
            line, same = await counted(load, loop, viewers, size, rate)
            lines.append(line)
            equal &= same
        await same_twice(bench, load, loop, result)
    head = ["viewers", "bytes", "events/s", "sent", "counted", "bytes sent", "bytes counted", "lost", "load's µs each"]
    result.tables.append(Table(title="The bare loop's own count against the load's", head=head, lines=lines))
    result.targets.append(
        Target(
            what="events and bytes counted by the load, against those sent by the bare loop",
            limit="equal",
            figure="equal" if equal else "different",
            met=equal,
        )
    )
    result.notes += costs()
    return result


async def counted(load: Load, loop: Bare, viewers: int, size: int, rate: int) -> tuple[list[Cell], bool]:
    """Return a line of the table, and whether both counts are equal."""
    await load.open_all(loop.port, loop.requests(viewers))
    await load.reset()
    cpu = load.cpu()
    paced = await loop.pace(rate, interval=0.01, size=size, seconds=2)
    await asyncio.sleep(0.5)
    heard = await load.heard()
    cpu = load.cpu() - cpu
    await load.close()
    await loop.close()
    sent, octets = paced.events * viewers, paced.bytes * viewers
    line: list[Cell] = [
        viewers,
        size,
        rate,
        sent,
        heard.messages,
        octets,
        heard.bytes,
        heard.lost,
        shown(cpu / max(sent, 1) * 1e6),
    ]
    return line, (sent, octets, 0, 0) == (heard.messages, heard.bytes, heard.lost, heard.repeated)


async def same_twice(bench: Bench, load: Load, loop: Bare, result: Result) -> None:
    """Measure the same thing in pairs: what a ratio of equals looks like on this machine, now."""
    viewers = 1_000
    await load.open_all(loop.port, loop.requests(viewers))
    for rate, interval in ((20, 0.0), (1_000, 0.01)):
        costs_now = []
        for _ in range(6):
            seconds = bench.scale.seconds
            task = asyncio.create_task(loop.pace(rate, interval=interval, size=340, seconds=seconds + 0.8))
            await asyncio.sleep(0.5)
            sample = await watch(loop, load, name=loop.name, rate=rate, seconds=seconds)
            await task
            costs_now.append(sample.microseconds())
            result.samples.append(sample.figures())
        ratios = [second / first for first, second in zip(costs_now[::2], costs_now[1::2], strict=True)]
        result.notes.append(
            f"The bare loop against itself at {rate:,} events/s, three pairs: ratios {min(ratios):.2f} to "
            f"{max(ratios):.2f}, median {median(costs_now):.3f} µs per delivery. A ratio nearer to 1 than these says "
            "nothing."
        )


def costs() -> list[str]:
    """Return what the publisher and the clock cost this process."""
    stream = Stream()
    began = time.perf_counter()
    stream.take(100_000)
    made = (time.perf_counter() - began) * 10
    began = time.perf_counter()
    for _ in range(1_000):
        cpu_seconds(os.getpid())
    read = (time.perf_counter() - began) * 1e3
    note = (
        f"Making an event costs the publisher {made:.1f} µs, reading a process's CPU time {read:.0f} µs (twice a "
        "window); both happen on the load's core."
    )
    return [note]
