"""The line to a real Redis, which is killed, frozen, cut off, and says no."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from relayd.presence.line import LAST_LOOK_SECONDS, Away, Line
from relayd.presence.settings import RedisSettings
from relayd.testing.world import RecordingObserver, settle
from tests.harness.follower import until
from tests.harness.proxy import Proxy
from tests.harness.redis import PrivateRedis


class Household:
    """A tenant that remembers."""

    channels = ("test-line", "test-line-too")

    def __init__(self) -> None:
        self.settled = 0
        self.heard: list[tuple[str, bytes]] = []
        self.line: Line | None = None
        self.breaks = False

    async def settle(self) -> None:
        assert self.line is not None
        assert not self.line.up
        assert b"PONG" == await self.line.ask(("PING",))
        self.settled += 1

    async def tend(self) -> None:
        await asyncio.Event().wait()

    def heed(self, channel: str, said: bytes) -> None:
        if self.breaks:
            raise RuntimeError("a bug")
        self.heard.append((channel, said))


class Counting(Proxy):
    """Keeps what Redis was asked."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.packets: list[bytes] = []

    def asked(self, data: bytes) -> None:
        self.packets.append(data)


class Held:
    """A line that is held in a task, and all there is to know of it."""

    def __init__(self, url: str, patience: float) -> None:
        self.observer = RecordingObserver()
        self.household = Household()
        settings = RedisSettings.model_validate({"url": url, "patience_seconds": patience})
        self.line = self.household.line = Line(settings, self.observer)
        self.task = asyncio.create_task(self.line.run(self.household))

    def noticed(self) -> list[str]:
        """Return the names of what was noticed."""
        return [event for event, _ in self.observer.of("noticed")]


@asynccontextmanager
async def holding(url: str, *, patience: float = 5.0, up: bool = True) -> AsyncGenerator[Held]:
    """Hold a line until the block ends."""
    held = Held(url, patience)
    try:
        if up:
            await until(lambda: held.line.up)
        yield held
    finally:
        held.task.cancel()
        await asyncio.wait({held.task})


@pytest.fixture
async def held(redis: PrivateRedis) -> AsyncIterator[Held]:
    """Give a line that is up and patient."""
    async with holding(redis.url) as held:
        yield held


async def test_it_is_up_when_its_tenant_has_settled(redis: PrivateRedis) -> None:
    """Until then it says that it is not, and asks for nobody else."""
    async with holding(redis.url, up=False) as held:
        assert f"Redis at 127.0.0.1:{redis.port}: not connected yet" == held.line.trouble
        with pytest.raises(Away, match="not connected yet"):
            held.line.tell(("PING",))
        await until(lambda: held.line.up)
        assert (1, "") == (held.household.settled, held.line.trouble)
        assert [("redis_connected", {"address": f"127.0.0.1:{redis.port}"})] == held.observer.of("noticed")
    assert not held.line.up
    with pytest.raises(Away):
        await held.line.ask(("PING",))


async def test_everybody_gets_the_own_answer(held: Held) -> None:
    """In the order of asking, what nobody waits for and who has gone away in between."""
    asking = []
    for number in range(500):
        held.line.tell(("ECHO", f"told {number}"))
        asking.append(asyncio.create_task(held.line.ask(("ECHO", number))))
    await settle(2)
    for gone in asking[::7]:
        gone.cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    for number, answer in enumerate(answers):
        if number % 7:
            assert str(number).encode() == answer
    assert b"after" == await held.line.ask(("ECHO", "after"))


async def test_what_waits_goes_out_together(redis: PrivateRedis) -> None:
    """A hundred at once are a few packets, not a hundred."""
    async with Counting(redis.port) as proxy, holding(f"redis://127.0.0.1:{proxy.port}") as held:
        proxy.packets.clear()
        await asyncio.gather(*(held.line.ask(("PING",)) for _ in range(100)))
        assert [100] == [packet.count(b"PING") for packet in proxy.packets]


async def test_its_tenant_is_called(held: Held, redis: PrivateRedis) -> None:
    """Whatever bytes were said, in order, and on which channel."""
    said = [("test-line", b"one"), ("test-line-too", b"\xff\0"), ("test-line", b"")]
    async with Redis.from_url(redis.url) as client:
        for channel, what in said:
            assert 1 == await client.publish(channel, what)
    await until(lambda: len(held.household.heard) == 3)
    assert said == held.household.heard


async def test_one_that_is_away_is_called_again_and_again(redis: PrivateRedis) -> None:
    """It is said once that it is away, and once that it is back."""
    async with Proxy(redis.port) as proxy:
        proxy.refusing = True
        async with holding(f"redis://127.0.0.1:{proxy.port}", up=False) as held:
            await until(lambda: proxy.refused >= 2)
            assert ["redis_lost"] == held.noticed()
            proxy.refusing = False
            await until(lambda: held.line.up)
            proxy.cut()
            await until(lambda: not held.line.up)
            await until(lambda: held.line.up)
    assert ["redis_lost", "redis_connected"] * 2 == held.noticed()
    assert 2 == held.household.settled


