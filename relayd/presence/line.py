"""
The line to Redis: a connection to ask on and one to be called on; both are there, or neither.

Law 1: nobody waits longer than the patience.  Whoever has waited longest decides for all: then the line is cut, all who
wait are told, and nobody asks again until a call in the background went well.
Law 2: what is asked is done in the order of asking.  What waits goes out together, as one pipeline.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from msgspec import Struct

from relayd.ports import Observer
from relayd.presence.settings import RedisSettings

try:
    from redis.asyncio import ConnectionPool
    from redis.exceptions import RedisError
except ModuleNotFoundError as error:
    raise ImportError("the library redis is not installed; install relayd[redis]") from error

__all__ = ["LAST_LOOK_SECONDS", "Away", "Command", "Line", "Tenant"]

Command = tuple[str | bytes | int, ...]

PROBE_SECONDS = 1.0
"""Between two attempts to connect."""

CONNECT_SECONDS = 2.0
"""Longest attempt to connect; no viewer waits for it."""

LAST_LOOK_SECONDS = 0.01
"""An answer that has come while this process was busy is read in that time, and Redis not blamed for it."""


class Away(Exception):
    """Redis does not answer, or not in time; the message is a part of a sentence for an operator."""


class Tenant(Protocol):
    """Whose things lie in Redis."""

    @property
    def channels(self) -> Sequence[str]:
        """Where it is called."""
        ...

    async def settle(self) -> None:
        """Put in order what may be wrong after a time apart; raises Away."""
        ...

    async def tend(self) -> None:
        """Keep it there, for as long as the line holds; raises Away."""
        ...

    def heed(self, channel: str, said: bytes) -> None:
        """Hear what was said on one of the channels."""
        ...


class Connection(Protocol):
    """What is used of the library's."""

    async def connect(self) -> None:
        """Connect, log in, choose the database."""
        ...

    def pack_commands(self, commands: Iterable[Command]) -> list[bytes]:
        """Return the bytes of commands."""
        ...

    async def send_packed_command(self, command: list[bytes]) -> None:
        """Write them."""
        ...

    async def read_response(self) -> Any:  # noqa: ANN401  # each command has its own kind of answer
        """Return the next answer; raises RedisError for one that is an error."""
        ...

    async def disconnect(self, nowait: bool = False) -> None:  # noqa: FBT001, FBT002  # the library's signature
        """Close it."""
        ...


class Asked(Struct, eq=False):
    """What was asked and not answered yet; without a future nobody waits for the answer."""

    command: Command
    since: float
    answer: asyncio.Future[Any] | None


class Line:
    """One relay's line to Redis; `run` holds it."""

    def __init__(self, settings: RedisSettings, observer: Observer) -> None:
        """Begin without a connection."""
        self._settings = settings
        self._observer = observer
        self._why = "not connected yet"
        self._since: float | None = None
        """When the trouble was told, by the loop's clock; None while there is none to tell."""
        self._up = False
        self._life: asyncio.Timeout | None = None
        self._open: deque[Asked] = deque()
        self._unsent: list[Asked] = []
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._doubted: Asked | None = None

    @property
    def up(self) -> bool:
        """Whether the tenant has settled and Redis answers."""
        return self._up

    @property
    def open(self) -> bool:
        """Whether there is anybody to ask."""
        return self._life is not None

    @property
    def trouble(self) -> str:
        """Why it is not up, as a sentence; empty while it is."""
        return "" if self._up else f"Redis at {self._settings.address}: {self._why}"

    async def ask(self, command: Command) -> Any:  # noqa: ANN401  # each command has its own kind of answer
        """Return the answer; raises Away."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(command, answer)
        return await answer

    def tell(self, command: Command) -> None:
        """Say something whose answer nobody waits for; raises Away."""
        self._put(command, None)

    async def run(self, tenant: Tenant) -> None:
        """Hold the line for ever: connect, let the tenant settle, be up for as long as it lasts, and try again."""
        while True:
            try:
                await self._hold(tenant)
            except* (RedisError, OSError, Away) as group:
                self._cut(str(group.exceptions[0]) or "no answer in time")
            await asyncio.sleep(PROBE_SECONDS)

    async def _hold(self, tenant: Tenant) -> None:
        asking, called = self._connection(), self._connection()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asking.connect()
                await called.connect()
                await called.send_packed_command(called.pack_commands([("SUBSCRIBE", *tenant.channels)]))
                for _ in tenant.channels:
                    await called.read_response()
            async with asyncio.timeout(None) as self._life, asyncio.TaskGroup() as group:
                group.create_task(self._exchange(asking))
                group.create_task(listen(called, tenant))
                await tenant.settle()
                self._rise()
                await tenant.tend()
        finally:
            self._hang_up()
            for connection in (asking, called):
                with suppress(RedisError):
                    await connection.disconnect(nowait=True)

    def _connection(self) -> Connection:
        # No time-outs of the library's: whoever has waited longest decides.  Pushed news would disturb the order.
        pool: Any = ConnectionPool.from_url(
            self._settings.url.get_secret_value(),
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_SECONDS,
        )
        connection: Connection = pool.make_connection()
        return connection

    async def _exchange(self, asking: Connection) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            batch, self._unsent = self._unsent, []
            await asking.send_packed_command(asking.pack_commands(one.command for one in batch))
            for one in batch:
                answer = await asking.read_response()
                if self._life is None:
                    # Too late: the line was cut, and nobody waits for it any more.
                    return
                self._open.popleft()
                # Whoever asked may have gone away meanwhile.
                if one.answer is not None and not one.answer.done():
                    one.answer.set_result(answer)

    def _put(self, command: Command, answer: asyncio.Future[Any] | None) -> None:
        if self._life is None:
            raise Away(self._why)
        loop = asyncio.get_running_loop()
        asked = Asked(command, loop.time(), answer)
        self._open.append(asked)
        self._unsent.append(asked)
        self._news.set()
        if self._timer is None:
            self._timer = loop.call_at(asked.since + self._settings.patience_seconds, self._look)

    def _look(self) -> None:
        """Cut the line when the one who has waited longest has waited too long."""
        self._timer = None
        if not self._open or self._life is None:
            return
        loop, oldest, patience = asyncio.get_running_loop(), self._open[0], self._settings.patience_seconds
        if oldest.since + patience > loop.time():
            self._timer = loop.call_at(oldest.since + patience, self._look)
        elif oldest is not self._doubted:
            self._doubted = oldest
            self._timer = loop.call_later(LAST_LOOK_SECONDS, self._look)
        else:
            self._life.reschedule(loop.time())
            self._cut(f"no answer within {patience * 1_000:g} ms")

    def _rise(self) -> None:
        since, self._up, self._since = self._since, True, None
        now = asyncio.get_running_loop().time()
        away = {} if since is None else {"away_seconds": round(now - since, 3)}
        self._observer.noticed("redis_connected", {"address": self._settings.address, **away})

    def _cut(self, why: str) -> None:
        """Say why once, and let nobody wait any more."""
        self._why = why
        self._hang_up()
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
            self._observer.noticed("redis_lost", {"level": "warning", "detail": self.trouble})

    def _hang_up(self) -> None:
        self._up, self._life, self._doubted = False, None, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for one in self._open:
            if one.answer is not None and not one.answer.done():
                one.answer.set_exception(Away(self._why))
        self._open.clear()
        self._unsent.clear()
        self._news.clear()


async def listen(called: Connection, tenant: Tenant) -> None:
    """Let the tenant heed what is said on its channels."""
    while True:
        _, channel, said = await called.read_response()
        tenant.heed(channel.decode(), said)
