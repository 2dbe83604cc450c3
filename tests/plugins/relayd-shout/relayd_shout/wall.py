"""A file that is appended to, as a log: the number of a line is its offset."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from relayd.dialects.delivery import Delivery
from relayd.ports import Clock, LogBreak, Position, Receipt, SourceState
from relayd.protocol.cursor import fingerprint, identity

from .settings import WallSettings

__all__ = ["WallSource"]


class WallSource:
    """Reads whole lines, and looks for more now and then; it can be read again from any line."""

    Settings = WallSettings
    name = "wall"
    replays = True

    def __init__(self, settings: WallSettings, clock: Clock) -> None:
        self.log = f"wall:{settings.path}"
        self._settings = settings
        self._clock = clock
        self._read: int | None = None
        self._there = False

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Delivery] | LogBreak]:
        """Yield what is written behind the position, and then what is being written."""
        offset = 0
        if position is not None:
            offset = position.offset + 1
            if not await asyncio.to_thread(self._is_the_same, position):
                # Whitewashed: another wall, whatever its name.
                yield LogBreak("recreated")
                offset = 0
        while True:
            batch = await asyncio.to_thread(self._lines, offset)
            if batch:
                offset += len(batch)
                self._read = offset - 1
                yield batch
            else:
                await asyncio.sleep(self._settings.look_seconds)

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Take no note: a wall forgets nothing."""

    def fail(self, deliveries: Sequence[Delivery]) -> None:
        """Take no note, for the same reason."""

    def state(self) -> SourceState:
        """Return whether there is a wall."""
        detail = f"reading {self._settings.path}" if self._there else f"waiting for {self._settings.path} to be made"
        return SourceState(connected=self._there, caught_up=self._there, detail=detail, head_offset=self._read)

    async def newest(self) -> int | None:
        """Return the number of the last whole line."""
        return len(await asyncio.to_thread(self._lines, 0)) - 1

    def _lines(self, offset: int) -> list[Delivery]:
        try:
            text = self._settings.path.read_bytes()
        except FileNotFoundError:
            self._there = False
            return []
        self._there = True
        # What stands behind the last line feed is still being written.
        whole = text.split(b"\n")[:-1]
        now = self._clock.now()
        return [
            Delivery(offset=number, body=body, received_at=now) for number, body in enumerate(whole[offset:], offset)
        ]

    def _is_the_same(self, position: Position) -> bool:
        found = self._lines(position.offset)[:1]
        marks = [fingerprint(identity(self.log), delivery.message_id, delivery.body) for delivery in found]
        return marks == [position.fingerprint]
