import asyncio
import time
from collections.abc import AsyncIterator
from typing import Self

import pytest
from aiormq.abc import AbstractConnection
from pydantic import SecretStr

from relayd.rabbitmq.connection import Stalled, close, connect
from relayd.rabbitmq.health import Health
from relayd.rabbitmq.watchdog import Watchdog
from tests.harness.follower import Follower, until
from tests.harness.proxy import Proxy
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.stream import Stream


class Counted(Health):
    """Counts the looks that told something."""

    looks = 0

    def looked(self, end: int | None) -> None:
        self.looks += 1
        super().looked(end)


class Watched:
    """A watchdog over a real log, and a reading that is what the test says."""

    def __init__(self, stream: Stream, connection: AbstractConnection, **changes: float) -> None:
        settings = stream.settings.model_copy(
            update={"stalled_seconds": 0.3, "head_seconds": 0.05, "silence_seconds": 0.1, **changes}
        )
        self.read: int | None = None
        self.busy = False
        self.health = Counted(settings, time.monotonic)
        self.watchdog = Watchdog(
            settings,
            self.health,
            monotonic=time.monotonic,
            arrived=self.arrived,
            busy=self.is_busy,
        )
        self.connection = connection

    def arrived(self) -> int | None:
        """Return the newest offset that arrived."""
        return self.read

    def is_busy(self) -> bool:
        """Tell whether something that arrived waits."""
        return self.busy

    async def __aenter__(self) -> Self:
        self.health.connected(self.read)
        self.task = asyncio.create_task(self.watchdog.watch(self.connection))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    async def until_level(self) -> None:
        """Return when it has found nothing that is missing."""
        await until(lambda: self.health.caught_up or self.task.done())
        assert self.health.caught_up

    async def verdict(self) -> Stalled:
        """Return what it says of a subscription that stands still."""
        async with asyncio.timeout(30):
            verdict = await self.task
        assert isinstance(verdict, Stalled)
        return verdict


class Slowly(Watched):
    """Reads one message in a tenth of a second."""

    begin: float | None = None

    def arrived(self) -> int | None:
        self.begin = self.begin or time.monotonic()
        read = min(30, int((time.monotonic() - self.begin) / 0.1))
        self.health.handed_on(read, time.time())
        return read


class Asked(Watched):
    """Remembers when it was asked whether it is busy."""

    def __init__(self, stream: Stream, connection: AbstractConnection) -> None:
        super().__init__(stream, connection)
        self.asked: list[float] = []

    def is_busy(self) -> bool:
        self.asked.append(time.monotonic())
        return super().is_busy()


@pytest.fixture
async def connection(stream: Stream) -> AsyncIterator[AbstractConnection]:
    """Give an open connection."""
    connection = await connect(stream.settings)
    yield connection
    await close(connection)


def numbered(count: int) -> list[bytes]:
    """Return bodies that tell their number."""
    return [b"%d" % number for number in range(count)]


async def test_what_is_known_to_be_there_has_to_come(stream: Stream, connection: AbstractConnection) -> None:
    """The log ends at 2, and what was read at 1: sooner or later that is no coincidence."""
    await stream.say(numbered(3))
    watched = Watched(stream, connection)
    watched.read = 1
    async with watched:
        verdict = await watched.verdict()
    assert str(verdict).startswith(f"{stream.settings.queue} goes on behind offset 1, and nothing came for ")


async def test_progress_is_no_standing_still(stream: Stream, connection: AbstractConnection) -> None:
    """One message in a while, ten patiences long: it is told to be level, and nothing else."""
    await stream.say(numbered(31))
    watched = Slowly(stream, connection)
    async with watched:
        await watched.until_level()
        assert not watched.task.done()
    assert 30 == watched.health.state().head_offset


async def test_what_waits_for_the_relay_is_not_blamed_on_the_broker(
    stream: Stream, connection: AbstractConnection
) -> None:
    """With its prefetch full the broker sends nothing, and rightly; it is asked to again once there is room."""
    await stream.say(numbered(3))
    watched = Asked(stream, connection)
    watched.read, watched.busy = 0, True
    async with watched:
        await until(lambda: len(watched.asked) > 10 and watched.asked[-1] - watched.asked[0] > 1.5)
        assert not watched.task.done()
        watched.busy = False
        await watched.verdict()


async def test_a_suspicion_is_looked_into_at_once(stream: Stream, connection: AbstractConnection) -> None:
    """Long before the next look is due; it is right where the log goes on, and forgotten where it does not."""
    await stream.say(numbered(3))
    watched = Watched(stream, connection, head_seconds=3_600)
    watched.read = 2
    async with watched:
        await watched.until_level()
        watched.watchdog.suspect()
        await until(lambda: watched.watchdog._since is None)
        await stream.say([b"3"])
        watched.watchdog.suspect()
        await watched.verdict()


