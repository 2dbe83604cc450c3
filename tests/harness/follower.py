"""Reads a source as the relay does, in the background, and remembers what it was given."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from relayd.dialects.delivery import Delivery
from relayd.ports import LogBreak, Position, Receipt, Source
from relayd.protocol.cursor import fingerprint, identity

__all__ = ["Follower", "WallClock", "position_of", "receipt", "until", "until_true"]

SECONDS = 30.0
"""Longest wait for something that must happen; a busy machine is slow."""


class WallClock:
    """The clocks of this machine."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    spent = staticmethod(time.thread_time)


def receipt(delivery: Delivery) -> Receipt:
    """Return what a relay says of a delivery that held one good event."""
    return Receipt(delivery=delivery, cursor=str(delivery.offset), accepted=1, repeated=0, rejected=())


def position_of(source: Source, delivery: Delivery) -> Position:
    """Return the position of a relay that has processed this delivery last."""
    mark = fingerprint(identity(source.log), delivery.message_id, delivery.body)
    return Position(epoch=0, offset=delivery.offset, fingerprint=mark)


async def until(condition: Callable[[], bool], *, seconds: float = SECONDS) -> None:
    """Return when a condition holds that nothing wakes anybody for; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


async def until_true(condition: Callable[[], Awaitable[bool]], *, seconds: float = SECONDS) -> None:
    """Return when a condition holds that somebody has to be asked for; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


class Follower:
    """Follows a source from a position; settles each batch at once unless told to hold."""

    def __init__(self, source: Source, position: Position | None = None, *, settles: bool = True) -> None:
        self.source = source
        self.position = position
        self.settles = settles
        self.seen: list[Delivery | LogBreak] = []
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and error is None:
                task.result()

    @property
    def deliveries(self) -> list[Delivery]:
        """What was delivered, without breaks."""
        return [one for one in self.seen if isinstance(one, Delivery)]

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of what was delivered."""
        return [delivery.body for delivery in self.deliveries]

    @property
    def breaks(self) -> list[str]:
        """The causes of the breaks."""
        return [one.cause for one in self.seen if isinstance(one, LogBreak)]

    async def until(self, condition: Callable[[], bool], *, seconds: float = SECONDS) -> None:
        """Return when the condition holds after some batch; raises AssertionError with what was seen instead."""
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: condition() or self._ended())
        except TimeoutError:
            raise AssertionError(self._story()) from None
        assert condition(), self._story()

    async def until_count(self, count: int, *, seconds: float = SECONDS) -> None:
        """Return when that many deliveries came."""
        await self.until(lambda: len(self.deliveries) >= count, seconds=seconds)

    async def until_state(self, condition: Callable[[], bool], *, seconds: float = SECONDS) -> None:
        """Return when something holds that no batch tells of, the state of the source for one."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline and not self._ended(), self._story()  # noqa: PT018 - one story for both
            await asyncio.sleep(0.02)

    def _ended(self) -> bool:
        return self._task is not None and self._task.done()

    def _story(self) -> str:
        ended = self._task.exception() if self._task is not None and self._task.done() else None
        return f"{len(self.deliveries)} deliveries, breaks {self.breaks}, {self.source.state()}, ended by {ended!r}"

    async def _follow(self) -> None:
        batches = self.source.batches(self.position)
        try:
            async for batch in batches:
                await self._take(batch)
        finally:
            await batches.aclose()
            async with self._news:
                self._news.notify_all()

    async def _take(self, batch: Sequence[Delivery] | LogBreak) -> None:
        async with self._news:
            if isinstance(batch, LogBreak):
                self.seen.append(batch)
            else:
                self.seen.extend(batch)
                if self.settles:
                    self.source.settle([receipt(delivery) for delivery in batch])
            self._news.notify_all()