async def test_whoever_waits_longest_decides_for_all(redis: PrivateRedis) -> None:
    """All who wait are told at once, nobody asks any more, and a look in the background finds it again."""
    async with holding(redis.url, patience=0.1) as held:
        async with redis.frozen():
            asking = [asyncio.create_task(held.line.ask(("PING",))) for _ in range(3)]
            for answer in await asyncio.gather(*asking, return_exceptions=True):
                assert isinstance(answer, Away)
            assert held.line.trouble.endswith(": no answer within 100 ms")
            with pytest.raises(Away, match="no answer within 100 ms"):
                held.line.tell(("PING",))
            # Its kernel still takes connections.
            await until(lambda: held.line.trouble.endswith(": no answer in time"))
        await until(lambda: held.line.up)
        assert b"PONG" == await held.line.ask(("PING",))
    assert ["redis_connected", "redis_lost", "redis_connected"] == held.noticed()


async def test_what_nobody_waits_for_must_be_answered_too(redis: PrivateRedis) -> None:
    """Otherwise a line on which only places are given back would never be known to be dead."""
    async with holding(redis.url, patience=0.1) as held, redis.frozen():
        held.line.tell(("PING",))
        await until(lambda: not held.line.up)


async def test_a_busy_process_does_not_blame_redis(redis: PrivateRedis) -> None:
    """An answer that lay here unread is an answer."""
    async with holding(redis.url, patience=0.1) as held:
        async with redis.frozen():
            asking = asyncio.create_task(held.line.ask(("PING",)))
            await settle(5)
        # Until the answer is here, and the patience over.
        time.sleep(0.3)  # noqa: ASYNC251  # this is what it is about
        assert b"PONG" == await asking
        assert held.line.up


async def test_an_answer_that_comes_as_the_line_is_cut_is_nobody_s(redis: PrivateRedis) -> None:
    """Whoever asked has been told otherwise; the line is cut and held again, as after any other."""
    patience = 0.1

    def thaw() -> None:
        redis.process.send(signal.SIGCONT)
        time.sleep(0.2)

    async with holding(redis.url, patience=patience) as held, redis.frozen():
        asking = asyncio.create_task(held.line.ask(("PING",)))
        await settle(5)
        # Between the first look and the last: the answer is read in the turn that cuts the line.
        asyncio.get_running_loop().call_later(patience + LAST_LOOK_SECONDS / 2, thaw)
        with pytest.raises(Away):
            await asking
        await until(lambda: held.line.up)
        assert ["redis_connected", "redis_lost", "redis_connected"] == held.noticed()


async def test_an_error_is_no_answer(held: Held) -> None:
    """A Redis that refuses what it is asked is as good as away: full, read-only, or of another age."""
    with pytest.raises(Away):
        await held.line.ask(("NO_SUCH_COMMAND",))
    await until(lambda: "unknown command" in held.line.trouble)
    await until(lambda: held.line.up)
    assert 2 == held.household.settled


async def test_a_user_with_a_password_over_a_unix_socket(redis: PrivateRedis) -> None:
    """As operators have it on one machine; what the user may not do is an error like any other."""
    async with Redis.from_url(redis.url) as client:
        raw: Any = client
        await raw.execute_command("ACL", "SETUSER", "line", "reset", "on", ">secret", "&test-line*", "+@all", "~mine")
        async with holding(f"unix://line:secret@{redis.socket}?db=0") as held:
            assert None is await held.line.ask(("GET", "mine"))
            with pytest.raises(Away):
                await held.line.ask(("GET", "another"))
            await until(lambda: "no permissions" in held.line.trouble.lower())
        async with holding(f"unix://line:wrong@{redis.socket}", up=False) as held:
            await until(lambda: "invalid username-password pair" in held.line.trouble)


async def test_a_password_is_not_told(redis: PrivateRedis) -> None:
    """Neither in the sentence nor in the log."""
    async with holding(f"redis://ada:secret@127.0.0.1:{redis.port}/2", up=False) as held:
        await until(lambda: bool(held.noticed()))
        assert "secret" not in held.line.trouble + repr(held.observer.told)


async def test_the_database_is_the_one_of_the_url(redis: PrivateRedis) -> None:
    """Two tenants may share a Redis and not meet."""
    third = redis.url.removesuffix("/0") + "/3"
    async with (
        holding(third) as held,
        Redis.from_url(third) as there,
        Redis.from_url(redis.url) as elsewhere,
    ):
        await held.line.ask(("SET", "test-line-key", b"x"))
        assert (b"x", None) == (await there.get("test-line-key"), await elsewhere.get("test-line-key"))
        await held.line.ask(("DEL", "test-line-key"))


async def test_a_bug_of_the_tenant_s_is_none_of_redis(held: Held, redis: PrivateRedis) -> None:
    """It reaches the supervisor, who begins again; nobody is left waiting."""
    held.household.breaks = True
    async with Redis.from_url(redis.url) as client:
        await client.publish("test-line", "x")
    await asyncio.wait({held.task})
    with pytest.raises(ExceptionGroup) as caught:
        held.task.result()
    assert caught.group_contains(RuntimeError, match="a bug")
    assert not held.line.up
    held.household.breaks = False
    held.task = asyncio.create_task(held.line.run(held.household))
    await until(lambda: held.line.up)


def test_without_its_library_it_says_what_to_install() -> None:
    """It is an extra, which not everybody needs."""
    code = "import sys; sys.modules['redis'] = None; import relayd.presence.line"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.endswith("ImportError: the library redis is not installed; install relayd[redis]\n")
