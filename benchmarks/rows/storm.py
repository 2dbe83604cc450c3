"""Everybody comes back at once, each with a cursor, while events flow."""

import asyncio
from dataclasses import asdict, dataclass

from benchmarks.load import Heard, Load
from benchmarks.measure.histogram import Histogram
from benchmarks.publish.feed import Feed, Stream
from benchmarks.rows.row import Bench, Cell, Result, Table, Target, median, shown
from benchmarks.servers.peers import NaiveAiohttp
from benchmarks.servers.relayd import Relayd

__all__ = ["storm"]

VIEWERS, LIVE = 5_000, 100
RATE = 200
CONCURRENCY = 5_000
MORE_SECONDS, LIVE_P99_MS = 5.0, 250.0
PATIENCE = 120.0


@dataclass
class Storm:
    """What one storm did."""

    bare_seconds: float
    handshake_seconds: float
    back_seconds: float
    """Until the last one has got its first event."""
    refused: int
    missing: int
    repeated: int
    behind: int
    """Viewers that never came to the last event."""
    live_p99_ms: float
    live_lost: int


async def storm(bench: Bench) -> Result:
    """Measure the bare handshakes, then the storm, in turn."""
    viewers = bench.scale.pick(VIEWERS, 1_000)
    storms = [await one_storm(bench, viewers) for _ in range(bench.scale.repeats)]
    result = Result(title=f"Storm: {viewers:,} viewers reconnect with cursors while {RATE} events/s flow")
    lines: list[list[Cell]] = [
        [number, *(shown(value, 4) for value in asdict(one).values())] for number, one in enumerate(storms, 1)
    ]
    head = ["run", *(name.replace("_", " ") for name in asdict(storms[0]))]
    result.tables.append(Table(title="Storms", head=head, lines=lines))
    more = median(one.back_seconds - one.bare_seconds for one in storms)
    missing = max(one.missing + one.behind for one in storms)
    late = median(one.live_p99_ms for one in storms)
    result.targets += [
        Target(
            what=f"{viewers:,} viewers are back, beyond what the bare handshakes take",
            limit=f"≤ {MORE_SECONDS:g} s",
            figure=f"{more:.1f} s",
            met=more <= MORE_SECONDS,
        ),
        Target(what="events missing to those who came back", limit="0", figure=str(missing), met=missing == 0),
        Target(
            what=f"p99 of {LIVE} live viewers meanwhile",
            limit=f"≤ {LIVE_P99_MS:g} ms",
            figure=f"{late:.0f} ms",
            met=late <= LIVE_P99_MS,
        ),
    ]
    result.notes.append("Bare handshakes: aiohttp on uvloop, upgrade and nothing else, no token, no events.")
    return result


async def one_storm(bench: Bench, viewers: int) -> Storm:
    """Cut all viewers off and let them come back, each from the event it had seen."""
    bare = await bare_handshakes(bench, viewers)
    server = Relayd(bench.server_folder(), bench.cores.server)
    server.start()
    try:
        async with bench.load() as load, server.sink() as sink:
            stream = Stream()
            await load.open_all(server.port, server.requests(LIVE), cohort=0)
            await load.open_all(server.port, server.requests(viewers), cohort=1)
            async with Feed(sink, stream, RATE):
                await asyncio.sleep(2)
                cursor, last = await asyncio.to_thread(server.newest)
                await load.close(1)
                requests = [server.viewer(f"viewer-{number}", "bench", f"after={cursor}") for number in range(viewers)]
                began = await load.reset()
                opened = await load.open(
                    server.port, requests, cohort=1, concurrency=CONCURRENCY, seconds=PATIENCE, last=last
                )
                back = await all_back(load, began)
                live = await load.heard(0)
            end, everybody = await load.heard(0), await caught_up(load, stream.made)
            behind = 0 if everybody.lowest == stream.made else viewers
            return Storm(
                bare_seconds=bare,
                handshake_seconds=opened.seconds,
                back_seconds=back,
                refused=opened.retries,
                missing=everybody.lost,
                repeated=everybody.repeated,
                behind=behind + everybody.gone + opened.failed,
                live_p99_ms=p99(live.latency),
                live_lost=end.lost,
            )
    finally:
        server.stop()


def p99(latency: Histogram) -> float:
    """Return the 99th percentile in milliseconds."""
    return latency.p99


async def all_back(load: Load, began: int) -> float:
    """Return the seconds until the last viewer of the cohort has heard an event."""
    heard = await load.heard(1)
    for _ in range(int(PATIENCE / 0.1)):
        if heard.heard == heard.viewers:
            return (heard.last_first - began) / 1e9
        await asyncio.sleep(0.1)
        heard = await load.heard(1)
    raise RuntimeError(f"{heard.viewers - heard.heard} viewers heard nothing in {PATIENCE:g} s")


async def caught_up(load: Load, last: int) -> Heard:
    """Return what the cohort has heard once each of them stands at the last event, or after ten seconds."""
    heard = await load.heard(1)
    for _ in range(100):
        if heard.lowest == last:
            break
        await asyncio.sleep(0.1)
        heard = await load.heard(1)
    return heard


async def bare_handshakes(bench: Bench, viewers: int) -> float:
    """Return the seconds that so many handshakes take with a server that does nothing else."""
    server = NaiveAiohttp(bench.server_folder(), bench.cores.server)
    server.start()
    try:
        async with bench.load() as load:
            opened = await load.open_all(server.port, server.requests(viewers), concurrency=CONCURRENCY)
            return opened.seconds
    finally:
        server.stop()
