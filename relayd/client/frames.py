"""
Text frames into messages.

A newer relay may say more than this client knows: an unknown message is handed on as `Foreign` with its bytes, never
an error and never lost.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from relayd.protocol.messages import ConnectionEstablished, Event, Notice

__all__ = ["BrokenFrameError", "Foreign", "Frame", "Heard", "Received", "read_frame", "read_message"]


class Foreign(Struct, frozen=True):
    """A message that this version can't read; the bytes stand beside it in `Received.raw`."""

    type: str


Known = Event | ConnectionEstablished | Notice
Heard = Known | Foreign


class Received(Struct, frozen=True):
    """One message, read, and as it came."""

    message: Heard
    raw: bytes


class Frame(Struct, frozen=True):
    """The messages of one frame; `cursor` is what has been passed once all of them are read, None if it did not say."""

    received: Sequence[Received] = ()
    cursor: str | None = None


class BrokenFrameError(ValueError):
    """The frame is no JSON object with a type."""


class Tag(Struct):
    """Just the type."""

    type: str


class Envelope(Struct):
    """A batch."""

    messages: list[Raw]
    cursor: str | None = None


class Alive(Struct):
    """A pong; an idle or filtered viewer learns its moved cursor from it."""

    cursor: str | None = None


MESSAGE: msgspec.json.Decoder[Known] = msgspec.json.Decoder(Known)
TAG = msgspec.json.Decoder(Tag)
ENVELOPE = msgspec.json.Decoder(Envelope)
ALIVE = msgspec.json.Decoder(Alive)


def read_message(raw: bytes) -> Received:
    """Return one message; raises BrokenFrameError when it is no JSON object with a type."""
    try:
        return Received(MESSAGE.decode(raw), raw)
    except msgspec.DecodeError:
        try:
            return Received(Foreign(TAG.decode(raw).type), raw)
        except msgspec.DecodeError as error:
            raise BrokenFrameError(f"the relay sent what is no message: {error}") from error


def read_frame(text: str) -> Frame:
    """Return what one text frame says; raises BrokenFrameError when it can't be read."""
    if text in {"ping", "pong"}:
        return Frame()
    raw = text.encode()
    try:
        kind = TAG.decode(raw).type
        if kind == "batch":
            envelope = ENVELOPE.decode(raw)
            return Frame([read_message(bytes(each)) for each in envelope.messages], envelope.cursor)
        if kind == "pong":
            return Frame((), ALIVE.decode(raw).cursor)
    except msgspec.DecodeError as error:
        raise BrokenFrameError(f"the relay sent what is no message: {error}") from error
    return Frame([read_message(raw)])
