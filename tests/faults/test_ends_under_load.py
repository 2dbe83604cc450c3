"""Relays that are stopped, killed and stormed while events flow: nobody misses anything, and everybody is told."""

import asyncio
import errno
import json
import re
import socket
import time
from pathlib import Path
from random import Random

import aiohttp

from relayd.journal.sqlite import SqliteJournal
from relayd.protocol import cursor as cursors
from relayd.rabbitmq.consume import RabbitSource
from relayd.rabbitmq.settings import RabbitSettings
from tests.harness.audience import TRANSPORTS, Audience
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import WallClock, until
from tests.harness.load import Load
from tests.harness.manager import Manager
from tests.harness.settled import Tables
from tests.harness.viewer import refused, watch

DRAIN = 2
KILLS = 4

CROWD_BY_TRANSPORT = {"websocket": 120, "legacy": 40, "sse": 60, "longpoll": 60, "many": 20}
CROWD = sum(CROWD_BY_TRANSPORT.values())
ROOM = 200
"""So many of the crowd may be in at a time."""

TURNED_AWAY = 'relayd_connections_rejected_total{reason="overloaded"}'


# -- stopped ----------------------------------------------------------------------------------------------------------


class Told:
    """What three who watch a project without coming back are told at the end."""

    def __init__(self, relay: PrivateRelay, project_id: str) -> None:
        self.relay = relay
        self.project_id = project_id
        self.there = 0

    async def socket(self) -> str:
        """Return the close code and its reason."""
        async with watch(self.relay, self.project_id, token=self.relay.token("told-socket")) as viewer:
            await viewer.frame()
            self.there += 1
            code, reason = await viewer.ending()
        return f"{code} {reason}"

    async def stream(self) -> str:
        """Return the last notice."""
        address = self.relay.project(self.project_id, "/stream", token=self.relay.token("told-stream"))
        async with aiohttp.ClientSession() as http, http.get(address) as answer:
            await answer.content.readuntil(b"connection_established")
            self.there += 1
            lines = [line async for line in answer.content if line.startswith(b"data: ")]
        notice = json.loads(lines[-1][6:])
        return f"{notice['data']['close_code']} {notice['code']}: {notice['detail']}; {json.dumps(notice['data'])}"

    async def poll(self) -> str:
        """Return what a poll that waits is answered."""
        query = {"token": self.relay.token("told-poll"), "after": "0", "types": "project_error", "wait": 50}
        async with aiohttp.ClientSession() as http:
            asking = asyncio.create_task(http.get(self.relay.project(self.project_id, "/events", **query)))
            self.there += 1
            async with await asking as answer:
                return f"{answer.status} Retry-After {answer.headers.get('Retry-After')}"


async def test_a_stop_under_load_tells_everybody_and_keeps_its_place(amqp: str, tmp_path: Path, seed: int) -> None:
    """No longer ready, nobody comes in, all are told when to come back, the position is written, the end is 0."""
    load = Load(4_000, projects=10, seed=seed)
    with Manager(tmp_path) as manager:
        tables: Tables = {
            "server": {"drain_seconds": DRAIN},
            # So that nothing is written before the end, and all of it then.
            "journal": {"commit_ms": 60_000, "commit_kib": 65_536},
        }
        relay = PrivateRelay(tables, rabbitmq=amqp, env=manager.env)
        async with relay, Audience(relay, seed=seed) as audience:
            for transport in (*TRANSPORTS, "many"):
                for number, project_id in enumerate(load.projects[:8]):
                    audience.admit(f"{transport}-{number}", [transport], load.last([project_id]))
            await audience.until_present()
            told = Told(relay, load.projects[0])
            ends = [asyncio.create_task(end) for end in (told.socket(), told.stream(), told.poll())]
            await until(lambda: told.there == len(ends))
            await asyncio.to_thread(relay.wait_for_metric, 'relayd_connections{transport="longpoll"}', 9)
            with load.publishing(amqp, tmp_path, rate=1_000) as publishing:
                await audience.until_seen(2 * load.events)
                began = time.monotonic()
                stopping = asyncio.create_task(relay.stop_async())
                assert "STOPPING=1\nSTATUS=draining" == await asyncio.to_thread(manager.until, "STOPPING=1")
                assert 503 == relay.probe("/readyz")
                assert errno.ECONNREFUSED == connects(relay)
                assert 0 == await stopping
                print(f"ended {time.monotonic() - began:.1f} s after SIGTERM, {DRAIN} s of drain")  # noqa: T201  # for -s
                status, stream, poll = [await end for end in ends]
                sentence = "RESTARTING: this relay is restarting; come back with your cursor; "
                assert re.fullmatch(rf"1012 {sentence}retry_after_ms=\d{{4,5}}", status)
                assert re.fullmatch(rf'1012 {sentence}.*"retry_after_ms": \d{{4,5}}.*', stream)
                assert "503 Retry-After 1" == poll
                seen = [cursors.decode(text).offset for one in audience.onlookers for text in one.cursors.values()]
                assert max(seen) <= await position(relay, amqp)
                await relay.start_async()
                await publishing.end()
            await audience.until_done()
            assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
            # Nothing was read twice: it went on exactly where it had been.
            assert 0 == relay.metric("relayd_messages_deduplicated_total")


