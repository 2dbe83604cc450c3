"""What a dialect is given and what it answers."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol, runtime_checkable

from msgspec import Struct

from relayd.protocol.messages import Message

__all__ = ["CANARY_HEADER", "Claimant", "Delivery", "Dialect", "Item", "JsonValue", "Reason"]

JsonValue = str | int | float | bool | None

CANARY_HEADER = "x-relayd-canary"
"""A delivery with it takes a place in the log, says nothing and belongs to no project."""


class Delivery(Struct, frozen=True, gc=False, kw_only=True):
    """One body as it stands in the log: an AMQP message or one POST to the ingest endpoint."""

    offset: int
    body: bytes
    received_at: float
    """Relay's clock, Unix seconds."""
    message_id: str | None = None
    content_type: str | None = None
    exchange: str | None = None
    user_id: str | None = None
    """Who the broker says published it; the body can't forge it."""
    headers: Mapping[str, JsonValue] = {}
    projects: frozenset[str] | None = None
    """Projects that the publisher may speak for; None means all."""


class Reason(Enum):
    """Why an event can't be understood; the name in lower case is its metric label."""

    BODY_TOO_LARGE = "body_too_large"
    TOO_MANY_EVENTS = "too_many_events"
    EVENT_TOO_LARGE = "event_too_large"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    UNKNOWN_DIALECT = "unknown_dialect"
    UNKNOWN_TYPE = "unknown_type"
    BAD_PROJECT = "bad_project"
    BAD_FIELD = "bad_field"
    FORBIDDEN_PROJECT = "forbidden_project"
    MAPPING_FAILED = "mapping_failed"


class Item(Struct, frozen=True, gc=False, kw_only=True):
    """
    What one raw event became: messages, or a reason, or neither for one that says nothing to viewers.

    `raw` holds the bytes of this raw event, so that a rejected one can be shown and published again.
    `message_id` recognises a repeat; None means that this event never counts as one.
    """

    messages: Sequence[Message] = ()
    reason: Reason | None = None
    detail: str = ""
    """A sentence that names the field and the mend."""
    raw: bytes = b""
    message_id: str | None = None
    first: int = 0
    """The number, within the event, of its first message: part of the place, so no dialect's memory may move it."""
    remembers: bool = False
    """It may tell what stood in earlier bodies: whether there is a secret in it can't be seen from its own bytes."""
    dialect: str = ""
    """Which one rejected it; empty where none was asked."""


class Dialect(Protocol):
    """A sans-I/O mapping; it may keep bounded state, but lost state may change a text, never a place."""

    name: str

    def feed(self, delivery: Delivery) -> list[Item]:
        """Return one item per raw event of the body, in order, rejected ones included."""
        ...


@runtime_checkable
class Claimant(Dialect, Protocol):
    """A dialect that knows its own deliveries by their headers, exchange or shape."""

    def claims(self, delivery: Delivery) -> bool:
        """Return whether the delivery is certainly in this dialect."""
        ...
