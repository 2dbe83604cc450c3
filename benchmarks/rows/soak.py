"""Whether anything grows while viewers come and go for half an hour, and whether those who stay notice."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce

from benchmarks.load import Heard, Load, Request
from benchmarks.measure.histogram import Histogram, scraped
from benchmarks.publish.feed import Feed, Stream
from benchmarks.rows.row import Bench, Cell, Result, Table, Target, shown
from benchmarks.servers.relayd import Relayd
from relayd.core.repeats import WINDOW

__all__ = ["soak"]

MIB = 1024 * 1024
MINUTES, QUICK_MINUTES = 30, 0.5
RATE = 50
LINES = 20

STEADY = 100
FRESH, RESUMED, STREAMS = 250, 150, 100
"""Who comes and goes in each round: new ones, those with a cursor, and server-sent events with a cursor."""

COHORTS = (1, 2, 3)
"""Of those who come and go; those who stay are 0."""

GROWTH_MIB = 8
"""Growth of the second half that is still called flat."""

LEFT_OVER = 1
"""A scrape's own socket and task may be seen, or not."""

SETTLE_SECONDS = 15.0
FILLERS = 8
"""Connections over which the relay's memory is filled."""

LAG = "relayd_event_loop_lag_seconds"


@dataclass(frozen=True, kw_only=True)
class Point:
    """What was seen behind one round, when only those who stay were there."""

    at: float
    """Seconds from the start."""
    mib: float
    descriptors: int
    tasks: int
    crowd: int
    """Connections at the round's height."""
    latency: Histogram
    """Of those who stay, in this round."""
    loop_lag: Histogram


@dataclass(kw_only=True)
class Course:
    """All that happened."""

    start: Point
    points: list[Point] = field(default_factory=list)
    end: Point | None = None
    came: int = 0
    lost: int = 0
    repeated: int = 0
    gone: int = 0
    """Of those who stay: cut off."""
    silent: int = 0
    """Who came and heard nothing."""


async def soak(bench: Bench) -> Result:
    """Let viewers come and go in all ways while events flow."""
    minutes = bench.scale.minutes or bench.scale.pick(MINUTES, QUICK_MINUTES)
    server = Relayd(bench.server_folder(), bench.cores.server)
    server.start()
    try:
        if not bench.scale.quick:
            await fill(server)
        async with bench.load() as load, server.sink() as sink, Feed(sink, Stream(), RATE):
            await load.open_all(server.port, [server.viewer(f"steady-{number}", "bench") for number in range(STEADY)])
            course = await Churn(server, load).run(minutes * 60)
    finally:
        server.stop()
    return tell(course, minutes, judged=not bench.scale.quick)


async def fill(server: Relayd) -> None:
    """
    Publish as many bodies as a relay remembers, of a project that nobody watches.

    What it remembers by number (bodies, pages of the journal) grows for an hour at this rate and is bounded; only when
    that is full can a growth be somebody who was forgotten.
    """
    stream = Stream(projects=("before",))

    async def publish() -> None:
        async with server.sink() as sink:
            while stream.made < WINDOW:
                await sink.send(stream.take(1))

    await asyncio.gather(*(publish() for _ in range(FILLERS)))


