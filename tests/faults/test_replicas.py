"""
Several relays on one stream: what stands in the log stands there for all of them, and viewers go from one to another.

None knows of the others.  What makes them one is that places and cursors are a function of the log alone.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from relayd.protocol.cursor import decode
from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import setup
from tests.harness.audience import TRANSPORTS, Audience, Onlooker
from tests.harness.checker import Key
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.load import FILTERS, Load, Wanted, everything
from tests.harness.nginx import PrivateNginx
from tests.harness.proxy import Proxy
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.settled import Addresses, Event, Tables, merged
from tests.harness.stream import Stream
from tests.harness.turns import InTurn, ways_through
from tests.harness.viewer import Viewer, log, refused, watch

BARE: Tables = {"journal": {"path": ""}}
"""Nothing is left of this one when it ends; it begins each time with the last hour of the stream."""

QUIET: Tables = {"sources.rabbitmq": {"canary_seconds": 0}}
"""Its own messages take places, too, and would move the head at any time."""

LAST = "nothing follows"
PATIENCE = 100
"""Seconds until it has to come."""

PROJECTS = ("a", "b", "c")


# -- the same places -------------------------------------------------------------------------------------------------


class Mixed:
    """What a swarm publishes in a lively hour: each kind of body, poison and repeats among them."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._bodies: list[tuple[bytes, str | None]] = []
        self._number = self._begun = 0

    def body(self) -> tuple[bytes, str | None]:
        """Return the next body and its message id."""
        if self._bodies and self._random.random() < 0.15:
            return self._random.choice(self._bodies)
        number, self._number = self._number, self._number + 1
        made = self._made(), self._random.choice([f"id-{number}", f"id-{number}", None])
        self._bodies.append(made)
        return made

    def forget(self) -> None:
        """Repeat nothing of what was published so far."""
        self._bodies.clear()
        self._begun = self._number

    def _made(self) -> bytes:
        kind = self._random.choice(["one", "one", "array", "lines", "poison", "partly", "own ids"])
        events: list[Any] = [self._event() for _ in range(1 if kind == "one" else self._random.randint(2, 5))]
        if kind == "poison":
            return b'{"type": "workflow_log", "project_id": "a", "mess'
        if kind == "partly":
            events.insert(1, {"type": "nobody's"})
        if kind == "own ids":
            events = [{**event, "message_id": f"event-{self._begun}-{self._random.randint(0, 9)}"} for event in events]
        if kind == "lines":
            return b"\n".join(json.dumps(event).encode() for event in events)
        return json.dumps(events[0] if kind == "one" else events).encode()

    def _event(self) -> Event:
        project_id = self._random.choice(PROJECTS)
        if self._random.random() < 0.2:
            return {"type": "project.progress", "projectId": project_id, "percent": f"{self._random.randint(0, 120)}%"}
        return log(
            project_id, f"{self._number}: {self._random.random()}", agent=self._random.choice(["coder", "tester"])
        )


async def publish(amqp: str, mixed: Mixed, bodies: int) -> None:
    """Publish so many bodies in order."""
    async with Publisher(RabbitSettings.model_validate({"url": amqp})) as publisher:
        for _ in range(bodies):
            body, message_id = mixed.body()
            await publisher.publish("any", "mixed", body, message_id=message_id)


async def shown(relay: Addresses, project_id: str, **query: Any) -> list[Event]:  # noqa: ANN401  # what `watch` takes
    """Return all messages of a project that have a place, up to the last one."""
    messages: list[Event] = []
    async with asyncio.timeout(PATIENCE), watch(relay, project_id, **query) as viewer:
        while not messages or messages[-1].get("message") != LAST:
            try:
                message = await viewer.message()
            except TimeoutError:
                # Others are being started meanwhile, and nothing is said.
                continue
            if "id" in message:
                messages.append(message)
            else:
                assert "gap" != message.get("replay")
    return messages


