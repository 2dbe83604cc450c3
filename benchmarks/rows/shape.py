"""What a delivery costs by the number of viewers, the size of an event and the number of projects; for the pictures."""

from benchmarks.measure.sample import Sample, fed
from benchmarks.publish.feed import Feed, Stream
from benchmarks.rows.pacing import bare_at_the_pace_of
from benchmarks.rows.row import TIMES, Bench, Cell, Result, Table, shown
from benchmarks.servers.relayd import Relayd

__all__ = ["shape"]

RATE = 100
VIEWERS = (10, 100, 1_000, 5_000)
SIZES = (200, 300, 1_000, 4_000, 16_000)
PROJECTS = (1, 10, 100, 1_000)
PROJECT_RATE = 1_000

Three = tuple[Sample, Sample, Sample]
"""Without viewers, with them, the bare loop."""


async def shape(bench: Bench) -> Result:
    """Measure once for each value."""
    result = Result(title="Cost by viewers, size and projects")
    viewers = bench.scale.pick(VIEWERS, (100, 1_000))
    sizes = bench.scale.pick(SIZES, (300, 4_000))
    projects = bench.scale.pick(PROJECTS, (1, 100))
    by_viewers = {float(count): await one(bench, viewers=count) for count in viewers}
    by_size = {float(size): await one(bench, size=size) for size in sizes}
    per_delivery(result, f"By viewers, {RATE} events/s of 300 bytes", "viewers", by_viewers)
    per_delivery(result, f"By size, {RATE} events/s, 1,000 viewers", "size", by_size)
    lines: list[list[Cell]] = []
    points: dict[str, list[tuple[float, float]]] = {
        "µs an event, no viewers": [],
        "µs an event, 1,000 viewers in all": [],
    }
    for count in projects:
        alone, watched, _ = await one(bench, projects=count, rate=PROJECT_RATE)
        costs = [sample.cpu / sample.rate * 1e6 for sample in (alone, watched)]
        lines.append([count, *map(shown, costs), f"{watched.deliveries:,.0f}"])
        for curve, cost in zip(points.values(), costs, strict=True):
            curve.append((count, cost))
    head = ["projects", *points, "deliveries/s"]
    result.tables.append(Table(title=f"By projects, {PROJECT_RATE:,} events/s in all", head=head, lines=lines))
    result.series["projects"] = points
    return result


def per_delivery(result: Result, title: str, name: str, measured: dict[float, Three]) -> None:
    """Add a table and curves of microseconds per delivery."""
    relay = [(value, watched.microseconds(alone)) for value, (alone, watched, _) in measured.items()]
    bare = [(value, loop.microseconds()) for value, (_, _, loop) in measured.items()]
    lines = [
        [
            f"{value:,.0f}",
            shown(cost),
            shown(limit),
            f"{cost / limit:.2f} {TIMES}",
            shown(measured[value][1].latency.p99),
        ]
        for (value, cost), (_, limit) in zip(relay, bare, strict=True)
    ]
    head = [name, "relayd µs", "bare µs", "ratio", "p99 ms"]
    result.tables.append(Table(title=title, head=head, lines=lines))
    result.series[name] = {"relayd": relay, "bare send loop (C)": bare}
    result.samples += [sample.figures() for three in measured.values() for sample in three]


async def one(bench: Bench, *, viewers: int = 1_000, size: int = 300, projects: int = 1, rate: float = RATE) -> Three:
    """Measure one combination."""
    named = [f"bench-{number}" for number in range(projects)]
    server = Relayd(bench.server_folder(), bench.cores.server)
    server.start()
    try:
        async with bench.load() as load, server.sink() as sink, bench.bare() as loop:
            stream = Stream(size, named)
            settle, seconds = bench.scale.settle, bench.scale.seconds
            alone = await fed(server, load, Feed(sink, stream, rate), name="relayd", settle=settle / 2, seconds=seconds)
            watching = [server.viewer(f"viewer-{number}", named[number % projects]) for number in range(viewers)]
            await load.open_all(server.port, watching)
            watched = await fed(server, load, Feed(sink, stream, rate), name="relayd", settle=settle, seconds=seconds)
            await load.open_all(loop.port, loop.requests(viewers), cohort=1)
            return alone, watched, await bare_at_the_pace_of(watched, loop, load, bench)
    finally:
        server.stop()