class Churn:
    """Rounds of viewers beside some who stay."""

    def __init__(self, server: Relayd, load: Load) -> None:
        """Use a server with its feed and those who stay."""
        self._server = server
        self._load = load
        self._began = time.monotonic()
        self._lag = Histogram()

    async def run(self, seconds: float) -> Course:
        """Do rounds for so long, and then wait until the server is what it was at the start, or time is up."""
        # The first round is no measurement: pools and caches fill that never grow again.
        warm = Course(start=await self._point(0))
        await self._round(warm, 0)
        course = Course(start=await self._settled(warm.points[0]))
        self._began = time.monotonic()
        while self._passed < seconds or len(course.points) < 2:
            await self._round(course, len(course.points))
        course.end = await self._settled(course.start)
        steady = await self._load.heard(0)
        course.lost, course.repeated = course.lost + steady.lost, course.repeated + steady.repeated
        course.gone = steady.gone
        return course

    @property
    def _passed(self) -> float:
        return time.monotonic() - self._began

    async def _round(self, course: Course, number: int) -> None:
        cursor, last = await asyncio.to_thread(self._server.newest)
        fresh, resumed, streams = self._requests(f"after={cursor}")
        for cohort, (requests, seen) in zip(COHORTS, ((fresh, -1), (resumed, last), (streams, last)), strict=True):
            await self._open(requests, cohort=cohort, last=seen)
        await asyncio.sleep(1)
        crowd = int(await asyncio.to_thread(self._server.metric, "relayd_connections"))
        for cohort in COHORTS:
            note(course, await self._load.heard(cohort))
        await self._send_away(number)
        course.points.append(await self._point(crowd))
        steady = await self._load.heard(0)
        course.lost, course.repeated = course.lost + steady.lost, course.repeated + steady.repeated
        await self._load.reset()

    def _requests(self, resume: str) -> tuple[list[Request], list[Request], list[Request]]:
        server = self._server
        fresh = [server.viewer(f"fresh-{number}", "bench") for number in range(FRESH)]
        resumed = [server.viewer(f"resumed-{number}", "bench", resume) for number in range(RESUMED)]
        streams = [server.stream(f"stream-{number}", "bench", resume) for number in range(STREAMS)]
        return fresh, resumed, streams

    async def _open(self, requests: Sequence[Request], *, cohort: int, last: int) -> None:
        opened = await self._load.open(self._server.port, requests, cohort=cohort, last=last)
        if opened.failed:
            raise RuntimeError(f"{opened.failed} of {len(requests)} viewers were refused: {opened.refusal}")

    async def _send_away(self, number: int) -> None:
        """Let WebSockets say goodbye, hang up without a word, or be cut, in turn; a stream knows no goodbye."""
        ways = (self._load.farewell, self._load.close, self._load.cut)
        for cohort in COHORTS[:-1]:
            await ways[(number + cohort) % 3](cohort)
        await ways[1 + number % 2](COHORTS[-1])
        deadline = time.monotonic() + SETTLE_SECONDS
        while await asyncio.to_thread(self._server.metric, "relayd_connections") > STEADY:
            if time.monotonic() > deadline:
                raise RuntimeError(f"viewers that left {SETTLE_SECONDS:g} s ago still hold places")
            await asyncio.sleep(0.05)

    async def _settled(self, start: Point) -> Point:
        """Return how the server stands once no more is left over than at the start, or when time is up."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            point = await self._point(STEADY)
            level = point.descriptors <= start.descriptors and point.tasks <= start.tasks
            if level or time.monotonic() > deadline:
                return point
            await asyncio.sleep(0.25)

    async def _point(self, crowd: int) -> Point:
        server = self._server
        descriptors, resident = server.descriptors(), server.resident()
        metrics = await asyncio.to_thread(server.metrics)
        lag, before = scraped(metrics, LAG), self._lag
        self._lag = lag
        steady: Heard = await self._load.heard(0)
        return Point(
            at=self._passed,
            mib=resident / MIB,
            descriptors=descriptors,
            tasks=int(metrics["relayd_tasks"]),
            crowd=crowd,
            latency=steady.latency,
            loop_lag=lag.without(before),
        )


def note(course: Course, heard: Heard) -> None:
    """Add what one cohort of a round got."""
    course.came += heard.viewers
    course.silent += heard.viewers - heard.heard
    course.lost += heard.lost
    course.repeated += heard.repeated


def together(histograms: Iterable[Histogram]) -> Histogram:
    """Return all as one."""
    return reduce(Histogram.merged, histograms, Histogram())


def tell(course: Course, minutes: float, *, judged: bool) -> Result:
    """Return the result; a soak that is too short is not judged by its memory."""
    result = Result(title=f"Soak: {minutes:g} minutes of churn")
    points, start, end = course.points, course.start, course.end
    assert end is not None
    half = [point.mib for point in points if point.at >= points[-1].at / 2]
    growth = max(half) - half[0]
    worst = max(together(slot).p99 for slot in minutely(points))
    result.targets += [
        Target(
            what=f"memory over {minutes:g} minutes with churn ({course.came:,} viewers came and went)",
            limit=f"flat (≤ {GROWTH_MIB} MiB in the second half)",
            figure=f"{growth:+.1f} MiB",
            met=growth <= GROWTH_MIB if judged else None,
        ),
        left_over("open files and sockets", start.descriptors, end.descriptors),
        left_over("tasks", start.tasks, end.tasks),
        Target(
            what="events lost, by those who stayed and those who came back with a cursor",
            limit="0",
            figure=str(course.lost),
            met=course.lost == 0,
        ),
        Target(
            what=f"of {STEADY} viewers who stayed, cut off; of those who came, heard nothing",
            limit="0; 0",
            figure=f"{course.gone}; {course.silent}",
            met=course.gone == course.silent == 0,
        ),
    ]
    result.tables.append(table(points))
    result.notes += [
        f"p99 of the {STEADY} viewers who stayed, in the worst minute: {worst:.1f} ms, at {RATE} events/s.",
        f"Each round brings {FRESH} new viewers, {RESUMED} with a cursor, and {STREAMS} streams with a cursor.",
        "They say goodbye, hang up or are cut. Memory, files and tasks are looked at when they have left.",
        f"Repeated events: {course.repeated}.",
    ]
    result.series["soak"] = {
        "resident MiB": [(point.at, point.mib) for point in points],
        "open files and sockets": [(point.at, point.descriptors) for point in points],
        "tasks": [(point.at, point.tasks) for point in points],
        "p99 ms of those who stay": [(point.at, point.latency.p99) for point in points],
    }
    return result


def left_over(what: str, start: int, end: int) -> Target:
    """Return the promise that as many are there at the end as at the start."""
    return Target(
        what=f"{what} at the end, against the start",
        limit=f"≤ {LEFT_OVER} more",
        figure=f"{end} against {start}",
        met=end - start <= LEFT_OVER,
    )


def minutely(points: Sequence[Point]) -> list[list[Histogram]]:
    """Return the latencies of each minute."""
    slots: dict[int, list[Histogram]] = {}
    for point in points:
        slots.setdefault(int(point.at // 60), []).append(point.latency)
    return list(slots.values())


def table(points: Sequence[Point]) -> Table:
    """Return some twenty lines, each of the rounds since the one before."""
    step = max(1, -(-len(points) // LINES))
    lines: list[list[Cell]] = []
    for first in range(0, len(points), step):
        slot = points[first : first + step]
        last = slot[-1]
        lines.append(
            [
                f"{last.at:.0f}",
                max(point.crowd for point in slot),
                f"{last.mib:.1f}",
                last.descriptors,
                last.tasks,
                shown(together(point.latency for point in slot).p99),
                shown(together(point.loop_lag for point in slot).p99),
            ]
        )
    head = ["second", "most viewers", "MiB", "files", "tasks", "p99 ms of those who stay", "p99 ms of the loop's lag"]
    return Table(title="Behind the rounds, when only those who stay are there", head=head, lines=lines)