async def everything_shown(relay: Addresses, **query: Any) -> dict[str, list[Event]]:  # noqa: ANN401  # as above
    """Return what is shown of each project, without the one time that each relay has of its own."""
    told = await asyncio.gather(*[shown(relay, project_id, **query) for project_id in PROJECTS])
    return {
        project_id: [{name: value for name, value in message.items() if name != "received_at"} for message in messages]
        for project_id, messages in zip(PROJECTS, told, strict=True)
    }


async def heads(relays: Sequence[Addresses]) -> set[tuple[str, str]]:
    """Return what each relay tells of its newest place, and of where a viewer stands that has read all."""
    found = set()
    for relay in relays:
        async with watch(relay, PROJECTS[0], tail=0) as viewer:
            await viewer.frame()
            await viewer.says({"type": "ping"})
            pong = await viewer.hears("pong")
            found.add((pong["head"], pong["cursor"]))
    return found


async def test_all_relays_give_the_same_places(amqp: str, seed: int) -> None:
    """One that was killed and has a journal, one without, one that came later, and one that began in the middle."""
    mixed = Mixed(seed)
    bare, middle = merged(QUIET, BARE), merged(QUIET, BARE, {"sources.rabbitmq": {"warm_up": "2s"}})
    async with PrivateRelay(QUIET, rabbitmq=amqp) as killed, PrivateRelay(bare, rabbitmq=amqp) as steady:
        live = asyncio.create_task(everything_shown(steady, after="0"))
        await publish(amqp, mixed, 100)
        await asyncio.to_thread(killed.kill)
        await publish(amqp, mixed, 100)
        await killed.start_async()
        published = time.monotonic()
        await until(lambda: time.monotonic() - published > 3)
        # Of what was published before its time it does not know the ids.
        mixed.forget()
        async with PrivateRelay(bare, rabbitmq=amqp) as late, PrivateRelay(middle, rabbitmq=amqp) as partial:
            await publish(amqp, mixed, 150)
            for project_id in PROJECTS:
                await steady.publish(log(project_id, LAST))
            whole = await live
            for relay in (killed, steady, late):
                assert whole == await everything_shown(relay, after="0")
            part = await everything_shown(partial, tail=1_000)
            assert 1 == len(await heads([killed, steady, late, partial]))
    for project_id in PROJECTS:
        messages, some = whole[project_id], part[project_id]
        assert 0 < len(some) < len(messages)
        assert messages[-len(some) :] == some
        ids = [message["id"] for message in messages]
        assert len(set(ids)) == len(ids) > 100
    counted = sum(map(len, whole.values()))
    print(f"{counted} messages of 350 bodies, {sum(map(len, part.values()))} of them above the floor of the last")  # noqa: T201


# -- viewers that move -----------------------------------------------------------------------------------------------


def admit(audience: Audience, load: Load, ways: Sequence[Addresses], seed: int) -> dict[str, Wanted]:
    """Let in steady and restless viewers of every kind, each by a way of its own; return what some want."""
    random, wanted = Random(seed), dict[str, Wanted]()
    ways = list(ways)
    for transport in (*TRANSPORTS, "many"):
        for restless in (False, True):
            projects = random.sample(load.projects, 5 if transport == "many" else 1)
            name = f"{transport}-{restless}"
            audience.admit(name, [transport], load.last(projects), restless=restless, relay=ways.pop())
        for name, (query, filtered) in FILTERS.items():
            projects = random.sample(load.projects, 3 if transport == "many" else 1)
            one = audience.admit(
                f"{name}-{transport}",
                [transport],
                load.last(projects, filtered),
                restless=True,
                query=query,
                relay=ways.pop(),
            )
            wanted[one.name] = filtered
    for number in range(4):
        audience.admit(
            f"any-{number}", TRANSPORTS, load.last([random.choice(load.projects)]), restless=True, relay=ways.pop()
        )
    return wanted


BEATING: Tables = {"server": {"heartbeat_seconds": 1}}
"""Signs of life move cursors, too."""


