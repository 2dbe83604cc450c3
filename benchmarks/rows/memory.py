"""Memory of idle viewers, and whether it stays flat while viewers come and go."""

import asyncio
import time

from benchmarks.load import Load
from benchmarks.publish.feed import Feed, Stream
from benchmarks.rows.row import Bench, Cell, Result, Table, Target, median, shown
from benchmarks.servers.relayd import Relayd

__all__ = ["memory", "soak"]

KIB = 1024
LIMIT_KIB = 16
SOAK_MINUTES = 30
CHURN = 500
SOAK_RATE = 50
GROWTH_MIB = 8
"""Growth of the second half of a soak that is still called flat."""


async def memory(bench: Bench) -> Result:
    """Measure what a viewer adds to the empty daemon."""
    result = Result(title="Memory of idle viewers")
    lines: list[list[Cell]] = []
    each: list[float] = []
    viewers = bench.scale.pick(5_000, 1_000)
    for number in range(bench.scale.repeats):
        server = Relayd(bench.server_folder(), bench.cores.server)
        server.start()
        try:
            async with bench.load() as load:
                await asyncio.sleep(1)
                empty = server.resident()
                await load.open_all(server.port, server.requests(viewers))
                await asyncio.sleep(3)
                full = server.resident()
        finally:
            server.stop()
        each.append((full - empty) / viewers / KIB)
        lines.append([number + 1, viewers, f"{empty / KIB**2:.1f}", f"{full / KIB**2:.1f}", shown(each[-1])])
    head = ["run", "viewers", "MiB empty", "MiB with viewers", "KiB a viewer"]
    result.tables.append(Table(title="Resident memory", head=head, lines=lines))
    figure = median(each)
    result.targets.append(
        Target(
            what="memory of an idle viewer, beyond the empty daemon",
            limit=f"≤ {LIMIT_KIB} KiB",
            figure=f"{figure:.1f} KiB",
            met=figure <= LIMIT_KIB,
        )
    )
    result.notes.append("Resident memory of the process; what the kernel holds for a socket is not in it.")
    return result


async def soak(bench: Bench) -> Result:
    """Let viewers come and go for half an hour while events flow, and look at the memory."""
    minutes = bench.scale.pick(SOAK_MINUTES, 0.5)
    result = Result(title=f"Soak: {minutes:g} minutes of churn")
    server = Relayd(bench.server_folder(), bench.cores.server)
    server.start()
    try:
        async with bench.load() as load, server.sink() as sink, Feed(sink, Stream(), SOAK_RATE):
            points = await churn(server, load, minutes * 60)
    finally:
        server.stop()
    result.series["memory"] = points
    half = [mib for at, mib in points if at >= points[-1][0] / 2]
    growth = max(half) - half[0]
    came = len(points) * CHURN
    result.targets.append(
        Target(
            what=f"memory over {minutes:g} minutes with churn ({came:,} viewers came and went)",
            limit=f"flat (≤ {GROWTH_MIB} MiB in the second half)",
            figure=f"{growth:+.1f} MiB",
            met=growth <= GROWTH_MIB if not bench.scale.quick else None,
        )
    )
    lines = [[f"{at:.0f}", f"{mib:.1f}"] for at, mib in points[:: max(1, len(points) // 20)]]
    result.tables.append(Table(title="Resident memory", head=["second", "MiB"], lines=lines))
    return result


async def churn(server: Relayd, load: Load, seconds: float) -> list[tuple[float, float]]:
    """Open and close viewers again and again; return seconds and MiB."""
    began = time.monotonic()
    points: list[tuple[float, float]] = []
    while (passed := time.monotonic() - began) < seconds or len(points) < 2:
        await load.open_all(server.port, server.requests(CHURN))
        await asyncio.sleep(1)
        points.append((passed, server.resident() / KIB**2))
        await load.close()
        await asyncio.sleep(0.5)
    return points
