"""The wall clock is set while the relay runs: tokens go by it, and nothing else does."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from relayd.core.access import Viewer as Who
from relayd.identity.jwt import Key, issue
from tests.harness.daemon import PrivateRelay
from tests.harness.faketime import WallClockOf
from tests.harness.settled import SECRET, Event, Tables
from tests.harness.viewer import Viewer, log, refused, watch

HOUR = 3_600
MINUTE = 60
"""More than `auth.leeway_seconds`."""

BEATS = 1
"""Signs of life that are seen by each clock; together more than silence would be borne for."""

MAX_AGE_HOURS = 0.5
KEPT = 50
PATIENCE = 60.0


class Skewed:
    """A relay whose clock is set, and what works with it whatever it says."""

    def __init__(self, folder: Path) -> None:
        self.clock = WallClockOf(folder)
        tables: Tables = {
            "server": {"heartbeat_seconds": 1},
            "journal": {"max_age_hours": MAX_AGE_HOURS, "max_events_per_project": KEPT},
        }
        self.relay = PrivateRelay(tables, env=self.clock.env)

    def token(self, user: str, *, since: float = -2 * HOUR, until: float = 2 * HOUR, worker: bool = False) -> str:
        """Return a token that is good from and until so many seconds from now, by the right clock."""
        now = time.time()
        who = Who(user=user, expires_at=now + until, projects=frozenset({"*"}), worker=worker)
        return issue(Key(algorithm="HS256", material=SECRET), who, now=now + since)

    async def publish(self, *events: Event) -> None:
        """Publish with a token that is good by any of the clocks."""
        headers = {"Authorization": f"Bearer {self.token('worker', worker=True)}", "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(self.relay.ingest, data=json.dumps(events)) as answer,
        ):
            assert 200 == answer.status, await answer.text()

    async def sets(self, seconds: int, viewer: Viewer) -> None:
        """Set the clock, and return when the relay is seen to go by it."""
        self.clock.set(seconds)
        await viewer.says({"type": "ping"})
        pong = await viewer.hears("pong")
        assert seconds == round((pong["server_time"] - time.time()) / HOUR) * HOUR

    async def poll(self, project_id: str) -> Event:
        """Return all of a project's past."""
        headers = {"Authorization": f"Bearer {self.token('polling')}"}
        address = self.relay.project(project_id, "/events", after="0", wait=0)
        async with aiohttp.ClientSession(headers=headers) as http, http.get(address) as answer:
            assert 200 == answer.status, await answer.text()
            told: Event = await answer.json()
            return told


@pytest.fixture
def skewed(tmp_path: Path) -> Iterator[Skewed]:
    """Give one that runs, with its clock right."""
    skewed = Skewed(tmp_path)
    with skewed.relay:
        yield skewed


@asynccontextmanager
async def beats(skewed: Skewed) -> AsyncGenerator[aiohttp.StreamReader]:
    """Give a stream, read up to its first message: what comes then on a quiet project are signs of life."""
    address = skewed.relay.project("quiet", "/stream", token=skewed.token("streaming"))
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        await answer.content.readuntil(b"connection_established")
        await answer.content.readuntil(b"\n\n")
        yield answer.content


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
async def test_nobody_who_is_there_notices(skewed: Skewed, jump: int) -> None:
    """Signs of life go on, nobody is ended, events get through; back at the right time, too."""
    async with AsyncExitStack() as stack:
        viewers = []
        # One of them by a token that is too old, or not yet good, by the clock that will be.
        for since, until in ((-2 * HOUR, 2 * HOUR), (0, HOUR // 6)):
            token = skewed.token(f"viewer-{until}", since=since, until=until)
            viewer = await stack.enter_async_context(watch(skewed.relay, "p", token=token))
            await viewer.frame()
            viewers.append(viewer)
        stream = await stack.enter_async_context(beats(skewed))
        for number, seconds in enumerate((jump, 0, jump)):
            await skewed.sets(seconds, viewers[0])
            async with asyncio.timeout(PATIENCE):
                for _ in range(BEATS):
                    assert b"data" not in await stream.readuntil(b"\n\n")
            await skewed.publish(log("p", f"event {number}"))
            for viewer in viewers:
                assert [f"event {number}"] == await viewer.lines(1)
        assert 200 == skewed.relay.probe("/readyz")
        assert [] == [line for line in skewed.relay.lines if line["event"] == "connection_ended"]
    assert (await skewed.poll("p"))["recovered"]


async def test_tokens_go_by_the_clock(skewed: Skewed) -> None:
    """Who comes is judged by it, with some leeway: that is all that a clock is for."""
    async with watch(skewed.relay, "p", token=skewed.token("first")) as viewer:
        await viewer.frame()
        await skewed.sets(HOUR, viewer)
        for until, status in ((HOUR - MINUTE, 401), (HOUR, 0), (2 * HOUR, 0)):
            await comes(skewed, skewed.token("second", until=until), status)
        await skewed.sets(-HOUR, viewer)
        for since, status in ((0, 401), (-HOUR + MINUTE, 401), (-HOUR, 0)):
            await comes(skewed, skewed.token("second", since=since), status)


async def comes(skewed: Skewed, token: str, status: int) -> None:
    """Assert that somebody is let in (0), or refused with a status."""
    if status:
        assert status == (await refused(skewed.relay, "p", token=token, legacy=True))[0]
        return
    async with watch(skewed.relay, "p", token=token) as viewer:
        # Behind a notice that the token expires: it is old, or nearly.
        await viewer.hears("connection_established")


@pytest.mark.long
async def test_nothing_is_forgotten_because_the_clock_was_set(skewed: Skewed) -> None:
    """By the clock all of it is too old; what is bounded by number goes, so the journal was looked through."""
    await skewed.publish(*(log("old", str(number)) for number in range(10)))
    async with watch(skewed.relay, "p", token=skewed.token("first")) as viewer:
        await viewer.frame()
        await skewed.sets(HOUR, viewer)
        for number in range(4 * KEPT):
            await skewed.publish(log("crowded", str(number)))
        async with asyncio.timeout(PATIENCE):
            while "gap" != (await skewed.poll("crowded"))["replay"]:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.2)
    told = await skewed.poll("old")
    assert (True, [str(number) for number in range(10)]) == (
        told["recovered"],
        [message["message"] for message in told["messages"]],
    )
