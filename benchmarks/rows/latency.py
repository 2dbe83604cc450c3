"""From a worker through RabbitMQ and the relay to a viewer, at an easy pace."""

from benchmarks.load import Load
from benchmarks.measure.histogram import Histogram
from benchmarks.measure.sample import Sample, fed
from benchmarks.publish.feed import Feed, Stream
from benchmarks.publish.sinks import AmqpSink
from benchmarks.rows.row import Bench, Cell, Result, Table, Target, median, shown
from benchmarks.servers.rabbit import Nginx, private_rabbit
from benchmarks.servers.relayd import Relayd

__all__ = ["latency"]

RATE = 100
VIEWERS = 100
P50_MS, P99_MS, NGINX_MS = 5, 20, 2
EXCHANGE = "swarm.events"


async def latency(bench: Bench) -> Result:
    """Measure with viewers at the relay itself, and with viewers behind nginx, in turn."""
    direct: list[Sample] = []
    proxied: list[Sample] = []
    with private_rabbit(bench.cores.load) as rabbit:
        server = Relayd(bench.server_folder(), bench.cores.server, rabbitmq=rabbit.url)
        nginx = Nginx(bench.server_folder(), bench.cores.load, server.port)
        try:
            server.start()
            nginx.start()
            async with bench.load() as load, AmqpSink(rabbit.url, EXCHANGE, "bench.workflow_log") as sink:
                stream = Stream()
                for _ in range(bench.scale.repeats):
                    feed = Feed(sink, stream, RATE)
                    direct.append(await window(bench, server, load, feed, server.port, "relayd"))
                    feed = Feed(sink, stream, RATE)
                    proxied.append(await window(bench, server, load, feed, nginx.port, "relayd behind nginx"))
        finally:
            nginx.stop()
            server.stop()
    return tell(direct, proxied)


async def window(bench: Bench, server: Relayd, load: Load, feed: Feed, port: int, name: str) -> Sample:
    """Measure with viewers at a port."""
    await load.open_all(port, server.requests(VIEWERS))
    seconds = bench.scale.pick(20.0, 5.0)
    sample = await fed(server, load, feed, name=name, settle=bench.scale.settle, seconds=seconds)
    await load.close()
    return sample


def tell(direct: list[Sample], proxied: list[Sample]) -> Result:
    """Return the result."""
    result = Result(title=f"Latency: worker → RabbitMQ → relayd → viewer, {RATE} events/s, {VIEWERS} viewers")
    lines: list[list[Cell]] = []
    for samples in (direct, proxied):
        whole = Histogram()
        for sample in samples:
            whole = whole.merged(sample.latency)
        result.series.setdefault("latency", {})[f"{samples[0].server}, RabbitMQ"] = whole.buckets
        percents = [shown(whole.percentile_ms(percent)) for percent in (50, 90, 99, 99.9)]
        lines.append([samples[0].server, *percents, f"{whole.count:,}", sum(sample.lost for sample in samples)])
    head = ["viewers at", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "deliveries", "lost"]
    result.tables.append(Table(title="Latency", head=head, lines=lines))
    for name, samples, extra in (("", direct, 0), (", behind nginx", proxied, NGINX_MS)):
        for percent, limit in ((50, P50_MS), (99, P99_MS)):
            figure = median(sample.latency.percentile_ms(percent) for sample in samples)
            result.targets.append(
                Target(
                    what=f"p{percent} of worker → RabbitMQ → relayd → viewer{name}",
                    limit=f"≤ {limit + extra} ms",
                    figure=f"{figure:.1f} ms",
                    met=figure <= limit + extra,
                )
            )
    result.samples = [sample.figures() for sample in (*direct, *proxied)]
    return result
