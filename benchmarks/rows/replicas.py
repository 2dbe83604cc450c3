"""Two relays on one stream, broker and nginx beside them: what each spends, to hold against docs/scaling.md."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from benchmarks.load import Load, Request
from benchmarks.measure.processes import cpu_seconds
from benchmarks.publish.feed import Feed, Stream
from benchmarks.publish.sinks import AmqpSink
from benchmarks.rows.row import Bench, Cell, Result, Table, median, shown
from benchmarks.servers.rabbit import Nginx, private_rabbit
from benchmarks.servers.relayd import Relayd

__all__ = ["replicas"]

EXCHANGE, KEY = "swarm.events", "bench.workflow_log"
KEPT_UP = 0.97
"""A window cuts off its ends."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A stream, and who watches at each of the two relays."""

    name: str
    rate: int
    array: int
    """Events a message."""
    projects: int
    viewers: int
    """At each relay: at the first spread over all projects, at the second gathered on `few`."""
    few: int


SHAPES = (
    Shape(name="team", rate=50, array=1, projects=5, viewers=25, few=1),
    Shape(name="company", rate=1_000, array=1, projects=100, viewers=500, few=20),
    Shape(name="large", rate=10_000, array=100, projects=1_000, viewers=500, few=20),
    Shape(name="part", rate=6_250, array=100, projects=625, viewers=1_000, few=20),
)
"""Those of docs/scaling.md, ten events a second and project; the last is a sixteenth of a million's stream."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a window showed; CPU as a share of one core."""

    cpu: Mapping[str, float]
    frames: tuple[float, float]
    """A second, to the viewers of each relay."""
    p99_ms: tuple[float, float]
    shares: tuple[float, float]
    """Of the events that were due, those that came."""
    lost: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """The windows of one run, in this order."""

    idle: Look
    """One relay and nothing to read."""
    alone: Look
    """One relay reads, nobody watches."""
    both: Look
    """Two relays read, nobody watches."""
    watched: Look
    proxied: Look
    """The first relay's viewers come through nginx."""


async def replicas(bench: Bench) -> Result:
    """Measure each shape."""
    result = Result(title="Two relays on one stream")
    seen: list[list[Cell]] = []
    beside: list[list[Cell]] = []
    for shape in SHAPES:
        runs = [await one_run(bench, shape) for _ in range(bench.scale.repeats)]
        result.samples += [{"shape": shape.name, **asdict(run)} for run in runs]
        figures = summed_up(shape, runs)
        result.series[shape.name] = figures
        title = f"{shape.name}: {shape.rate:,} events/s, {shape.array} a message, {shape.projects:,} projects"
        for name, groups in (("spread", min(shape.projects, shape.viewers)), ("gathered", shape.few)):
            read, watched = figures[f"{name} read"], figures[f"{name} watched"]
            frames, late = figures[f"{name} frames"], figures[f"{name} p99 ms"]
            each = (watched - read) / frames * 1e6
            cpu = [shown(share * 100) for share in (read, watched)]
            seen.append([title, f"{shape.viewers} on {groups}", *cpu, f"{frames:,.0f}", shown(each), shown(late)])
        broker = [shown(figures[name] * 100) for name in ("broker, one reader", "broker, two")]
        beside.append([title, shown(figures["payload µs"]), *broker, shown(figures["nginx µs"])])
        if lost := sum(look.lost for run in runs for look in (run.watched, run.proxied)):
            result.notes.append(f"{shape.name}: {lost:,} events were lost, so its figures mean nothing.")
        if (least := min(share for run in runs for share in run.watched.shares)) < KEPT_UP:
            result.notes.append(f"{shape.name}: only {least:.0%} of the events came, so its figures mean little.")
    head = [
        "stream",
        "viewers on projects",
        "% CPU without viewers",
        "% CPU with them",
        "frames/s",
        "µs a frame",
        "p99 ms",
    ]
    result.tables.append(Table(title="Each relay", head=head, lines=seen))
    head = ["stream", "µs more for each group and frame", "broker % CPU, one reader", "two", "nginx µs a frame"]
    result.tables.append(Table(title="Between and beside them", head=head, lines=beside))
    result.notes.append("Both relays share a core; broker, nginx, publisher and viewers share the other.")
    return result


