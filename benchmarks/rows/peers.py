"""CPU for each delivery: relayd against its peers, each up to the highest rate it holds."""

import asyncio
import time

from benchmarks.load import Load
from benchmarks.measure.sample import fed
from benchmarks.publish.feed import Feed, Sink, Stream
from benchmarks.rows.costs import P99_MS, Costs, measure_base, one_run
from benchmarks.rows.row import TIMES, Bench, Cell, Result, Table, Target, shown
from benchmarks.servers.bare import Bare
from benchmarks.servers.peers import PEERS
from benchmarks.servers.relayd import Relayd
from benchmarks.servers.server import Missing, Peer

__all__ = ["peers"]

VIEWERS = 1_000
RATES = (20, 50, 100, 200, 500, 1_000, 2_000)
SLOW_RATES = (10, 5, 2, 1)
"""For a peer that can't hold the lowest rate; there it may be late, or nothing could be said of it."""

LATE_MS = 1_000.0

LISTENING_SECONDS = 90

JUDGED = ("nchan", "nats", "webstomp")
COMPARED_AT = 1_000
CHEAPER = 10


async def peers(bench: Bench) -> Result:
    """Run relayd and the bare loop, then each peer; its rates end where it does not keep up."""
    rates: tuple[float, ...] = bench.scale.pick(RATES, (20, 1_000))
    # Seven servers at seven rates: shorter windows, or it would take an hour alone.
    bench = bench.with_windows(seconds=min(4.0, bench.scale.seconds), settle=min(2.0, bench.scale.settle))
    relay, bare = Costs(Relayd.name), Costs(Bare.name)
    costs = {key: Costs(peer.name) for key, peer in PEERS.items()}
    result = Result(title=f"CPU per delivery against the peers, {VIEWERS:,} viewers")
    missing: set[str] = set()
    for _ in range(bench.scale.repeats):
        await one_run(bench, VIEWERS, rates, relay, bare)
        for key in sorted(PEERS.keys() - missing, key=list(PEERS).index):
            try:
                await one_peer(bench, PEERS[key], rates, costs[key], bare)
            except Missing as error:
                missing.add(key)
                result.notes.append(f"**Missing:** {costs[key].name}: {error}")
    compare(result, relay, bare, {key: costs[key] for key in PEERS if key not in missing})
    return result


async def one_peer(bench: Bench, peer: Peer, rates: tuple[float, ...], costs: Costs, bare: Costs) -> None:
    """Measure a peer once at every rate that it holds; one that can't hold the lowest gets lower ones."""
    held = await climb(bench, peer, rates, costs, bare)
    for rate in SLOW_RATES:
        if held:
            return
        held = await climb(bench, peer, (rate,), costs, bare, least_ms=LATE_MS)


async def climb(
    bench: Bench, peer: Peer, rates: tuple[float, ...], costs: Costs, bare: Costs, *, least_ms: float = P99_MS
) -> list[float]:
    """Start a peer, measure it at one rate after the other until it does not keep up, and return those it held."""
    server = peer(bench.server_folder(), bench.cores.server)
    held: list[float] = []
    try:
        server.start()
        async with bench.load() as load:
            await load.open_all(server.port, server.requests(VIEWERS), concurrency=server.handshakes)
            async with server.sink() as sink:
                stream = Stream()
                await all_listening(load, sink, stream)
                for rate in rates:
                    feed = Feed(sink, stream, rate)
                    settle, seconds = bench.scale.settle, bench.scale.seconds
                    sample = await fed(server, load, feed, name=costs.name, settle=settle, seconds=seconds)
                    costs.tried.append(sample)
                    if not sample.holds(max(least_ms, bound(bare, rate))):
                        break
                    costs.samples[rate].append(sample)
                    held.append(rate)
            await load.close()
            await measure_base(bench, server, load, costs, tuple(held))
    finally:
        server.stop()
    return held


async def all_listening(load: Load, sink: Sink, stream: Stream) -> None:
    """Return when each viewer has heard an event, for some subscribe long after the handshake; raises RuntimeError."""
    deadline = time.monotonic() + LISTENING_SECONDS
    while (heard := await load.heard()).heard < heard.viewers:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{heard.viewers - heard.heard} viewers hear nothing after {LISTENING_SECONDS} s")
        await sink.send(stream.take(1))
        await asyncio.sleep(0.5)


def bound(bare: Costs, rate: float) -> float:
    """Return the p99 in milliseconds up to which a server keeps up."""
    return max(P99_MS, 1.2 * bare.p99(rate)) if bare.samples[rate] else P99_MS


def compare(result: Result, relay: Costs, bare: Costs, costs: dict[str, Costs]) -> None:
    """Put the peers beside relayd."""
    rates = [f"{rate:,}/s" for rate in RATES]
    head = ["server", *rates, "highest held", "µs there", f"÷ relayd at {COMPARED_AT:,}/s"]
    lines: list[list[Cell]] = []
    for one in (bare, relay, *costs.values()):
        highest = max(one.held(), default=0.0)
        at = max((rate for rate in one.held() if rate <= COMPARED_AT), default=0.0)
        times = one.median(at) / relay.median(COMPARED_AT)
        figures = [shown(one.median(rate)) for rate in RATES]
        lines.append([one.name, *figures, f"{highest:,.0f}/s", shown(one.median(highest)), f"{times:.1f} {TIMES}"])
    result.tables.append(Table(title="CPU µs per delivery", head=head, lines=lines))
    result.series["cost"] = {
        one.name: [[rate, one.median(rate)] for rate in one.held()] for one in (bare, relay, *costs.values())
    }
    result.samples = [
        sample.figures()
        for one in (relay, bare, *costs.values())
        for runs in (*one.samples.values(), *one.base.values(), one.tried)
        for sample in runs
    ]
    for key in JUDGED:
        if key in costs:
            result.targets += judge(relay, costs[key])
        else:
            unknown = "the peer is missing"
            result.targets.append(Target(what=f"against {key}", limit="cheaper", figure=unknown, met=None))


def judge(relay: Costs, peer: Costs) -> list[Target]:
    """Return both targets against a peer."""
    common = [rate for rate in RATES if rate in peer.held() and relay.samples[rate]]
    ratios = {rate: peer.median(rate) / relay.median(rate) for rate in common}
    held = peer.held()
    highest = max(held, default=0.0)
    cheaper = Target(
        what=f"against {peer.name}, at every rate that it holds",
        limit="cheaper per delivery",
        figure=", ".join(f"{ratio:.1f} {TIMES} at {rate:,}/s" for rate, ratio in ratios.items())
        or f"it holds none of these rates, at most {highest:,.0f}/s",
        met=all(ratio > 1 for ratio in ratios.values()) if highest else None,
    )
    at = max((rate for rate in held if rate <= COMPARED_AT), default=0.0)
    times = peer.median(at) / relay.median(COMPARED_AT)
    much = Target(
        what=f"against {peer.name} at {at:,.0f}/s (its most up to {COMPARED_AT:,}), relayd at {COMPARED_AT:,}/s",
        limit=f"≥ {CHEAPER} {TIMES} cheaper",
        figure=f"{times:.1f} {TIMES}" if highest else "it holds no rate",
        met=times >= CHEAPER if highest else None,
    )
    return [cheaper, much]
