"""How many deliveries a second one core makes before they are late."""

from benchmarks.load import Load
from benchmarks.measure.sample import Sample, fed
from benchmarks.publish.feed import Feed, Stream
from benchmarks.rows.costs import P99_MS, flag_load
from benchmarks.rows.pacing import bare_at_the_pace_of
from benchmarks.rows.row import TIMES, Bench, Cell, Result, Table, Target, median, shown
from benchmarks.servers.bare import Bare
from benchmarks.servers.relayd import Relayd

__all__ = ["capacity"]

LADDERS = {
    1_000: (1_000, 2_000, 3_000, 4_000, 6_000, 8_000),
    5_000: (100, 200, 300, 400, 600, 1_000),
}
QUICK_LADDERS = {1_000: (1_000, 2_000), 5_000: (200,)}
WANTED = {1_000: 2_000_000, 5_000: 1_000_000}
BARE_FACTOR = 1.2

SLOWEST = 0.1
"""Seconds between two frames that relayd may take at most, by its own promise; so the bare loop never takes longer."""

Step = tuple[Sample, Sample]


async def capacity(bench: Bench) -> Result:
    """Climb until relayd is later than it may be, several times."""
    result = Result(title="Capacity on one core")
    for viewers, rates in bench.scale.pick(LADDERS, QUICK_LADDERS).items():
        runs = [await climb(bench, viewers, rates) for _ in range(bench.scale.repeats)]
        tell(result, viewers, runs)
    return result


async def climb(bench: Bench, viewers: int, rates: tuple[int, ...]) -> list[Step]:
    """Return each step with the bare loop's at the same pace; the last one may have failed."""
    server = Relayd(bench.server_folder(), bench.cores.server)
    steps: list[Step] = []
    server.start()
    try:
        async with bench.load() as load, bench.bare() as loop, server.sink() as sink:
            await load.open_all(server.port, server.requests(viewers))
            await load.open_all(loop.port, loop.requests(viewers), cohort=1)
            stream = Stream()
            for rate in rates:
                steps.append(await step(bench, server, load, loop, Feed(sink, stream, rate)))
                if not good(steps[-1]):
                    break
    finally:
        server.stop()
    return steps


async def step(bench: Bench, server: Relayd, load: Load, loop: Bare, feed: Feed) -> Step:
    """Measure relayd, then the bare loop at its pace."""
    settle, seconds = bench.scale.settle, bench.scale.seconds
    sample = await fed(server, load, feed, name=server.name, settle=settle, seconds=seconds)
    return sample, await bare_at_the_pace_of(sample, loop, load, bench, slowest=SLOWEST)


def good(pair: Step) -> bool:
    """Tell whether relayd kept up, and in time."""
    sample, bare = pair
    return sample.holds(max(P99_MS, BARE_FACTOR * bare.latency.p99))


def tell(result: Result, viewers: int, runs: list[list[Step]]) -> None:
    """Add table and target for a number of viewers."""
    lines: list[list[Cell]] = []
    for number, steps in enumerate(runs, 1):
        for sample, bare in steps:
            lines.append(
                [
                    number,
                    f"{sample.rate:,}",
                    f"{sample.deliveries:,.0f}",
                    shown(sample.cpu * 100),
                    shown(sample.frame_rate),
                    shown(sample.latency.p99),
                    shown(bare.latency.p99),
                    shown(sample.load_cpu * 100),
                    "yes" if good((sample, bare)) else "no",
                ]
            )
            result.samples += [sample.figures(), bare.figures()]
    head = [
        "run",
        "events/s",
        "deliveries/s",
        "% CPU",
        "frames/s each",
        "p99 ms",
        "bare p99 ms",
        "load's % CPU",
        "in time",
    ]
    result.tables.append(Table(title=f"{viewers:,} viewers", head=head, lines=lines))
    best = median(max((pair[0].deliveries for pair in steps if good(pair)), default=0.0) for steps in runs)
    wanted = WANTED[viewers]
    result.targets.append(
        Target(
            what=f"deliveries/s on one core, {viewers:,} viewers, in time",
            limit=f"≥ {wanted:,}",
            figure=f"{best:,.0f}",
            # A window cuts off its ends.
            met=best >= 0.97 * wanted,
        )
    )
    note = f"In time: a p99 of at most {P99_MS:.0f} ms or {BARE_FACTOR} {TIMES} the bare loop's, and nothing lost."
    if note not in result.notes:
        result.notes.append(note)
    flag_load(result, [sample for steps in runs for sample, _ in steps])
