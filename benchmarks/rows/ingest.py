"""How fast the log is read: the daemon with its journal, and bare loops of aio-pika and aiormq, on a full stream."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import NamedTuple

from benchmarks.measure.processes import pinned
from benchmarks.publish.feed import Stream
from benchmarks.publish.sinks import AmqpSink
from benchmarks.rows.row import Bench, Cell, Result, Table, Target, median, shown
from benchmarks.servers.peers import PROGRAMS
from benchmarks.servers.rabbit import private_rabbit
from benchmarks.servers.relayd import Relayd

__all__ = ["ingest"]

PROJECTS = [f"bench-{number}" for number in range(10)]
EXCHANGE, QUEUE, KEY = "swarm.events", "relayd.events", "bench.workflow_log"
COUNTED = "relayd_broker_messages_total"
SHARE, FLOOR = 0.7, 50_000
PAUSE = 0.2


class Read(NamedTuple):
    """How fast something was read; CPU of the reader only."""

    rate: float
    cpu_us: float


async def ingest(bench: Bench) -> Result:
    """Fill two streams, then let all readers read each, in turn."""
    result = Result(title="Ingest from RabbitMQ, the whole path with the journal on")
    messages = bench.scale.pick({1: 60_000, 100: 6_000}, {1: 10_000, 100: 1_000})
    lines: list[list[Cell]] = []
    with private_rabbit(bench.cores.load) as rabbit:
        for array, count in messages.items():
            url = rabbit.vhost(f"array-{array}")
            await fill(bench, url, array, count)
            bare, below, relay = [], [], []
            for _ in range(bench.scale.repeats):
                bare.append(await bare_loop(bench, "consumer.py", url, count))
                below.append(await bare_loop(bench, "consumer_aiormq.py", url, count))
                relay.append(await whole_path(bench, url, count * array))
            ratio = median(one.rate / other.rate for one, other in zip(relay, bare, strict=True))
            for name, reads in (("bare aio-pika loop", bare), ("bare aiormq loop", below), ("relayd", relay)):
                rate, cpu = median(read.rate for read in reads), median(read.cpu_us for read in reads)
                lines.append([array, name, f"{rate:,.0f}", shown(cpu)])
            result.targets.append(judged(array, ratio, median(read.rate for read in relay)))
    head = ["events a message", "reader", "events/s", "CPU µs an event"]
    result.tables.append(Table(title="Reading a full stream, broker on another core", head=head, lines=lines))
    return result


def judged(array: int, ratio: float, rate: float) -> Target:
    """Return the target for messages of so many events."""
    if array == 1:
        return Target(
            what="ingest of single events, against a bare aio-pika loop",
            limit=f"≥ {SHARE:.0%}",
            figure=f"{ratio:.0%}",
            met=ratio >= SHARE,
        )
    return Target(
        what=f"ingest in arrays of {array}", limit=f"≥ {FLOOR:,} events/s", figure=f"{rate:,.0f}", met=rate >= FLOOR
    )


async def fill(bench: Bench, url: str, array: int, count: int) -> None:
    """Let a relay make the stream, stop it, and fill the stream."""
    server = Relayd(bench.server_folder(), bench.cores.server, rabbitmq=url)
    try:
        server.start()
    finally:
        server.stop()
    stream = Stream(projects=PROJECTS)
    async with AmqpSink(url, EXCHANGE, KEY) as sink:
        for _ in range(0, count, 1_000):
            bodies = [
                b"[" + b",".join(stream.take(array)) + b"]" if array > 1 else stream.take(1)[0] for _ in range(1_000)
            ]
            await sink.send_bodies(bodies)


async def bare_loop(bench: Bench, program: str, url: str, count: int) -> Read:
    """Let a bare loop read all."""
    argv = pinned(bench.cores.server, [sys.executable, str(PROGRAMS / program), url, QUEUE, str(count)])
    child = await asyncio.create_subprocess_exec(*argv, stdout=PIPE)
    try:
        printed, _ = await asyncio.wait_for(child.communicate(), 120)
    except TimeoutError:
        child.kill()
        raise
    told = json.loads(printed)
    return Read(told["events"] / told["seconds"], told["cpu"] / told["events"] * 1e6)


async def whole_path(bench: Bench, url: str, events: int) -> Read:
    """Let a relay that knows nothing read all; the rate is taken between two looks at its metrics."""
    server = Relayd(bench.server_folder(), bench.cores.server, rabbitmq=url)
    loop = asyncio.get_running_loop()
    looks: list[tuple[float, float, float]] = []
    try:
        # Being ready means having caught up; by then it is over.
        server.start_unready()
        deadline = loop.time() + 120
        while not looks or looks[-1][1] < events:
            if loop.time() > deadline:
                raise RuntimeError(f"relayd read {looks[-1][1]:,.0f} of {events:,} events in two minutes")
            count = await asyncio.to_thread(server.metric, COUNTED)
            looks.append((loop.time(), count, server.cpu()))
            await asyncio.sleep(PAUSE)
    finally:
        server.stop()
    within = [look for look in looks if 0 < look[1] < events]
    if len(within) < 2:
        raise RuntimeError("relayd read everything between two looks at its metrics; fill the stream with more")
    (began, first, cpu), (ended, last, used) = within[0], within[-1]
    return Read((last - first) / (ended - began), (used - cpu) / (last - first) * 1e6)
