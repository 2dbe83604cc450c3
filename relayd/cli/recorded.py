"""
Events of a recording on their way out: gathered into bodies, each confirmed before the next one leaves.

Law: what was confirmed is known exactly, also when a person has had enough: a body that is on its way is waited for.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.outlet import Outlet, Parcel, Receipt
from relayd.files.recording import Survey, survey
from relayd.protocol.codec import encode
from relayd.protocol.messages import Event
from relayd.protocol.recording import BadRecording

__all__ = ["Sender", "looked_through"]

MOST_EVENTS = 500
MOST_BYTES = 1_000_000
"""Of one body; a relay reads larger ones, but a body is confirmed as a whole."""

FAREWELL_SECONDS = 5.0
"""So long an interrupted command waits for the body that is on its way."""


def looked_through(path: Path) -> Survey:
    """Return what is known of a recording once all of it was found good; raises CommandFailed."""
    try:
        return survey(path)
    except BadRecording as error:
        raise CommandFailed(Exit.DATA, f"{path}: {error}") from error
    except OSError as error:
        raise CommandFailed(Exit.USAGE, f"{path}: {error.strerror}") from error


class Sender:
    """Publishes events of one project in order, and keeps book of what was confirmed."""

    def __init__(self, outlet: Outlet, *, farewell: float = FAREWELL_SECONDS) -> None:
        """Begin with nothing; `farewell` is how long an interrupted one waits for what is on its way."""
        self.confirmed = 0
        self.repeated = 0
        self.rejected: list[str] = []
        self.cursor = ""
        """In the recording, of the last event that was confirmed."""
        self.unsure = 0
        """Events of which nobody knows whether they arrived."""
        self._outlet = outlet
        self._farewell = farewell
        self._first: Event | None = None
        self._bodies: list[bytes] = []
        self._size = 0
        self._cursor = ""

    @property
    def waiting(self) -> bool:
        """There are events that have not been sent."""
        return bool(self._bodies)

    async def add(self, event: Event, *, cursor: str) -> None:
        """Take an event whose place in the recording is `cursor`; sends once there is enough for one body."""
        encoded = encode(event)
        if self._bodies and (len(self._bodies) == MOST_EVENTS or self._size + len(encoded) > MOST_BYTES):
            await self.flush()
        self._first = self._first or event
        self._bodies.append(encoded)
        self._size += len(encoded)
        self._cursor = cursor

    async def flush(self) -> None:
        """Return when all that was taken is in the log; raises CommandFailed."""
        if self._first is None:
            return
        first, bodies, self._first, self._bodies, self._size = self._first, self._bodies, None, [], 0
        parcel = Parcel(
            project_id=first.project_id,
            type=str(first.__struct_config__.tag),
            body=b"[" + b",".join(bodies) + b"]",
            message_id=first.message_id or "",
        )
        sending = asyncio.create_task(self._outlet.send(parcel))
        self.unsure = len(bodies)
        try:
            await asyncio.shield(sending)
        finally:
            await asyncio.wait({sending}, timeout=self._farewell)
            if sending.done() and sending.exception() is None:
                self._note(sending.result(), bodies)
            sending.cancel()

    def _note(self, receipt: Receipt, bodies: Sequence[bytes]) -> None:
        self.confirmed += len(bodies)
        self.repeated += receipt.repeated
        self.rejected += receipt.rejected
        self.cursor, self.unsure = self._cursor, 0

    def judge(self) -> None:
        """Raise CommandFailed if the relay could not understand something."""
        if self.rejected:
            sentence = f"the relay could not understand {len(self.rejected)} of the events: {self.rejected[0]}"
            raise CommandFailed(Exit.DATA, sentence)