async def test_viewers_go_from_one_to_the_other_at_any_place(amqp: str, tmp_path: Path, seed: int) -> None:
    """Every connection, and every single poll, is with the other relay: nothing is lost, repeated or called a gap."""
    load = Load(5_000, projects=20, seed=seed)
    async with (
        PrivateRelay(BEATING, rabbitmq=amqp) as one,
        PrivateRelay(merged(BEATING, BARE), rabbitmq=amqp) as other,
        Audience(one, seed=seed) as audience,
    ):
        wanted = admit(audience, load, [InTurn([one, other], first=number) for number in range(40)], seed)
        await audience.until_present()
        said = await load.publish(amqp, tmp_path, rate=1_000)
        await audience.until_done()

        def published(onlooker: Onlooker, project_id: str) -> list[Key]:
            return load.keys(project_id, wanted.get(onlooker.name, everything))

        assert {} == audience.broken(published)
        moved = [onlooker for onlooker in audience.onlookers if onlooker.restless is not None]
        # A filter may leave so little that one never comes to leave.
        assert [] == [onlooker.name for onlooker in moved if onlooker.legs < 2 and onlooker.name not in wanted]
        legs = sum(onlooker.legs for onlooker in moved)
        print(f"{said}; {len(moved)} viewers moved {legs} times and saw {audience.events} events")  # noqa: T201


async def polls_answered(relays: Sequence[PrivateRelay]) -> list[float]:
    """Return how many polls each of them has let in."""
    name = 'relayd_handshake_duration_seconds_count{transport="longpoll"}'
    return [await asyncio.to_thread(relay.metric, name) for relay in relays]


async def test_polls_and_streams_need_no_stickiness(amqp: str, tmp_path: Path, seed: int) -> None:
    """The shipped proxy asks the relays in turn; a lone poller is answered by each of them for every other poll."""
    load = Load(3_000, projects=10, seed=seed)
    async with PrivateRelay(rabbitmq=amqp) as here, PrivateRelay(rabbitmq=amqp) as there:
        relays = [here, there]
        upstreams = [f"127.0.0.1:{relay.port}" for relay in relays]
        with PrivateNginx(tmp_path / "nginx", relayd=upstreams) as nginx:
            async with Audience(here, seed=seed) as audience:
                ways = ways_through(nginx, 20)
                alone = audience.admit("alone", ["longpoll"], load.last(load.projects[:1]), relay=ways.pop())
                said = await load.publish(amqp, tmp_path, rate=1_000)
                await audience.until_done()
                first, second = await polls_answered(relays)
                assert first > 5 < second
                assert 1 >= abs(first - second)
                assert 0 == alone.away
                # What they missed is long, and then they wait for what comes.
                for number, way in enumerate(ways):
                    transport = ("longpoll", "sse")[number % 2]
                    name, last = f"{transport}-{number}", load.last([load.projects[number % 10]])
                    # The next connection of a session takes the place of the last, whenever the proxy lets go of that.
                    query, restless = {"session": name}, transport == "sse"
                    one = audience.admit(name, [transport], last, restless=restless, query=query, relay=way)
                    one.cursors = dict.fromkeys(last, "0")
                await audience.until_done()
                assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
                print(f"{said}; a poller alone asked {first:.0f} and {second:.0f} times")  # noqa: T201


# -- a relay that lags -----------------------------------------------------------------------------------------------


CHANNEL_OPEN = b"\0\x14\0\x0a"
"""Class 20, method 10 (AMQP 0-9-1, 1.5.2.1)."""


class Wire(Proxy):
    """Between a relay and the broker; counts the channels that are opened: one for each look at the log's end."""

    looks = 0

    def asked(self, data: bytes) -> None:
        self.looks += data.count(CHANNEL_OPEN)


