"""How many viewers a second are let in, beside upgrades of the bare library in the same run."""

from benchmarks.rows.row import Bench, Result, Table, median, shown
from benchmarks.servers.peers import NaiveAiohttp
from benchmarks.servers.relayd import Relayd

__all__ = ["handshakes"]

VIEWERS, QUICK_VIEWERS = 3_000, 500
CONCURRENCY = 64


async def handshakes(bench: Bench) -> Result:
    """Let viewers in, in turn with a server that does nothing else."""
    viewers = bench.scale.pick(VIEWERS, QUICK_VIEWERS)
    pairs = [
        (await rate(bench, NaiveAiohttp, viewers), await rate(bench, Relayd, viewers))
        for _ in range(bench.scale.repeats)
    ]
    result = Result(title=f"Handshakes: {viewers:,} viewers with a token each, {CONCURRENCY} at a time")
    lines = [[shown(value) for value in (bare, ours, ours / bare)] for bare, ours in pairs]
    head = ["bare upgrades/s", "viewers let in/s", "of the bare"]
    result.tables.append(Table(title="On an idle server", head=head, lines=lines))
    share = median(ours / bare for bare, ours in pairs)
    result.notes.append(
        f"A viewer costs {1 / share:.1f} times a bare upgrade: its token (HS256), its rights, a place, and first words."
    )
    return result


async def rate(bench: Bench, kind: type[NaiveAiohttp | Relayd], viewers: int) -> float:
    """Return how many viewers a second a server lets in."""
    server = kind(bench.server_folder(), bench.cores.server)
    server.start()
    try:
        async with bench.load() as load:
            opened = await load.open_all(server.port, server.requests(viewers), concurrency=CONCURRENCY)
            return viewers / opened.seconds
    finally:
        server.stop()
