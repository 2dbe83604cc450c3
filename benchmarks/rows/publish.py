"""What a worker publishes in a second with confirms: relayd's publisher beside bare aio-pika, into a stream."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import NamedTuple

from benchmarks.measure.processes import pinned
from benchmarks.rows.row import TIMES, Bench, Cell, Result, Table, median, shown
from benchmarks.servers.peers import PROGRAMS
from benchmarks.servers.rabbit import private_rabbit
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import setup

__all__ = ["publish"]

WAYS = {
    "bare-single": "aio-pika, each awaited",
    "relayd-single": "relayd.worker, each flushed, nothing gathered",
    "bare-many": "aio-pika, 100 on their way at once",
    "relayd-many": "relayd.worker, gathered",
}


class Published(NamedTuple):
    """Events a second, and CPU of the worker alone."""

    rate: float
    cpu_us: float


async def publish(bench: Bench) -> Result:
    """Let each way publish in turn, on a core of its own."""
    found: dict[str, list[Published]] = {way: [] for way in WAYS}
    with private_rabbit(bench.cores.load) as rabbit:
        url = rabbit.vhost("publish")
        await setup(url, RabbitSettings())
        for _ in range(bench.scale.repeats):
            for way in WAYS:
                found[way].append(await one(bench, way, url))
    result = Result(title="Publishing from a worker, every event confirmed")
    lines: list[list[Cell]] = [
        [
            name,
            f"{median(one.rate for one in found[way]):,.0f}",
            shown(median(one.cpu_us for one in found[way])),
            f"{against_bare(found, way)} {TIMES}",
        ]
        for way, name in WAYS.items()
    ]
    head = ["way", "events/s", "CPU µs an event", "of aio-pika's way"]
    result.tables.append(Table(title="Into a stream, broker on another core", head=head, lines=lines))
    return result


def against_bare(found: dict[str, list[Published]], way: str) -> str:
    """Return the rate as a ratio to bare aio-pika's of the same run, one by one or many."""
    bare = found[f"bare-{way.partition('-')[2]}"]
    return shown(median(one.rate / other.rate for one, other in zip(found[way], bare, strict=True)))


async def one(bench: Bench, way: str, url: str) -> Published:
    """Let one worker publish for a window."""
    argv = [sys.executable, str(PROGRAMS / "publisher.py"), way, url, str(bench.scale.seconds)]
    child = await asyncio.create_subprocess_exec(*pinned(bench.cores.server, argv), stdout=PIPE)
    try:
        printed, _ = await asyncio.wait_for(child.communicate(), 60 + bench.scale.seconds)
    except TimeoutError:
        child.kill()
        raise
    told = json.loads(printed)
    return Published(told["events"] / told["seconds"], told["cpu"] / told["events"] * 1e6)