def by(wire: Proxy, amqp: str) -> Mapping[str, Any]:
    """Return what a relay reads the stream with through a wire; one that stands still is not noticed for long."""
    port = amqp.rpartition("/")[0].rpartition(":")[2]
    return {"rabbitmq": amqp.replace(f":{port}/", f":{wire.port}/"), "overrides": STILL}


STILL: Tables = {
    "sources.rabbitmq": {"heartbeat": 600, "silence_seconds": 0.5, "backoff_seconds": 0.5, "canary_seconds": 0}
}


async def said(relay: PrivateRelay, *texts: str) -> str:
    """Publish lines of a project and return the cursor behind them, as a relay gives it."""
    async with watch(relay, "p", tail=0) as viewer:
        await viewer.frame()
        for text in texts:
            await relay.publish(log("p", text))
        await viewer.lines(len(texts))
        frame = viewer.frames[-1]
        return str(frame["cursor"] if frame["type"] == "batch" else frame["id"])


async def replay(viewer: Viewer) -> str:
    """Return how the viewer was opened."""
    return str((await viewer.hears("connection_established"))["replay"])


async def ask(http: aiohttp.ClientSession, relay: Addresses, what: str, after: str) -> tuple[int, str, str]:
    """Return status, what an answer over HTTP says of itself (a code, or how it replays), and `Retry-After`."""
    headers = {"Authorization": f"Bearer {relay.token()}"}
    address = relay.project("p", what, after=after, wait=0)
    async with http.get(address, headers=headers, ssl=relay.tls or True) as answer:
        told = await answer.json()
        return answer.status, told.get("code") or told["replay"], answer.headers.get("Retry-After", "")


async def test_a_relay_that_lags_lets_a_viewer_wait_until_it_is_there(rabbitmq: PrivateRabbit, amqp: str) -> None:
    """Its broker is not heard, and it does not know; the viewer that knows more is resumed exactly, a little later."""
    async with (
        PrivateRelay(rabbitmq=amqp) as ahead,
        Wire(rabbitmq.port) as wire,
        PrivateRelay(**by(wire, amqp)) as lagging,
    ):
        await until(lambda: lagging.readiness()[0] == 200)
        await said(ahead, "seen by both")
        with wire.holding("answered"):
            after = await said(ahead, "one", "two")
            await ahead.publish(log("p", "three"))
            looks = wire.looks
            viewing = asyncio.create_task(resumed(lagging, after))
            # It asks the broker where the log ends, instead of believing what it has heard last.
            await until(lambda: wire.looks > looks)
            assert 200 == lagging.readiness()[0]
            assert not viewing.done()
        assert ("resume", ["three"]) == await viewing


async def resumed(relay: Addresses, after: str, *, lines: int = 1) -> tuple[str, list[str]]:
    """Return how a viewer is opened that comes with a cursor, and the first lines that it hears."""
    async with watch(relay, "p", after=after) as viewer:
        return await replay(viewer), await viewer.lines(lines)


async def test_a_relay_that_lags_for_long_says_so_and_no_gap(
    rabbitmq: PrivateRabbit, amqp: str, tmp_path: Path
) -> None:
    """By the ending that every transport has for it; behind the proxy the next relay answers where HTTP still can."""
    async with (
        PrivateRelay(rabbitmq=amqp) as ahead,
        Wire(rabbitmq.port) as wire,
        PrivateRelay(**by(wire, amqp)) as lagging,
        aiohttp.ClientSession() as http,
    ):
        await said(ahead, "seen by both")
        await until(lambda: lagging.readiness()[0] == 200)
        with wire.holding("answered"):
            after = await said(ahead, "one")
            modern, legacy, poll, stream, many = await asyncio.gather(
                closed(lagging, after),
                refused(lagging, "p", legacy=True, after=after),
                ask(http, lagging, "/events", after),
                ask(http, lagging, "/stream", after),
                noticed(lagging, after),
            )
            assert (1013, True) == (modern[0], modern[1].startswith("OVERLOADED: this relay has not read as far"))
            assert modern[1].endswith("; retry_after_ms=5000")
            assert (503, "UNAVAILABLE", "5") == (legacy[0], legacy[1]["code"], legacy[2]["retry-after"])
            assert (503, "UNAVAILABLE", "5") == poll == stream
            assert ("OVERLOADED", "p") == (many["code"], many["project_id"])
            assert 0 == lagging.metric('relayd_gaps_total{cause="beyond_head"}')
            upstreams = [f"127.0.0.1:{relay.port}" for relay in (lagging, ahead)]
            with PrivateNginx(tmp_path / "nginx", relayd=upstreams) as nginx:
                ways = ways_through(nginx, 4)
                answers = await asyncio.gather(*[ask(http, way, "/events", after) for way in ways])
            assert {(200, "resume", "")} == set(answers)
        # Whoever stayed with it gets what was missed, once it is there.
        await until(lambda: offset(ahead) == offset(lagging))
        await ahead.publish(log("p", "two"))
        assert ("resume", ["two"]) == await resumed(lagging, after)


