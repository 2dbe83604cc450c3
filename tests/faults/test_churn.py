"""Viewers come and go by the thousand, in every way there is to come, be refused and go: nothing stays of them."""

import asyncio
import re
import time
import urllib.request
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.raw import UPGRADE, RawSocket, masked, raw
from tests.harness.viewer import log

ROUND = 50
"""So many at a time."""

WAYS = ("websocket", "sse", "longpoll")

Manner = Callable[[RawSocket, "Guest"], Awaitable[None]]


class Guest:
    """One who comes: a user of its own, from an address of its own, for one of a few projects."""

    def __init__(self, relay: PrivateRelay, number: int) -> None:
        self.relay = relay
        # Who is refused again and again is answered ever later; these come from everywhere.
        self.address = f"X-Forwarded-For: 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\r\n"
        self.project = f"p-{number % 5}"
        self.token = relay.token(f"user-{number}")

    def upgrade(self, query: str = "", *, token: str | None = None, project: str | None = None) -> bytes:
        """Return a request for a WebSocket."""
        path = f"/ws/admin/agent-swarm/{project or self.project}?token={self.token if token is None else token}{query}"
        return self._from(UPGRADE.format(path))

    def get(self, what: str, *, token: str | None = None) -> bytes:
        """Return a request for what belongs to the project."""
        token = self.token if token is None else token
        path = f"/v1/public/agent-swarms/projects/{self.project}{what}&token={token}"
        return self._from(f"GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n")

    def _from(self, request: str) -> bytes:
        return request.replace("\r\n", f"\r\n{self.address}", 1).encode()


# -- the ways to come and go ------------------------------------------------------------------------------------------


async def modern(socket: RawSocket, guest: Guest) -> None:
    """Watch, and say goodbye."""
    socket.send(guest.upgrade("&batch=1"))
    assert (await socket.until(b"\r\n\r\n")).startswith("HTTP/1.1 101 ")
    await socket.frame()
    socket.send(masked(0x88, b"\x03\xe8"))
    assert 1000 == await socket.close_code()


async def legacy(socket: RawSocket, guest: Guest) -> None:
    """Watch, and go without a word."""
    socket.send(guest.upgrade())
    assert (await socket.until(b"\r\n\r\n")).startswith("HTTP/1.1 101 ")
    await socket.frame()


async def hasty(socket: RawSocket, guest: Guest) -> None:
    """Ask, and be gone before the answer."""
    socket.send(guest.upgrade("&batch=1"))
    await asyncio.sleep(0)


async def many(socket: RawSocket, guest: Guest) -> None:
    """Watch two of many projects, and go in the middle of it."""
    socket.send(guest.upgrade().replace(f"/{guest.project}?".encode(), b"?"))
    await socket.until(b"\r\n\r\n")
    for name in ("p-1", "p-2"):
        socket.send(masked(0x81, b'{"type":"subscribe","project_id":"%s"}' % name.encode()))
    await socket.frame()


async def stream(socket: RawSocket, guest: Guest) -> None:
    """Watch a stream, and go."""
    socket.send(guest.get("/stream?batch=1"))
    assert (await socket.until(b"connection_established")).startswith("HTTP/1.1 200 ")


async def poll(socket: RawSocket, guest: Guest) -> None:
    """Poll, and stay no longer."""
    socket.send(guest.get("/events?wait=0"))
    assert (await socket.until(b"\r\n\r\n")).startswith("HTTP/1.1 200 ")


async def held(socket: RawSocket, guest: Guest) -> None:
    """Wait in a poll, and go meanwhile."""
    socket.send(guest.get("/events?after=0&types=project_error&wait=50"))
    await asyncio.sleep(0.01)


async def bad_token(socket: RawSocket, guest: Guest) -> None:
    """Be refused by a close code."""
    socket.send(guest.upgrade("&batch=1", token="none"))
    await socket.until(b"\r\n\r\n")
    assert 4401 == await socket.close_code()


async def bad_legacy(socket: RawSocket, guest: Guest) -> None:
    """Be refused by a status."""
    socket.send(guest.upgrade(token="none"))
    assert (await socket.until(b"\r\n\r\n")).startswith("HTTP/1.1 401 ")


async def bad_stream(socket: RawSocket, guest: Guest) -> None:
    """Be refused a stream, and a poll behind it on the same connection."""
    for what in ("/stream?batch=1", "/events?wait=0"):
        socket.send(guest.get(what, token="none"))
        assert (await socket.until(b"\r\n\r\n")).startswith("HTTP/1.1 401 ")
        await socket.until(b"}")


