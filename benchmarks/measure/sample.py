"""One measurement: a window of time in which a server is fed and its viewers are counted."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.load import Heard, Load
from benchmarks.measure.histogram import Histogram
from benchmarks.measure.processes import cpu_seconds
from benchmarks.publish.feed import Feed

__all__ = ["Measured", "Sample", "fed", "watch"]

SATURATED = 0.9
"""A load program that is busier than this may have held the server back."""


class Measured(Protocol):
    """What has a CPU time."""

    def cpu(self) -> float:
        """Return the CPU seconds it has used."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What happened in a window; CPU as a share of one core."""

    server: str
    rate: float
    viewers: int
    seconds: float
    cpu: float
    load_cpu: float
    bench_cpu: float
    """Of the process that publishes and measures."""
    messages: int
    frames: int
    bytes: int
    lost: int
    repeated: int
    gone: int
    waiting: int
    """Events that the server had not been offered at the end, because it had not answered."""
    latency: Histogram = field(repr=False)

    @property
    def deliveries(self) -> float:
        """Deliveries a second."""
        return self.messages / self.seconds

    @property
    def share(self) -> float:
        """What was delivered of what was due."""
        due = self.rate * self.viewers * self.seconds
        return self.messages / due if due else 1.0

    @property
    def frame_rate(self) -> float:
        """Frames a second to one viewer."""
        return self.frames / self.seconds / self.viewers if self.viewers else 0.0

    @property
    def event_bytes(self) -> int:
        """Bytes on the wire for one event, its share of the envelope included, the frame's head not."""
        return round((self.bytes - 4 * self.frames) / self.messages) if self.messages else 0

    @property
    def is_load_bound(self) -> bool:
        """Tell whether the load program may have been the limit."""
        return self.load_cpu > SATURATED

    def holds(self, p99_ms: float) -> bool:
        """Tell whether the server kept up: nearly all came (a window cuts off its ends), in order, in time."""
        return self.share >= 0.97 and self.lost == 0 and self.gone == 0 and self.latency.p99 <= p99_ms

    def microseconds(self, base: "Sample | None" = None) -> float:
        """Return CPU for each delivery in microseconds, less that of the same feed without viewers."""
        cpu = self.cpu - (base.cpu if base is not None else 0.0)
        return cpu / self.deliveries * 1e6 if self.messages else float("nan")

    def figures(self) -> dict[str, float | int | str]:
        """Return it without the histogram, for the report."""
        return {
            "server": self.server,
            "rate": self.rate,
            "viewers": self.viewers,
            "seconds": round(self.seconds, 3),
            "cpu": round(self.cpu, 5),
            "load_cpu": round(self.load_cpu, 4),
            "bench_cpu": round(self.bench_cpu, 4),
            "messages": self.messages,
            "frames": self.frames,
            "bytes": self.bytes,
            "lost": self.lost,
            "repeated": self.repeated,
            "gone": self.gone,
            "waiting": self.waiting,
            "p50_ms": round(self.latency.p50, 3),
            "p99_ms": round(self.latency.p99, 3),
        }


async def watch(
    server: Measured, load: Load, *, name: str, rate: float, seconds: float, cohort: int = 0, feed: Feed | None = None
) -> Sample:
    """Return what happens in the next seconds."""
    await load.reset()
    began, cpu, load_cpu, bench_cpu = time.monotonic(), server.cpu(), load.cpu(), cpu_seconds(os.getpid())
    await asyncio.sleep(seconds)
    cpu, ended = server.cpu() - cpu, time.monotonic()
    bench_cpu, load_cpu = cpu_seconds(os.getpid()) - bench_cpu, load.cpu() - load_cpu
    waiting = feed.waiting if feed is not None else 0
    heard: Heard = await load.heard(cohort)
    passed = ended - began
    return Sample(
        server=name,
        rate=rate,
        viewers=heard.viewers,
        seconds=passed,
        cpu=cpu / passed,
        load_cpu=load_cpu / passed,
        bench_cpu=bench_cpu / passed,
        messages=heard.messages,
        frames=heard.frames,
        bytes=heard.bytes,
        lost=heard.lost,
        repeated=heard.repeated,
        gone=heard.gone,
        waiting=waiting,
        latency=heard.latency,
    )


async def fed(
    server: Measured, load: Load, feed: Feed, *, name: str, settle: float, seconds: float, cohort: int = 0
) -> Sample:
    """Feed a server, let it settle, and return what happens then."""
    async with feed:
        await asyncio.sleep(settle)
        return await watch(server, load, name=name, rate=feed.rate, seconds=seconds, cohort=cohort, feed=feed)
