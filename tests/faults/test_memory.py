"""More comes in than memory holds: it stays within its bound, the past is read from disk, and want of it is an end."""

import asyncio
import resource
from pathlib import Path

import aiohttp

from tests.harness.daemon import PrivateRelay
from tests.harness.viewer import log, watch

MIB = 1024 * 1024
LARGE = "x" * 16_000
BODY = 40
BODIES = 60
"""Together 38 MB."""

PROJECTS = 4
WARM = 8
"""Bodies after which the process is as large as it is at work."""

TIMELINE_MIB = 2
GROWTH = 24 * MIB
"""Most that the process may grow by: caches of the journal, buffers of one body and of one answer; not the flood."""

ROOM = 24 * MIB
"""What a relay may still take when its memory is bounded from outside."""


async def say(relay: PrivateRelay, body: int) -> None:
    """Publish one of many bodies, in turn to some projects; one that is repeated is known."""
    events = [log(f"p-{body % PROJECTS}", f"{body} {part} {LARGE}") for part in range(BODY)]
    await relay.publish(events, message_id=f"body-{body}")


async def whole(relay: PrivateRelay, bodies: int) -> None:
    """See that every project can be read from its beginning, each event once and in order."""
    for number in range(PROJECTS):
        mine = [body for body in range(bodies) if body % PROJECTS == number]
        async with watch(relay, f"p-{number}", after="0") as viewer:
            assert (await viewer.frame())["recovered"]
            heard = [text.split()[:2] for text in await viewer.lines(len(mine) * BODY)]
        assert [[str(body), str(part)] for body in mine for part in range(BODY)] == heard


def used(relay: PrivateRelay) -> int:
    """Return the bytes of address space that a relay has taken (proc(5): statm)."""
    pages = Path(f"/proc/{relay.process.pid}/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


async def until_the_end(relay: PrivateRelay) -> int:
    """Publish one body after another until nobody answers, and return how many were answered."""
    for body in range(10_000):
        try:
            await say(relay, body)
        except (aiohttp.ClientError, OSError, RuntimeError):
            return body
    raise AssertionError("it had memory for all of it")


async def test_a_flood_does_not_fill_memory(tmp_path: Path) -> None:
    """The oldest of the coldest projects give way; nothing of it is lost to who reads it from the beginning."""
    async with PrivateRelay({"memory": {"timeline_mib": TIMELINE_MIB}}, folder=tmp_path) as relay:
        for body in range(WARM):
            await say(relay, body)
        await whole(relay, WARM)
        before = relay.metric("process_resident_memory_bytes")
        held = []
        for body in range(WARM, BODIES):
            await say(relay, body)
            held.append(relay.metric("relayd_timeline_bytes"))
        grown = relay.metric("process_resident_memory_bytes") - before
        print(f"at most {max(held) / MIB:.2f} MiB of events in memory; grown by {grown / MIB:.1f} MiB")  # noqa: T201  # for -s
        assert 0 < max(held) <= TIMELINE_MIB * MIB
        assert GROWTH > grown
        await whole(relay, BODIES)


async def test_want_of_memory_ends_the_relay_and_a_new_one_goes_on(tmp_path: Path) -> None:
    """It does not go on from what was half done: 70, a line that says why, and nothing that was answered is lost."""
    async with PrivateRelay({"memory": {"timeline_mib": 512}}, folder=tmp_path) as relay:
        limit = used(relay) + ROOM
        resource.prlimit(relay.process.pid, resource.RLIMIT_AS, (limit, limit))
        answered = await until_the_end(relay)
        assert 70 == await asyncio.to_thread(relay.process.wait)
        assert "MemoryError" in relay.log
        print(f"out of memory after {answered} bodies")  # noqa: T201  # for -s
        await relay.start_async()
        # The worker repeats the one that was not answered: it is there once, written or not.
        await say(relay, answered)
        await whole(relay, answered + 1)