def summed_up(shape: Shape, runs: list[Run]) -> dict[str, float]:
    """Return the medians that docs/scaling.md reckons with, shares of a core unless the name says otherwise."""
    figures: dict[str, float] = {
        "rate": shape.rate,
        "array": shape.array,
        "projects": shape.projects,
        "viewers": shape.viewers,
        "few": shape.few,
    }
    figures["idle"] = median(run.idle.cpu["spread"] for run in runs)
    for number, name in enumerate(("spread", "gathered")):
        figures[f"{name} read"] = median(run.both.cpu[name] for run in runs)
        figures[f"{name} watched"] = median(run.watched.cpu[name] for run in runs)
        figures[f"{name} frames"] = median(run.watched.frames[number] for run in runs)
        figures[f"{name} p99 ms"] = median(run.watched.p99_ms[number] for run in runs)
    figures["broker, one reader"] = median(run.alone.cpu["broker"] for run in runs)
    figures["broker, two"] = median(run.both.cpu["broker"] for run in runs)
    # Both relays read the same at the same time and send as much; they differ in their groups.
    groups = (min(shape.projects, shape.viewers) - shape.few) * shape.rate / shape.projects
    more = median(run.watched.cpu["spread"] - run.watched.cpu["gathered"] for run in runs)
    figures["payload µs"] = more / groups * 1e6
    figures["nginx µs"] = median(run.proxied.cpu["nginx"] / run.proxied.frames[0] for run in runs) * 1e6
    return figures


async def one_run(bench: Bench, shape: Shape) -> Run:
    """Start everything and look, time after time with more of it."""
    names = [f"bench-{number:04d}" for number in range(shape.projects)]
    with private_rabbit(bench.cores.load) as rabbit:
        spread, gathered = (Relayd(bench.server_folder(), bench.cores.server, rabbitmq=rabbit.url) for _ in range(2))
        nginx = Nginx(bench.server_folder(), bench.cores.load, spread.port)
        cpu: dict[str, Callable[[], float]] = {
            "broker": lambda: cpu_seconds(rabbit.broker.pid),
            "spread": spread.cpu,
        }
        try:
            spread.start()
            sink = AmqpSink(rabbit.url, EXCHANGE, KEY, arrays=shape.array > 1)
            async with bench.load() as load, sink:
                stream = Stream(projects=names)

                async def next_look() -> Look:
                    async with Feed(sink, stream, shape.rate, array=shape.array):
                        return await look(bench, shape, load, cpu)

                idle = await look(bench, shape, load, cpu)
                alone = await next_look()
                gathered.start()
                nginx.start()
                cpu |= {"gathered": gathered.cpu, "nginx": nginx.cpu}
                both = await next_look()
                everywhere = requests(spread, names, shape.viewers)
                await load.open_all(spread.port, everywhere, cohort=0)
                await load.open_all(gathered.port, requests(gathered, names[: shape.few], shape.viewers), cohort=1)
                watched = await next_look()
                await load.open_all(nginx.port, everywhere, cohort=0)
                proxied = await next_look()
                return Run(idle=idle, alone=alone, both=both, watched=watched, proxied=proxied)
        finally:
            for server in (nginx, gathered, spread):
                server.stop()


def requests(server: Relayd, names: list[str], viewers: int) -> list[Request]:
    """Return viewers, each of one project, the projects in turn."""
    return [server.viewer(f"viewer-{number}", names[number % len(names)]) for number in range(viewers)]


async def look(bench: Bench, shape: Shape, load: Load, cpu: Mapping[str, Callable[[], float]]) -> Look:
    """Let what was begun settle, and return what happens in a window."""
    await asyncio.sleep(bench.scale.settle)
    await load.reset()
    began, before = time.monotonic(), {name: used() for name, used in cpu.items()}
    await asyncio.sleep(bench.scale.seconds)
    spent = {name: used() - before[name] for name, used in cpu.items()}
    passed = time.monotonic() - began
    first, second = await load.heard(0), await load.heard(1)
    due = shape.viewers * shape.rate / shape.projects * passed
    return Look(
        cpu={name: seconds / passed for name, seconds in spent.items()},
        frames=(first.frames / passed, second.frames / passed),
        p99_ms=(first.latency.p99, second.latency.p99),
        shares=(first.messages / due, second.messages / due),
        lost=first.lost + second.lost,
    )