def offset(relay: PrivateRelay) -> float:
    """Return how far a relay has read."""
    return relay.metric("relayd_stream_consumed_offset")


async def closed(relay: Addresses, after: str) -> tuple[int, str]:
    """Return close code and reason of a modern viewer."""
    async with watch(relay, "p", after=after) as viewer:
        return await viewer.ending()


async def noticed(relay: Addresses, after: str) -> Event:
    """Return the notice that a socket for several projects gets instead of a subscription."""
    async with watch(relay, None) as viewer:
        await viewer.says({"type": "subscribe", "project_id": "p", "after": after})
        return await viewer.hears("notice")


async def test_a_log_made_anew_that_one_relay_knows_nothing_of(rabbitmq: PrivateRabbit, amqp: str) -> None:
    """Its cursors and those of the new log are told apart, both ways; once it knows, they are the same again."""
    settings = RabbitSettings.model_validate({"url": amqp})
    async with (
        PrivateRelay(STILL, rabbitmq=amqp) as aware,
        Wire(rabbitmq.port) as wire,
        PrivateRelay(**by(wire, amqp)) as unaware,
    ):
        old = await said(aware, *OLD)
        await until(lambda: offset(aware) == offset(unaware))
        async with watch(unaware, "p", after=old) as viewer:
            assert "resume" == await replay(viewer)
            with wire.holding("answered"):
                async with Stream(settings) as stream:
                    await stream.delete()
                await setup(amqp, settings)
                await asyncio.to_thread(aware.wait_for_metric, EPOCHS, 1)
                await until(lambda: aware.readiness()[0] == 200)
                new = await said(aware, "new")
                # Another body stands there, of the log that it still believes in.
                assert decode(new).offset < decode(old).offset
                assert ("gap", OLD) == await resumed(unaware, new, lines=5)
                assert ("gap", ["new"]) == await resumed(aware, old)
                newer = await said(aware, *NEWER)
                assert decode(newer).offset > decode(old).offset
                assert 1013 == (await closed(unaware, newer))[0]
            assert "gap" == await replay(viewer)
            assert ["new", *NEWER] == await viewer.lines(11)
        assert 1 == unaware.metric(EPOCHS)
        async with PrivateRelay(merged(STILL, BARE), rabbitmq=amqp) as later:
            told = [await shown_behind(relay, new, 10) for relay in (aware, unaware, later)]
            assert told[0] == told[1] == told[2]
            for relay in (aware, unaware):
                assert ("gap", ["new", *NEWER]) == await resumed(relay, old, lines=11)


OLD, NEWER = ([f"{age} {number}" for number in range(count)] for age, count in (("old", 5), ("newer", 10)))
EPOCHS = "relayd_stream_epoch_changes_total"


