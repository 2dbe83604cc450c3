"""Where events come from: the ports of the way in."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from relayd.dialects.delivery import Delivery, Item

__all__ = ["Ingest", "LogBreak", "Position", "Receipt", "Source", "SourceState", "Speaking", "Unavailable"]


class Position(Struct, frozen=True):
    """The last body a relay has processed; a resume starts there, inclusive, and compares the fingerprint."""

    epoch: int
    offset: int
    fingerprint: bytes


class LogBreak(Struct, frozen=True):
    """
    The log did not go on where it was left; comes between two batches.

    `truncated`: retention dropped events this relay never read; the next batch begins behind the hole.
    `recreated`: the log was deleted and made anew; offsets begin again.
    """

    cause: Literal["truncated", "recreated"]


class Receipt(Struct, frozen=True):
    """What became of one delivery, told to the source when it is safe to acknowledge it."""

    delivery: Delivery
    cursor: str
    accepted: int
    repeated: int
    rejected: Sequence[Item]


class SourceState(Struct, frozen=True):
    """How a source is; `detail` is a sentence for `/readyz`, times are Unix seconds."""

    connected: bool
    caught_up: bool
    detail: str
    head_offset: int | None = None
    """The newest offset known to be in the log, where the source can know."""
    stalled: bool = False
    """The log went on and nothing of it was handed out, and nothing has come since."""
    note: str = ""
    """A sentence about what is amiss and keeps no viewer from being served; empty if nothing is."""
    delivered_at: float | None = None
    """When something last came out of the log."""
    delivered_over: Mapping[str, float] = {}
    """When something last came over each further exchange; one over which nothing came is not in it."""
    canary_at: float | None = None
    """When a canary last came back, before that when the first was sent; None for a source without canaries."""


class Source(Protocol):
    """Where events come from, in one order, each with an offset that never changes."""

    name: str
    log: str
    """The log's identity; equal for all relays that read the same log, over restarts."""
    replays: bool
    """It can be read again from a position; if not, the journal is the log and is written before anything is shown."""

    def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Delivery] | LogBreak]:
        """Yield what there is, in order, for ever, from behind the position; reconnects by itself; ends on cancel."""
        ...

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Take note that these deliveries, the oldest unsettled ones, are processed: acknowledge or answer them."""
        ...

    def fail(self, deliveries: Sequence[Delivery]) -> None:
        """Take note that these deliveries could not be kept; only a source that can't replay is told so."""
        ...

    def state(self) -> SourceState:
        """Return how it is now."""
        ...

    async def newest(self) -> int | None:
        """Return the newest offset in the log, asked for anew, -1 while it is empty; None when nobody can say now."""
        ...


@runtime_checkable
class Speaking(Protocol):
    """Settings of a source that say which dialect is spoken where."""

    @property
    def spoken(self) -> Mapping[str, str]:
        """Exchange → name of a dialect, one of `dialects.use`."""
        ...


class Unavailable(Exception):
    """An event can't be taken now; the message is a sentence for the publisher, who may try again."""


@runtime_checkable
class Ingest(Protocol):
    """A source that events can be handed to over HTTP."""

    async def offer(self, delivery: Delivery) -> Receipt:
        """Return what became of it once it is durable; the source gives its `offset`, what is passed is ignored."""
        ...
