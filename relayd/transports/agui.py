"""Server-sent events for viewers that speak AG-UI; `id` is our cursor, which gives them the resume that they lack."""

from collections.abc import Iterable, Mapping, Sequence

from relayd.core.timeline import Entry
from relayd.protocol import agui
from relayd.transports.frames import SseEncoding

__all__ = ["AgUiEncoding"]


class AgUiEncoding(SseEncoding, frozen=True):
    """The last event that a message became has the message's cursor: who has not read all of them gets all again."""

    restates: bool = True

    def begin(self, project_id: str, retry_ms: int) -> bytes:
        """Return the first bytes, with the event in front of which a client of AG-UI reads no other."""
        return self.raw(b"retry: %d\n\n" % retry_ms + events([agui.begin(project_id)]))

    def frame(
        self,
        entries: Sequence[Entry],
        cursor: str,
        sent_at: float,  # noqa: ARG002  # the port's verb
        cursors: Mapping[str, str] | None = None,  # noqa: ARG002
        collapsed: int = 0,  # noqa: ARG002
    ) -> bytes:
        """Return the events of all entries, and the cursor behind the last."""
        blocks = [events(agui.translate(entry.payload), entry.cursor) for entry in entries]
        if entries[-1].cursor != cursor:
            blocks.append(b"id: %b\n\n" % cursor.encode())
        return self.raw(b"".join(blocks))

    def say(self, payload: bytes, cursor: str | None = None) -> bytes:
        """Return what is not in the log; without a cursor the viewer keeps the one it has."""
        return self.raw(events(agui.say(payload), cursor))


def events(told: Iterable[bytes], cursor: str | None = None) -> bytes:
    """Return events as they stand in the stream, the last with a cursor."""
    *before, last = told
    mark = b"id: %b\n" % cursor.encode() if cursor else b""
    return b"".join([b"data: %b\n\n" % one for one in before]) + mark + b"data: %b\n\n" % last
