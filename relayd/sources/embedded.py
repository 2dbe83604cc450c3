"""
Events handed over by HTTP; the journal is the log.

Offsets go on from the position that the journal recovered.  The log's identity is its configured name: it is the same
after every restart, as cursors need it.  Two journals of one name could be mistaken for one another by the name alone,
but not by a cursor: it carries the fingerprint of the body at its place, and a place with another fingerprint, or an
unknown one, is answered with a gap.  Whoever wants a log to be known as another one from the start renames it.

Law 1: an event that was let in is not lost because its publisher hung up: it waits in the queue, not in the request.
Law 2: the queue is bounded by number and by bytes; publishers wait outside, then they are asked to come back.
Law 3: a publisher is never left without an answer: confirmed, or Unavailable.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from msgspec.structs import replace

from relayd.dialects.delivery import Delivery
from relayd.ports import Clock, LogBreak, Position, Receipt, SourceState, Unavailable
from relayd.sources.settings import EmbeddedSettings

__all__ = ["EmbeddedSource"]

Answer = asyncio.Future[Receipt]

NOT_WRITTEN = "the event could not be written; send it again, with the same Message-Id"
NO_ROOM = "too many events wait to be written; send it again in a moment, with the same Message-Id"
UNKNOWN = "the relay stopped before the event was confirmed; send it again, with the same Message-Id"


class EmbeddedSource:
    """A queue between publishers who wait for a receipt and the relay that gives it."""

    Settings = EmbeddedSettings
    name = "embedded"
    replays = False

    def __init__(self, settings: EmbeddedSettings, clock: Clock) -> None:
        self.log = settings.log
        self._settings = settings
        self._clock = clock
        self._queue: deque[tuple[Delivery, Answer]] = deque()
        self._bytes = 0
        self._unsettled: deque[tuple[int, Answer]] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Condition()
        self._offset: int | None = None
        self._reading = False

    async def offer(self, delivery: Delivery) -> Receipt:
        """Return what became of it once it is durable; raises Unavailable when there is no room or no writing."""
        await self._wait_for_room(len(delivery.body))
        answer: Answer = asyncio.get_running_loop().create_future()
        # A publisher that hung up never asks; without this its answer would be reported as an error nobody saw.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._queue.append((delivery, answer))
        self._bytes += len(delivery.body)
        self._news.set()
        return await asyncio.shield(answer)  # law 1

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Answer the publishers of the oldest unsettled deliveries."""
        for receipt in receipts:
            if (answer := self._take_answer(receipt.delivery.offset)) is not None:
                answer.set_result(receipt)

    def fail(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the publishers that their events could not be kept."""
        for delivery in deliveries:
            if (answer := self._take_answer(delivery.offset)) is not None:
                answer.set_exception(Unavailable(NOT_WRITTEN))

    def state(self) -> SourceState:
        """Return how it is now: without an outside world it is connected while somebody reads it."""
        detail = f"taking events over HTTP, {len(self._queue)} waiting" if self._reading else "not started"
        return SourceState(connected=self._reading, caught_up=self._reading, detail=detail, head_offset=self._offset)

    async def newest(self) -> int | None:
        """Return the newest offset: what was not handed on has none yet."""
        return -1 if self._offset is None else self._offset

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Delivery] | LogBreak]:
        """Yield what publishers handed over, with offsets behind the position, for ever; one reader at a time."""
        if self._reading:
            raise RuntimeError("this source is being read already; close the first reader")
        self._reading = True
        self._offset = None if position is None else position.offset
        try:
            while True:
                while not self._queue:
                    self._news.clear()
                    await self._news.wait()
                batch = self._take()
                async with self._room:
                    self._room.notify_all()
                yield batch
        finally:
            self._reading = False
            # What was handed on may be written or not, only the reader could have told; what waits goes on waiting.
            while self._unsettled:
                _, answer = self._unsettled.popleft()
                answer.set_exception(Unavailable(UNKNOWN))

    def _take(self) -> list[Delivery]:
        batch: list[Delivery] = []
        while self._queue and len(batch) < self._settings.batch:
            delivery, answer = self._queue.popleft()
            self._bytes -= len(delivery.body)
            self._offset = 0 if self._offset is None else self._offset + 1
            self._unsettled.append((self._offset, answer))
            batch.append(replace(delivery, offset=self._offset))
        return batch

    def _take_answer(self, offset: int) -> Answer | None:
        # Receipts come in order, but one that was asked for by an earlier reader has nobody to go to any more.
        if not self._unsettled or self._unsettled[0][0] != offset:
            return None
        return self._unsettled.popleft()[1]

    async def _wait_for_room(self, nbytes: int) -> None:
        try:
            async with asyncio.timeout(self._settings.room_seconds), self._room:
                await self._room.wait_for(lambda: self._has_room(nbytes))
        except TimeoutError:
            raise Unavailable(NO_ROOM) from None

    def _has_room(self, nbytes: int) -> bool:
        if not self._queue:
            return True
        return len(self._queue) < self._settings.waiting and self._bytes + nbytes <= self._settings.waiting_bytes
