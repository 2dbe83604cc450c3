"""How long a restart takes with a million events in the journal, and a viewer's way back over ten thousand."""

import asyncio
import time

from benchmarks.load import Load
from benchmarks.publish.feed import Stream
from benchmarks.rows.row import Bench, Cell, Result, Table, Target, median, shown
from benchmarks.servers.relayd import Relayd

__all__ = ["start"]

EVENTS, QUICK_EVENTS = 1_000_000, 50_000
MISSED = 10_000
ARRAY = 1_000
PROJECTS = [f"bench-{number}" for number in range(20)]
READY_SECONDS, RESUME_MS = 3.0, 200.0


async def start(bench: Bench) -> Result:
    """Fill a journal, then start with it behind kills and stops, and resume a viewer twice each time."""
    events = bench.scale.pick(EVENTS, QUICK_EVENTS)
    result = Result(title=f"Start with {events:,} journaled events, resume of {MISSED:,} missed ones")
    # The timeline keeps 1,000 events of a project unless it is told to keep more: the first resume reads the journal.
    server = Relayd(bench.server_folder(), bench.cores.server)
    starts: list[float] = []
    killed: list[float] = []
    cold: list[float] = []
    warm: list[float] = []
    server.start()
    try:
        await fill(server, Stream(projects=PROJECTS), events)
        cursor, last = await asyncio.to_thread(server.newest)
        await fill(server, Stream(projects=("bench",)), MISSED, first=last)
        for _ in range(max(2, bench.scale.repeats)):
            # It is looked through then, beside the start: whoever stops it first ends that look.
            server.kill_only()
            killed.append(await asyncio.to_thread(server.start_timed))
            server.stop_only()
            starts.append(await asyncio.to_thread(server.start_timed))
            async with bench.load() as load:
                cold.append(await resume(server, load, cursor, last))
                warm.append(await resume(server, load, cursor, last))
    finally:
        server.stop()
    lines: list[list[Cell]] = [
        [number, *map(shown, figures)] for number, figures in enumerate(zip(killed, starts, cold, warm, strict=True), 1)
    ]
    head = ["run", "s until ready after SIGKILL", "after a stop", "ms, first resume", "ms, second resume"]
    result.tables.append(Table(title="From the start of the process; a whole resume", head=head, lines=lines))
    result.targets += [
        Target(
            what=f"ready with {events:,} journaled events",
            limit=f"≤ {READY_SECONDS:g} s",
            figure=f"{median(starts):.2f} s; {median(killed):.2f} s after SIGKILL",
            met=max(median(starts), median(killed)) <= READY_SECONDS,
        ),
        Target(
            what=f"resume of {MISSED:,} missed events, from the handshake to the last of them",
            limit=f"≤ {RESUME_MS:g} ms",
            figure=f"{median(cold):.0f} ms",
            met=median(cold) <= RESUME_MS,
        ),
    ]
    return result


async def fill(server: Relayd, stream: Stream, count: int, first: int = 0) -> None:
    """Publish so many events in arrays; a stream of one project goes on behind `first`."""
    stream.take(first)
    async with server.http_sink() as sink:
        for _ in range(0, count, ARRAY):
            await sink.send(stream.take(ARRAY))
        if first == 0:
            # The event that the resumes begin behind.
            await sink.send(Stream().take(1))


async def resume(server: Relayd, load: Load, cursor: str, last: int) -> float:
    """Return the milliseconds until a viewer with a cursor has everything; raises RuntimeError when it never has."""
    began = time.monotonic()
    await load.reset()
    await load.open_all(server.port, [server.viewer("viewer", "bench", f"after={cursor}")])
    heard = await load.heard()
    while time.monotonic() - began < 30:
        if heard.highest == last + MISSED:
            if heard.messages != MISSED or heard.lost:
                raise RuntimeError(f"{heard.messages} of {MISSED} events came, {heard.lost} were lost")
            took = (time.monotonic() - began) * 1e3
            await load.close()
            return took
        await asyncio.sleep(0.002)
        heard = await load.heard()
    raise RuntimeError(f"the viewer stands at {heard.highest} instead of {last + MISSED} after 30 s")
