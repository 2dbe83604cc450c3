"""What servers cost by rate, relayd and the bare loop measured in turn."""

from collections import defaultdict
from dataclasses import dataclass, field

from benchmarks.load import Load
from benchmarks.measure.sample import Sample, fed
from benchmarks.publish.feed import Feed, Stream
from benchmarks.rows.pacing import bare_at_the_pace_of
from benchmarks.rows.row import Bench, Result, median
from benchmarks.servers.relayd import Relayd
from benchmarks.servers.server import Server

__all__ = ["P99_MS", "Costs", "flag_load", "measure_base", "one_run"]

P99_MS = 100.0
"""What is later than this is not kept up with, unless the bare loop is as late."""


@dataclass
class Costs:
    """What was measured of one server, by rate."""

    name: str
    base: dict[float, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    samples: dict[float, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    """Runs that are compared."""
    tried: list[Sample] = field(default_factory=list)
    """Runs that tell which rates are held."""

    def held(self) -> list[float]:
        """Return the rates that were held in most runs, lowest first."""
        most = max(map(len, self.samples.values()), default=0)
        return sorted(rate for rate, runs in self.samples.items() if 2 * len(runs) > most)

    def each(self, rate: float) -> list[float]:
        """Return microseconds of CPU for each delivery, run by run."""
        bases = self.base[rate] or [None] * len(self.samples[rate])  # type: ignore[list-item]
        return [sample.microseconds(base) for sample, base in zip(self.samples[rate], bases, strict=True)]

    def median(self, rate: float) -> float:
        """Return their median."""
        return median(self.each(rate)) if self.samples[rate] else float("nan")

    def p99(self, rate: float) -> float:
        """Return the median of the runs' 99th percentiles in milliseconds."""
        return median(sample.latency.p99 for sample in self.samples[rate])


async def measure_base(bench: Bench, server: Server, load: Load, costs: Costs, rates: tuple[float, ...]) -> None:
    """Measure what the feed alone costs."""
    async with server.sink() as sink:
        for rate in rates:
            feed = Feed(sink, Stream(), rate)
            settle, seconds = bench.scale.settle / 2, bench.scale.seconds
            costs.base[rate].append(await fed(server, load, feed, name=costs.name, settle=settle, seconds=seconds))


async def one_run(bench: Bench, viewers: int, rates: tuple[float, ...], relay: Costs, bare: Costs) -> None:
    """Measure both once at every rate."""
    server = Relayd(bench.server_folder(), bench.cores.server)
    server.start()
    try:
        async with bench.load() as load, bench.bare() as loop:
            await measure_base(bench, server, load, relay, rates)
            await load.open_all(server.port, server.requests(viewers))
            await load.open_all(loop.port, loop.requests(viewers), cohort=1)
            stream = Stream()
            async with server.sink() as sink:
                for rate in rates:
                    sample = await fed(
                        server,
                        load,
                        Feed(sink, stream, rate),
                        name=relay.name,
                        settle=bench.scale.settle,
                        seconds=bench.scale.seconds,
                    )
                    relay.samples[rate].append(sample)
                    bare.samples[rate].append(await bare_at_the_pace_of(sample, loop, load, bench))
    finally:
        server.stop()


def flag_load(result: Result, samples: list[Sample]) -> None:
    """Say so where the load program may have held the server back."""
    bound = sorted({sample.rate for sample in samples if sample.is_load_bound})
    if bound:
        told = ", ".join(f"{rate:,}" for rate in bound)
        result.notes.append(
            f"At {told} events/s the load program was nearly out of CPU; the server may have waited for it."
        )
