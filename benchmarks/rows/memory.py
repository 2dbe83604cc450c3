"""Memory of idle viewers."""

import asyncio

from benchmarks.rows.row import Bench, Cell, Result, Table, Target, median, shown
from benchmarks.servers.relayd import Relayd

__all__ = ["memory"]

KIB = 1024
LIMIT_KIB = 16


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