async def bad_cursor(socket: RawSocket, guest: Guest) -> None:
    """Come with a cursor that is none."""
    socket.send(guest.upgrade("&batch=1&after=x"))
    await socket.until(b"\r\n\r\n")
    assert 4400 == await socket.close_code()


async def unknown(socket: RawSocket, guest: Guest) -> None:
    """Ask for a project that nobody else ever heard of."""
    socket.send(guest.upgrade("&batch=1", project=f"made-up-{id(socket)}"))
    await socket.until(b"\r\n\r\n")
    await socket.frame()


async def broken(socket: RawSocket, guest: Guest) -> None:
    """Be let in, and break the protocol."""
    socket.send(guest.upgrade("&batch=1"))
    await socket.until(b"\r\n\r\n")
    socket.send(b"\x81\x01x")
    assert 1002 == await socket.close_code()


async def half(socket: RawSocket, guest: Guest) -> None:
    """Say half of a request."""
    socket.send(guest.get("/stream?batch=1")[:40])
    await asyncio.sleep(0)


MANNERS: tuple[Manner, ...] = (
    modern, legacy, hasty, many, stream, poll, held,
    bad_token, bad_legacy, bad_stream, bad_cursor, unknown, broken, half,
)  # fmt: skip


# -- what stays -------------------------------------------------------------------------------------------------------

OF_THE_LOG = {
    "relayd_stream_consumed_offset",
    "relayd_stream_head_offset",
    "relayd_stream_lag_seconds",
    "relayd_timeline_bytes",
}
"""Gauges that go with what is published."""


def gauges(relay: PrivateRelay) -> dict[str, float]:
    """Return all gauges that go with those who are there, and how many files are open."""
    with urllib.request.urlopen(f"{relay.admin_url}/metrics", timeout=5) as answer:  # noqa: S310 - our own
        text = answer.read().decode()
    ours = set(re.findall(r"^# TYPE (relayd_\w+) gauge$", text, re.MULTILINE)) - OF_THE_LOG
    figures = re.findall(r"^(\w+)(\S*) (\S+)$", text, re.MULTILINE)
    return {name + labels: float(value) for name, labels, value in figures if name in {*ours, "process_open_fds"}}


async def at_rest(relay: PrivateRelay) -> dict[str, float]:
    """Return them once they stand still with nobody there."""
    seen: list[dict[str, float]] = []
    while (
        len(seen) < 5
        or seen[-5:] != 5 * seen[-1:]
        or any(seen[-1][f'relayd_connections{{transport="{name}"}}'] for name in WAYS)
    ):
        seen.append(await asyncio.to_thread(gauges, relay))
        await asyncio.sleep(0.05)
    return seen[-1]


async def settled(relay: PrivateRelay, figures: dict[str, float]) -> None:
    """Return when all figures are what they were; raises AssertionError with those that are not."""
    deadline = time.monotonic() + 30
    while figures != (now := await asyncio.to_thread(gauges, relay)):
        different = {name: (figures.get(name), value) for name, value in now.items() if figures.get(name) != value}
        assert time.monotonic() < deadline, different
        await asyncio.sleep(0.1)


async def churn(relay: PrivateRelay, guests: int, seed: int) -> None:
    """Let so many come and go, so many at a time, and see everything back to where it was."""
    for number in range(5):
        await relay.publish([log(f"p-{number}", f"line {line}") for line in range(20)])
    random = Random(seed)
    # Once each: what is made only when it is first used is there then.
    await come(relay, [(manner, number) for number, manner in enumerate(MANNERS)])
    before = await at_rest(relay)
    for start in range(0, guests, ROUND):
        await come(relay, [(random.choice(MANNERS), start + number) for number in range(ROUND)])
        await relay.publish(log(f"p-{start % 5}", "on it goes"))
    ended = [line for line in relay.lines if line["event"] == "connection_ended"]
    assert [] == [line for line in relay.lines if line["level"] == "error"]
    assert len(ended) > guests / 3
    await settled(relay, before)


async def come(relay: PrivateRelay, crowd: list[tuple[Manner, int]]) -> None:
    """Let these come and go at once."""

    async def visit(manner: Manner, number: int) -> None:
        async with raw(relay) as socket:
            await manner(socket, Guest(relay, number))

    await asyncio.gather(*(visit(manner, number) for manner, number in crowd))


async def test_2000_who_come_and_go_leave_nothing() -> None:
    """Places, tasks, files, projects that they made up: every gauge is back where it was."""
    async with PrivateRelay() as relay:
        await churn(relay, 2_000, seed=1)


@pytest.mark.long
async def test_10000_who_come_and_go_leave_nothing() -> None:
    """The same for longer: what grows by a little is seen then."""
    async with PrivateRelay() as relay:
        await churn(relay, 10_000, seed=2)
