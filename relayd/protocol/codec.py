"""
Messages into bytes and back.

Law 1: a message is encoded once, whoever reads it; an envelope is joined out of bytes that are there already.
Law 2: what is encoded holds no line feed, because JSON escapes it; SSE and NDJSON rely on that.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from relayd.protocol.messages import ConnectionEstablished, Event, Message, Notice

__all__ = [
    "MAX_ENVELOPE_BYTES",
    "MAX_ENVELOPE_MESSAGES",
    "BadMessageError",
    "Batch",
    "decode",
    "decode_event",
    "encode",
    "envelope",
]

MAX_ENVELOPE_MESSAGES = 256
"""Most messages in one envelope."""

MAX_ENVELOPE_BYTES = 262_144
"""Most bytes of one envelope; a single message that is larger travels alone."""


class BadMessageError(ValueError):
    """The bytes are nothing that this version of the relay says; the message tells what is wrong with them."""


class Batch(Struct, tag_field="type", tag="batch", kw_only=True, omit_defaults=True):
    """Several messages in the log's order as one frame."""

    messages: list[Event | ConnectionEstablished]
    cursor: str
    """What the viewer has passed once it has read them."""
    sent_at: float
    """Relay's clock, Unix seconds."""
    cursors: dict[str, str] | None = None
    """The same for each project of a socket that carries many."""
    collapsed: int = 0
    """So many messages were left out because a newer one here says what they would have."""


ENCODER = msgspec.json.Encoder()
EVENT: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
FRAME: msgspec.json.Decoder[Event | ConnectionEstablished | Notice | Batch] = msgspec.json.Decoder(
    Event | ConnectionEstablished | Notice | Batch
)


def encode(message: Message | Notice) -> bytes:
    """Return the JSON of a message; what was not said is left out."""
    return ENCODER.encode(message)


def envelope(
    payloads: Sequence[bytes],
    cursor: str,
    sent_at: float,
    cursors: Mapping[str, str] | None = None,
    collapsed: int = 0,
) -> bytes:
    """Return the JSON of a batch of encoded messages; `cursors` by project only for sockets that carry many."""
    parts = [b'{"type":"batch","messages":[', b",".join(payloads), b'],"cursor":', ENCODER.encode(cursor)]
    if cursors is not None:
        parts += [b',"cursors":', ENCODER.encode(cursors)]
    if collapsed:
        parts.append(b',"collapsed":%d' % collapsed)
    parts += [b',"sent_at":', ENCODER.encode(sent_at), b"}"]
    return b"".join(parts)


def decode_event(payload: bytes) -> Event:
    """Return the event in a payload that `encode` made; raises BadMessageError."""
    try:
        return EVENT.decode(payload)
    except (ValueError, RecursionError) as error:
        raise BadMessageError(str(error)) from error


def decode(frame: bytes | str) -> Message | list[Message] | Notice:
    """Return what one frame says, a batch as the list of its messages; raises BadMessageError."""
    try:
        heard = FRAME.decode(frame)
    except (ValueError, RecursionError) as error:
        raise BadMessageError(str(error)) from error
    return list(heard.messages) if isinstance(heard, Batch) else heard