def connects(relay: PrivateRelay) -> int:
    """Return the error of an attempt to connect, 0 for none."""
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", relay.port))


async def position(relay: PrivateRelay, amqp: str) -> int:
    """Return the offset up to which a relay that has ended had written its journal."""
    journal = SqliteJournal(
        relay.folder / "relayd.db",
        max_age_seconds=3_600,
        max_bytes=2**30,
        max_events_per_project=1_000,
        max_rejected=1_000,
        synchronous="normal",
    )
    try:
        recovered = await journal.open(
            RabbitSource(RabbitSettings.model_validate({"url": amqp}), WallClock()).log, window=0
        )
    finally:
        await journal.close()
    assert recovered.position is not None
    return recovered.position.offset


# -- killed -----------------------------------------------------------------------------------------------------------


async def test_kills_at_any_moment_cost_nobody_anything(amqp: str, tmp_path: Path, seed: int) -> None:
    """Killed again and again while events flow and viewers come and go: what was read twice is not shown twice."""
    load, random = Load(4_000, projects=10, seed=seed), Random(seed)
    async with PrivateRelay(rabbitmq=amqp) as relay, Audience(relay, seed=seed) as audience:
        for number, project_id in enumerate(load.projects):
            audience.admit(f"restless-{number}", TRANSPORTS, load.last([project_id]), restless=True)
            for transport in TRANSPORTS:
                audience.admit(f"{transport}-{number}", [transport], load.last([project_id]))
        audience.admit("many", ["many"], load.last(load.projects))
        await audience.until_present()
        with load.publishing(amqp, tmp_path, rate=700) as publishing:
            for _ in range(KILLS):
                await audience.until_seen(audience.events + random.randint(1, 2 * load.events // KILLS))
                relay.kill()
                await relay.start_async(ready=False)
            said = await publishing.end()
        await audience.until_done()
        print(f"{KILLS} kills; {said}; {sum(one.away for one in audience.onlookers)} cuts")  # noqa: T201  # for -s
        assert {} == audience.broken(lambda _, project_id: load.keys(project_id))


# -- stormed ----------------------------------------------------------------------------------------------------------


async def test_a_crowd_that_comes_back_at_once_is_served_as_far_as_there_is_room(
    amqp: str, tmp_path: Path, seed: int
) -> None:
    """After a kill there is room for two in three: they see what goes on, the others are told when to come again."""
    load = Load(4_000, projects=20, seed=seed)
    async with PrivateRelay(rabbitmq=amqp) as relay, Audience(relay, seed=seed) as audience:
        for transport, count in CROWD_BY_TRANSPORT.items():
            for number in range(count):
                projects = load.projects[number % 17 : number % 17 + (3 if transport == "many" else 1)]
                audience.admit(f"{transport}-{number}", [transport], load.last(projects))
            await audience.until_present()
        with load.publishing(amqp, tmp_path, rate=500) as publishing:
            await audience.until_seen(CROWD * 30)
            publishing.pause()
            relay.configure({"server": {"max_connections": ROOM}})
            relay.kill()
            began = time.monotonic()
            await relay.start_async(ready=False)
            await asyncio.to_thread(relay.wait_for_metric, TURNED_AWAY, 1)
            for legacy in (True, False):
                status, body, headers = await refused(relay, load.projects[0], legacy=legacy)
                assert (503, "this relay is full; try again", "5") == (status, body["detail"], headers["retry-after"])
            turned_away, confirmed = relay.metric(TURNED_AWAY), publishing.confirmed
            publishing.go_on()
            # Those who are in see what is published from here on, while others knock.
            await publishing.until_confirmed(confirmed + 500)
            await audience.until_seen(audience.events + ROOM)
            await asyncio.to_thread(relay.wait_for_metric, TURNED_AWAY, turned_away + 1)
            assert CROWD > await places(relay)
            said = await publishing.end()
        await audience.until_done()
        back = time.monotonic() - began
        turned_away = relay.metric(TURNED_AWAY)
        print(f"{CROWD} came back, {turned_away:.0f} refusals, all done after {back:.1f} s; {said}")  # noqa: T201  # for -s
        assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
        assert 0 == await places(relay)


async def places(relay: PrivateRelay) -> float:
    """Return how many places are taken."""
    names = [f'relayd_connections{{transport="{name}"}}' for name in ("websocket", "sse", "longpoll")]
    return sum(await asyncio.gather(*(asyncio.to_thread(relay.metric, name) for name in names)))