async def test_what_arrives_ends_a_suspicion(stream: Stream, connection: AbstractConnection) -> None:
    """A canary is often confirmed a moment before it arrives."""
    await stream.say(numbered(3))
    watched = Watched(stream, connection, head_seconds=3_600)
    watched.read = 2
    async with watched:
        await watched.until_level()
        watched.watchdog.suspect()
        watched.read = 3
        await until(lambda: watched.watchdog._since is None)
        assert not watched.task.done()


async def test_no_answer_ends_no_suspicion(stream: Stream, connection: AbstractConnection) -> None:
    """Who can't see the end of the log can't say that there is nothing more."""
    await stream.say(numbered(3))
    watched = Watched(stream, connection)
    watched.read = 2
    await connection.close()
    async with watched:
        await asyncio.sleep(0)
        watched.watchdog.suspect()
        await watched.verdict()


async def test_a_past_that_is_not_read_is_not_missed(stream: Stream, connection: AbstractConnection) -> None:
    """All that is there may be older than the warm-up; what comes behind it has to come."""
    await stream.say(numbered(3))
    watched = Watched(stream, connection)
    async with watched:
        await watched.until_level()
        assert not watched.task.done()
        await stream.say([b"3"])
        assert "goes on behind offset 2" in str(await watched.verdict())
    # Subscribed again it is still missing, and not a part of that past by now.
    async with watched:
        assert "goes on behind offset 2" in str(await watched.verdict())
    await stream.delete()
    await stream.declare()
    await stream.say([b"0"])
    async with watched:
        await watched.until_level()
        assert not watched.task.done()


async def test_an_empty_log_is_level(stream: Stream, connection: AbstractConnection) -> None:
    """There is nothing to miss."""
    async with Watched(stream, connection) as watched:
        await watched.until_level()
        assert watched.health.state().head_offset is None


# -- for those who ask -----------------------------------------------------------------------------------------------


async def test_the_end_is_looked_for_anew_for_each_who_asks(stream: Stream) -> None:
    """What was published a moment ago counts, long before the next look is due; an empty log ends at -1."""
    source = stream.source(head_seconds=3_600)
    async with Follower(source) as reader:
        await reader.until_state(lambda: source.state().caught_up)
        assert -1 == await source.newest()
        for number in range(3):
            await stream.say([b"%d" % number])
            assert number == await source.newest()
    assert None is await source.newest()


async def test_those_who_ask_at_once_share_a_look(stream: Stream, connection: AbstractConnection) -> None:
    """A thousand viewers behind a restart must not read the end of the log a thousand times."""
    await stream.say(numbered(2))
    watched = Watched(stream, connection, head_seconds=3_600)
    watched.read = 1
    async with watched:
        await watched.until_level()
        looks = watched.health.looks
        assert [1] * 1_000 == await asyncio.gather(*[watched.watchdog.newest() for _ in range(1_000)])
        assert looks + 1 == watched.health.looks
        asking = asyncio.create_task(watched.watchdog.newest())
        await asyncio.sleep(0)
    assert None is await asking
    assert None is await watched.watchdog.newest()


async def test_a_log_older_than_the_warm_up_has_an_end(stream: Stream) -> None:
    """A reader that began behind it has read all that it will, and is level with it, look after look."""
    await stream.say([b"old"])
    said = time.monotonic()
    await until(lambda: time.monotonic() - said > 1.1)
    source = stream.source(warm_up="1s")
    async with Follower(source) as reader:
        await reader.until_state(lambda: source.state().caught_up)
        for _ in range(2):
            assert 0 == await source.newest()
        assert (None, True) == (source.state().head_offset, source.state().caught_up)
        assert [] == reader.bodies


async def test_a_broker_that_is_not_heard_leaves_it_open(rabbitmq: PrivateRabbit, stream: Stream) -> None:
    """Neither the last look nor silence says where the log ends by now; whoever can't wait need not."""
    await stream.say([b"0"])
    async with Proxy(rabbitmq.port) as proxy:
        url = stream.settings.url.get_secret_value().replace(f":{rabbitmq.port}/", f":{proxy.port}/")
        source = stream.source(url=SecretStr(url))
        async with Follower(source) as reader:
            await reader.until_state(lambda: source.state().caught_up and bool(reader.bodies))
            with proxy.holding("answered"):
                asking = asyncio.create_task(source.newest())
                await stream.say([b"1"])
                await asyncio.wait({asking}, timeout=0.5)
                assert not asking.done()
                assert source.state().caught_up
            assert 1 == await asking
