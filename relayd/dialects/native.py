"""
Native events: the seven messages as the contract spells them, or nearly so (docs/protocol.md section 8).

Law 1: each raw event of a body gives exactly one item, in order, whatever is in it; nothing raises.
Law 2: both ways of reading give the same message; the short one is only for what is exact already.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from relayd.dialects.bodies import MAX_EVENTS, MAX_MARKS, cut
from relayd.dialects.delivery import Delivery, Item, Reason
from relayd.dialects.normalise import Misunderstood, normalise
from relayd.dialects.values import is_flat, read_name, read_usage
from relayd.protocol.messages import DERIVED, TYPES, AgentStatusUpdate, Event, WorkflowLog

__all__ = ["MAX_EVENT_BYTES", "NativeDialect"]

MAX_EVENT_BYTES = 262_144
"""Largest raw event."""

BOM = b"\xef\xbb\xbf"

# The public structs skip what they don't know, so that old readers understand newer relays.  A producer's unknown
# field may be an alias or belong to a log line: it must not be skipped, so what has one is read the long way.
STRICT: dict[Any, type[Event]] = {
    msgspec.defstruct(kind.__name__, [], bases=(kind,), tag=name, forbid_unknown_fields=True): kind
    for name, kind in TYPES.items()
}
EXACT: msgspec.json.Decoder[Event] = msgspec.json.Decoder(reduce(or_, STRICT))
EXACT_LIST: msgspec.json.Decoder[list[Event]] = msgspec.json.Decoder(list[reduce(or_, STRICT)])  # type: ignore[misc]
ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


class NativeDialect:
    """One JSON object, an array of them, or one a line."""

    name = "native"

    def __init__(self, settings: object = None) -> None:
        """Take no settings; the parameter is every dialect's."""

    def feed(self, delivery: Delivery) -> list[Item]:
        """Return one item per raw event; a body in which none can be found is one event."""
        body = delivery.body.removeprefix(BOM).strip()
        if not body:
            return [rejected(delivery, Reason.NOT_JSON, f"an empty body; {MEND}")]
        # In a body that is no larger than one event may be, no bound can be passed.
        if body.startswith(b"[") and len(body) <= MAX_EVENT_BYTES and (events := read_exact_list(body)) is not None:
            name = delivery.message_id
            return [
                Item(messages=(event,), message_id=take_id(event) or (f"{name}/{index}" if name else None))
                for index, event in enumerate(events)
            ]
        pieces = cut(body)
        if pieces is None:
            return [rejected(delivery, Reason.NOT_JSON, UNTELLABLE)]
        if len(pieces.raws) > MAX_EVENTS:
            return [rejected(delivery, Reason.TOO_MANY_EVENTS, TOO_MANY)]
        return [
            read(raw, delivery.received_at, name_of(delivery, index if pieces.many else None))
            for index, raw in enumerate(pieces.raws)
        ]


UNTELLABLE = (
    "an array whose events can't be told apart: its quotes or brackets do not match, something stands behind it, "
    f"or it has over {MAX_MARKS} brackets and texts; send valid JSON in smaller bodies"
)
TOO_MANY = f"more than {MAX_EVENTS} events in one body; send several bodies"
MEND = "send one JSON object, an array of them, or one a line"


def rejected(delivery: Delivery, reason: Reason, detail: str) -> Item:
    """Return a whole body as one event that can't be understood."""
    return Item(reason=reason, detail=detail, raw=delivery.body, message_id=delivery.message_id or None)


def name_of(delivery: Delivery, index: int | None) -> str | None:
    """Return by what an event without an id of its own is recognised: the body's id and the index in an array."""
    if not delivery.message_id:
        return None
    return delivery.message_id if index is None else f"{delivery.message_id}/{index}"


def read(raw: bytes, received_at: float, name: str | None) -> Item:
    """Return what one raw event says, or why it can't be understood."""
    if len(raw) > MAX_EVENT_BYTES:
        detail = f"an event of {len(raw)} bytes; {MAX_EVENT_BYTES} are the most, send less or several"
        return Item(reason=Reason.EVENT_TOO_LARGE, detail=detail, raw=raw, message_id=name)
    if (exact := read_exact(raw)) is not None:
        return Item(messages=(exact,), message_id=take_id(exact) or name)
    try:
        said = ANYTHING.decode(raw)
    except (ValueError, RecursionError) as error:
        return Item(reason=Reason.NOT_JSON, detail=f"no JSON: {error}; {MEND}", raw=raw, message_id=name)
    if not isinstance(said, dict):
        detail = f"an event is a JSON object; {MEND}"
        return Item(reason=Reason.NOT_AN_OBJECT, detail=detail, raw=raw, message_id=name)
    own = said.get("message_id")
    name = read_name(own) or name if isinstance(own, str) else name
    try:
        return Item(messages=(normalise(said, received_at),), message_id=name)
    except Misunderstood as error:
        return Item(reason=error.reason, detail=error.detail, raw=raw, message_id=name)


def read_exact(raw: bytes) -> Event | None:
    """Return the event in bytes that obey the contract to the letter, None for all others."""
    try:
        event = EXACT.decode(raw)
    except (ValueError, RecursionError):
        return None
    return event if adopt(event) else None


def read_exact_list(body: bytes) -> Sequence[Event] | None:
    """Return the events of an array that all obey the contract to the letter, else None."""
    try:
        events = EXACT_LIST.decode(body)
    except (ValueError, RecursionError):
        return None
    return events if all(map(adopt, events)) else None


def adopt(event: Event) -> bool:
    """Turn a strictly read event into the public message, the relay's own fields empty; False if it is not exact."""
    # The strict class is the public one but for what it refuses, so an instance can change sides.  A copy would cost
    # more than the decoding.
    event.__class__ = STRICT[type(event)]
    event.id = event.received_at = event.dialect = None
    event.synthetic = False
    if event.usage is not None and read_usage(event.usage) is not event.usage:
        return False
    if isinstance(event, AgentStatusUpdate):
        # What is derived by the clock nobody says of itself.
        return event.activity not in DERIVED
    return not isinstance(event, WorkflowLog) or event.fields is None or is_flat(event.fields)


def take_id(event: Event) -> str | None:
    """Return the event's own id and take it off; viewers have no use for it."""
    name, event.message_id = event.message_id, None
    return name
