"""Many projects with few viewers against few projects with the same totals, and one socket for many projects."""

from collections.abc import Sequence

from benchmarks.load import Request
from benchmarks.measure.sample import Sample, fed
from benchmarks.publish.feed import Feed, Stream
from benchmarks.rows.pacing import bare_at_the_pace_of
from benchmarks.rows.row import TIMES, Bench, Cell, Result, Table, Target, median, shown
from benchmarks.servers.relayd import Relayd

__all__ = ["projects"]

MANY, FEW = 2_000, 10
EACH = 2
RATE = 5_000
BUNDLED, BUNDLES = 50, 20
MOST_FRAMES = 100
GROWTH = 1.1
"""Above this it is growth; below, the machine's noise."""

Pair = tuple[Sample, Sample, Sample]
"""Without viewers, with them, and the bare loop's sends."""


async def projects(bench: Bench) -> Result:
    """Measure few and many in turn, then bundles."""
    result = Result(title=f"Many projects, {RATE:,} events/s in all")
    few: list[Pair] = []
    many: list[Pair] = []
    bundles: list[Sample] = []
    for _ in range(bench.scale.repeats):
        few.append(await spread(bench, FEW))
        many.append(await spread(bench, bench.scale.pick(MANY, 500)))
        bundles.append(await bundle(bench))
    tell(result, few, many, bundles)
    return result


def names(count: int) -> list[str]:
    """Return names of projects."""
    return [f"bench-{number:04d}" for number in range(count)]


def microseconds(sample: Sample) -> float:
    """Return CPU for each event that was fed."""
    return sample.cpu / sample.rate * 1e6


async def spread(bench: Bench, count: int) -> Pair:
    """Measure so many projects with two viewers each."""
    named = names(count)
    server = Relayd(bench.server_folder(), bench.cores.server)
    server.start()
    try:
        async with bench.load() as load, server.sink() as sink, bench.bare() as loop:
            stream = Stream(projects=named)
            label = f"{count:,} projects"
            settle, seconds = bench.scale.settle, bench.scale.seconds
            alone = await fed(server, load, Feed(sink, stream, RATE), name=label, settle=settle, seconds=seconds)
            viewers: Sequence[Request] = [
                server.viewer(f"viewer-{number}-{project}", project) for project in named for number in range(EACH)
            ]
            await load.open_all(server.port, viewers)
            watched = await fed(server, load, Feed(sink, stream, RATE), name=label, settle=settle, seconds=seconds)
            # The loop sends to as many sockets, each as often: so much of the cost is the kernel's.
            await load.open_all(loop.port, loop.requests(len(viewers)), cohort=1)
            each = Sample(**{**vars(watched), "rate": RATE / count})
            sends = await bare_at_the_pace_of(each, loop, load, bench)
    finally:
        server.stop()
    return alone, watched, sends


async def bundle(bench: Bench) -> Sample:
    """Measure viewers that watch many projects over one socket."""
    named = names(BUNDLED)
    server = Relayd(bench.server_folder(), bench.cores.server)
    server.start()
    try:
        async with bench.load() as load, server.sink() as sink:
            await load.open_all(server.port, [server.bundle(f"viewer-{number}", named) for number in range(BUNDLES)])
            feed = Feed(sink, Stream(projects=named), RATE)
            settle, seconds = bench.scale.settle, bench.scale.seconds
            return await fed(server, load, feed, name="bundles", settle=settle, seconds=seconds)
    finally:
        server.stop()


def tell(result: Result, few: list[Pair], many: list[Pair], bundles: list[Sample]) -> None:
    """Add tables and targets."""
    lines: list[list[Cell]] = []
    for runs in (few, many):
        alone = median(microseconds(one) for one, _, _ in runs)
        watched = median(microseconds(one) for _, one, _ in runs)
        # Sends of the bare loop, taken to the events of all projects.
        sends = median(bare.cpu / one.rate * 1e6 for _, one, bare in runs)
        frames = median(one.frames / one.seconds for _, one, _ in runs)
        lines.append(
            [runs[0][0].server, shown(alone), shown(watched), f"{frames:,.0f}", shown(sends), shown(watched - sends)]
        )
    head = ["", "µs an event, no viewers", "µs, 2 viewers each", "frames/s", "of it bare sends", "µs without the sends"]
    result.tables.append(Table(title="Cost of an event", head=head, lines=lines))
    growth = median(microseconds(a[0]) / microseconds(b[0]) for a, b in zip(many, few, strict=True))
    result.targets.append(
        Target(
            what=f"cost of an event, {many[0][0].server} against {FEW}, no viewers",
            limit=f"no growth (≤ {GROWTH} {TIMES})",
            figure=f"{growth:.2f} {TIMES}",
            met=growth <= GROWTH,
        )
    )
    ratios = [
        (microseconds(a[1]) - a[2].cpu / RATE * 1e6) / (microseconds(b[1]) - b[2].cpu / RATE * 1e6)
        for a, b in zip(many, few, strict=True)
    ]
    with_viewers = median(ratios)
    result.targets.append(
        Target(
            what=f"the same with {EACH} viewers each, less what the bare loop's sends cost",
            limit=f"no growth (≤ {GROWTH} {TIMES})",
            figure=f"{with_viewers:.2f} {TIMES}",
            met=with_viewers <= GROWTH,
        )
    )
    frames = max(sample.frame_rate for sample in bundles)
    came = median(sample.messages / sample.seconds / BUNDLES for sample in bundles)
    result.targets.append(
        Target(
            what=f"frames/s of a bundle of {BUNDLED} projects at {RATE:,} events/s",
            limit=f"≤ {MOST_FRAMES}",
            figure=f"{frames:.1f} ({came:,.0f} events/s came)",
            # A window may begin just before one frame and end just behind another.
            met=frames <= MOST_FRAMES + 1 / bundles[0].seconds and came >= 0.97 * RATE,
        )
    )
    result.notes.append(
        "Fewer events in a project mean fewer to gather in one frame: with more projects more frames leave, and each "
        "is a system call, whoever makes it. The bare loop's column says how much of the cost that is."
    )
    result.samples = [one.figures() for runs in (few, many) for run in runs for one in run]
    result.samples += [one.figures() for one in bundles]
