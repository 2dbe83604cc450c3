"""A source that a test feeds by hand."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from relayd.dialects.delivery import Delivery
from relayd.ports import LogBreak, Position, Receipt, SourceState

__all__ = ["FakeSource"]


class FakeSource:
    """
    Says what the test says, in that order, and remembers what was `settled` and what `failed`.

    With `replays` it can be read again from a position, as a stream; without, what was read is gone and offsets go on
    from the position, as with an embedded source.  A test sets `connected`, `caught_up` and `detail` at will, and lets
    nobody know where the log ends with `silent`.
    """

    name = "fake"

    def __init__(self, *, log: str = "fake:log", replays: bool = True) -> None:
        self.log = log
        self.replays = replays
        self.settled: list[Receipt] = []
        self.failed: list[Delivery] = []
        self.connected = True
        self.caught_up = True
        self.detail = "as the test says"
        self.silent = False
        self._said: list[Delivery | LogBreak] = []
        self._next = 0
        self._news = asyncio.Event()

    def say(self, *bodies: bytes, **properties: Any) -> list[Delivery]:  # noqa: ANN401 - the fields of a delivery
        """Put bodies into the log and return their deliveries; `properties` are fields that all of them get."""
        said = [
            Delivery(offset=offset, body=body, **{"received_at": 0.0, **properties})
            for offset, body in enumerate(bodies, self._next)
        ]
        self._next += len(said)
        self._said.extend(said)
        self._news.set()
        return said

    def skip(self, offsets: int) -> None:
        """Leave a hole in the offsets, as a stream does wherever a segment ends."""
        self._next += offsets

    def break_(self, cause: Literal["truncated", "recreated"]) -> None:
        """Break the log: what was said before can't be read any more; a recreated one counts from 0 again."""
        self._said = [LogBreak(cause)]
        if cause == "recreated":
            self._next = 0
        self._news.set()

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Remember them."""
        self.settled.extend(receipts)

    def fail(self, deliveries: Sequence[Delivery]) -> None:
        """Remember them."""
        self.failed.extend(deliveries)

    def state(self) -> SourceState:
        """Return what the test has set; the head is the last thing said."""
        head = self._next - 1 if self._next else None
        return SourceState(connected=self.connected, caught_up=self.caught_up, detail=self.detail, head_offset=head)

    async def newest(self) -> int | None:
        """Return the offset of the last thing said, unless it is silent."""
        return None if self.silent else self._next - 1

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Delivery] | LogBreak]:
        """Yield what was said behind the position, and then what is said."""
        if not self.replays:
            self._renumber(position)
        read = 0
        log = self._said
        while True:
            if log is not self._said:
                # It broke: the new log begins with the break, whatever of the old one was not read yet.
                read, log = 0, self._said
            batch, read = take(log, read, position)
            if not self.replays:
                del log[:read]
                read = 0
            if batch:
                if isinstance(batch, LogBreak):
                    position = None
                yield batch
                continue
            self._news.clear()
            await self._news.wait()

    def _renumber(self, position: Position | None) -> None:
        self._next = 0 if position is None else position.offset + 1
        for index, one in enumerate(self._said):
            if isinstance(one, Delivery):
                self._said[index] = replace(one, offset=self._next)
                self._next += 1


def take(
    log: Sequence[Delivery | LogBreak], start: int, position: Position | None
) -> tuple[Sequence[Delivery] | LogBreak, int]:
    """Return a break, or the deliveries up to the next one that are behind the position; and where it goes on."""
    batch: list[Delivery] = []
    for index in range(start, len(log)):
        one = log[index]
        if isinstance(one, LogBreak):
            return (batch, index) if batch else (one, index + 1)
        if position is None or one.offset > position.offset:
            batch.append(one)
    return batch, len(log)