async def shown_behind(relay: Addresses, after: str, count: int) -> list[tuple[str, str]]:
    """Return places and texts of the next lines behind a cursor."""
    async with watch(relay, "p", after=after) as viewer:
        assert "resume" == await replay(viewer)
        lines = [await viewer.hears("workflow_log") for _ in range(count)]
        return [(line["id"], line["message"]) for line in lines]


# -- a relay that is cut off alone -----------------------------------------------------------------------------------

HANDING_OVER: Tables = {
    "server": {"peers": True, "away_seconds": 1, "heartbeat_seconds": 1},
    "sources.rabbitmq": {"backoff_seconds": 0.5},
}


async def test_a_relay_that_is_cut_off_alone_says_so_and_hands_its_viewers_over(
    rabbitmq: PrivateRabbit, amqp: str, tmp_path: Path, seed: int
) -> None:
    """It is not ready, tells how old its knowledge is, serves what it has; and nobody waits for it."""
    load = Load(3_000, projects=10, seed=seed)
    async with Proxy(rabbitmq.port) as wire, PrivateRelay(HANDING_OVER, rabbitmq=amqp) as reached:
        cut_off = PrivateRelay(HANDING_OVER, rabbitmq=str(by(wire, amqp)["rabbitmq"]))
        upstreams = [f"127.0.0.1:{relay.port}" for relay in (reached, cut_off)]
        async with cut_off, Audience(reached, seed=seed, obedient=True) as audience:
            with PrivateNginx(tmp_path / "nginx", relayd=upstreams) as nginx:
                for number, way in enumerate(ways_through(nginx, 30)):
                    transport = ([*TRANSPORTS, "many"])[number % 5]
                    projects = load.projects[:4] if transport == "many" else load.projects[number % 10 :][:1]
                    audience.admit(f"{transport}-{number}", [transport], load.last(projects), relay=way)
                await audience.until_present()
                with load.publishing(amqp, tmp_path, rate=500) as publishing:
                    await publishing.until_confirmed(500)
                    with unreachable(wire):
                        await until(lambda: cut_off.readiness()[0] == 503)
                        assert "without events since" in cut_off.readiness()[1]
                        assert (200, "") == reached.readiness()
                        told = await publishing.end()
                        # All is said, and the one that is cut off has not heard of it.
                        await audience.until_done(seconds=100)
                        assert await lags(cut_off)
                        assert not await lags(reached)
                        assert offset(cut_off) < offset(reached)
                await until(lambda: cut_off.readiness() == (200, ""))
                assert not await lags(cut_off)
            assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
            handed_over = cut_off.metric('relayd_disconnects_total{reason="overloaded"}')
            assert 0 < handed_over
            assert 0 == reached.metric('relayd_disconnects_total{reason="overloaded"}')
            print(f"{told}; {handed_over:.0f} times a viewer was handed over, {longest(audience)}")  # noqa: T201


@contextmanager
def unreachable(wire: Proxy) -> Iterator[None]:
    """Let nobody through a wire until the block ends."""
    wire.refusing = True
    wire.cut()
    try:
        yield
    finally:
        wire.refusing = False


async def lags(relay: PrivateRelay) -> bool:
    """Tell what a relay says of its freshness; a pong and a poll's answer say the same."""
    project_id = "load-1"
    async with watch(relay, project_id) as viewer, aiohttp.ClientSession() as http:
        # It serves what it has all the while.
        assert "tail" == await replay(viewer)
        await viewer.says({"type": "ping"})
        pong = await viewer.hears("pong")
        headers = {"Authorization": f"Bearer {relay.token()}"}
        async with http.get(relay.project(project_id, "/events", wait=0), headers=headers) as answer:
            polled = await answer.json()
    assert (pong["lag_seconds"] > 1) == (polled["lag_seconds"] > 1)
    return bool(pong["lag_seconds"] > 1)


def longest(audience: Audience) -> str:
    """Return the longest pause that a viewer saw, in words."""
    pauses = [pause.seconds for one in audience.onlookers for pause in one.pauses]
    return f"the longest pause {max(pauses, default=0):.2f} s"
