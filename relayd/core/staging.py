"""A batch of bodies on its way into the log: places, repeats and bytes are settled, nothing has changed yet."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from relayd.core.purges import Purges
from relayd.core.repeats import Foresight, RepeatWindow, repeat_key
from relayd.core.timeline import Entry
from relayd.protocol import codec
from relayd.protocol.cursor import BodyCursors, Place
from relayd.protocol.messages import LEVELS, TYPES, Message, WorkflowLog

__all__ = ["Said", "StagedBody", "Staging"]


NAMES: dict[type[Message], str] = {kind: name for name, kind in TYPES.items()}


class Said(Protocol):
    """What one raw event said; a dialect's items are taken as they are."""

    @property
    def messages(self) -> Sequence[Message]:
        """None if it could not be understood."""
        ...

    @property
    def message_id(self) -> str | None:
        """By which it is recognised."""
        ...

    @property
    def first(self) -> int:
        """The part at which its messages begin."""
        ...


class StagedBody(Struct, frozen=True, gc=False):
    """One body with its places."""

    offset: int
    fingerprint: bytes
    entries: Sequence[tuple[Message, Entry]]
    repeat_keys: Sequence[int]
    """Keys of the ids in it that were new."""
    repeated: int
    cursors: BodyCursors


class Staging:
    """Takes bodies in the log's order; ask it for `bodies`, or for `projects`, when the batch is full."""

    def __init__(self, log: bytes, epoch: int, window: RepeatWindow, purges: Purges) -> None:
        """Begin a batch of the log with that identity, behind what the window has seen, without what was removed."""
        self._log = log
        self._purges = purges
        self.epoch = epoch
        self._seen = Foresight(window)
        self.bodies: list[StagedBody] = []
        self.projects: dict[str, list[tuple[Message, Entry]]] = {}
        """The same entries by project: sorted once, for all who go through them."""
        self.nbytes = 0
        """Of all payloads."""

    def add(self, offset: int, fingerprint: bytes, received_at: float, said: Sequence[Said]) -> StagedBody:
        """Give the body's events their places and bytes; a repeat keeps its place and says nothing."""
        entries: list[tuple[Message, Entry]] = []
        keys: list[int] = []
        repeated = 0
        cursors = BodyCursors(self._log, offset, fingerprint)
        epoch, projects = self.epoch, self.projects
        # Only a body that is read once more can be concerned.
        purges = self._purges if offset <= self._purges.reach else None
        for item, event in enumerate(said):
            # A rejected event is no repeat and does not count as seen: it may be published again once it is understood.
            if event.message_id is not None and event.messages:
                key = repeat_key(event.message_id)
                if key in self._seen:
                    repeated += 1
                    continue
                self._seen.remember(key)
                keys.append(key)
            for part, message in enumerate(event.messages, event.first):
                # What `Place(…)` does, without the step through its own `__new__`, which costs as much again.
                place = tuple.__new__(Place, (epoch, offset, item, part))
                if purges is not None and purges.hides(place, message.project_id, fingerprint):
                    continue
                new = entry(place, cursors.text(item, part), received_at, message)
                self.nbytes += len(new.payload)
                both = (message, new)
                entries.append(both)
                try:
                    projects[message.project_id].append(both)
                except KeyError:
                    projects[message.project_id] = [both]
        body = StagedBody(offset, fingerprint, entries, keys, repeated, cursors)
        self.bodies.append(body)
        return body


def entry(place: Place, cursor: str, received_at: float, message: Message) -> Entry:
    """Return a message encoded with its cursor and the relay's time, which it gets for good."""
    message.id = cursor
    message.received_at = received_at
    return Entry(
        place=place,
        cursor=cursor,
        payload=codec.encode(message),
        type=NAMES[type(message)],
        level=LEVELS[message.level] if isinstance(message, WorkflowLog) else -1,
        agent=message.agent,
        received_at=received_at,
    )
