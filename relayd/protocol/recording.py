"""
A recording: one project's kept events as lines of JSON, to be kept, sent along and played again (docs/recorder.md).

    {"type": "relayd.recording", "version": 1, "relayd": "0.1.0", "protocol": 1, "project_id": "shop-1"}
    {"type": "project_started", …, "id": "AUi2…", "received_at": 1700000000.1}
    …
    {"type": "relayd.recording.end", "events": 412, "whole": true, "snapshot": {…}}

Law: a recording without its last line was cut off, and is never taken for a shorter one.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from relayd.protocol.codec import BadMessageError, decode_event
from relayd.protocol.messages import Event, ProjectId

__all__ = ["PROTOCOL", "VERSION", "BadRecording", "End", "Head", "read_recording", "write_line"]

VERSION = 1
"""Of the format; a reader refuses a newer one."""

PROTOCOL = 1
"""Of the wire contract that the events are of."""


class BadRecording(ValueError):
    """What is read is no whole recording; the message names the line and the mend."""


class Head(Struct, tag_field="type", tag="relayd.recording", kw_only=True):
    """The first line."""

    version: int
    relayd: str
    """Version of the program that wrote it."""
    protocol: int
    project_id: ProjectId


class End(Struct, tag_field="type", tag="relayd.recording.end", kw_only=True, omit_defaults=True):
    """The last line."""

    events: int
    whole: bool
    """Nothing that ever happened in the project is missing."""
    gaps: list[str] = []
    """Cursors of the events before which some are missing; where nothing came behind, there is none to name."""
    redacted: int = 0
    """Events in which a secret was hidden only as they were exported."""
    snapshot: dict[str, Any] = {}
    """What the project had come to behind the last event (docs/protocol.md section 5)."""


class Tag(Struct):
    """Just the type of a line."""

    type: str


ENCODER = msgspec.json.Encoder()
TAG = msgspec.json.Decoder(Tag)
VERSIONED = msgspec.json.Decoder(dict[str, Any])
HEAD = msgspec.json.Decoder(Head)
END = msgspec.json.Decoder(End)
END_TAG = str(End.__struct_config__.tag)
HEAD_TAG = str(Head.__struct_config__.tag)


def write_line(said: Head | End) -> bytes:
    """Return the first or the last line, with its line feed; the events between are as viewers read them."""
    return ENCODER.encode(said) + b"\n"


def read_recording(lines: Iterable[bytes]) -> Iterator[Head | Event | End]:
    """Yield the head, each event in the log's order, and the end; raises BadRecording as soon as a line is wrong."""
    numbered = enumerate(lines, 1)
    head = read_head(next(numbered, (1, b""))[1])
    yield head
    number, events, end = 1, 0, None
    for number, line in numbered:
        if end is not None:
            raise BadRecording(f"line {number}: stands behind the last line; {MEND}")
        said = read_line(line, number, head.project_id)
        if isinstance(said, End):
            end = said
            if end.events != events:
                raise BadRecording(f"line {number}: speaks of {end.events} events, and there are {events}; {MEND}")
        else:
            events += 1
        yield said
    if end is None:
        raise BadRecording(f"line {number + 1}: is missing: the recording was cut off; {MEND}")


MEND = "copy it or export it again"


def read_head(line: bytes) -> Head:
    """Return the first line; raises BadRecording."""
    try:
        said = VERSIONED.decode(line)
    except (ValueError, RecursionError):
        said = {}
    if said.get("type") != HEAD_TAG:
        raise BadRecording("line 1: this is no recording; `relayd export PROJECT --out FILE` makes one")
    version = said.get("version")
    if isinstance(version, int) and version > VERSION:
        raise BadRecording(
            f"line 1: a recording of version {version}, and this relayd reads up to {VERSION}; use a newer relayd"
        )
    try:
        return HEAD.decode(line)
    except ValueError as error:
        raise BadRecording(f"line 1: {error}; {MEND}") from error


def read_line(line: bytes, number: int, project_id: str) -> Event | End:
    """Return what a line behind the first says; raises BadRecording."""
    try:
        if TAG.decode(line).type == END_TAG:
            return END.decode(line)
        event = decode_event(line)
    except (BadMessageError, ValueError, RecursionError) as error:
        raise BadRecording(f"line {number}: {error}; {MEND}") from error
    if event.id is None:
        raise BadRecording(f"line {number}: an event without `id`; {MEND}")
    if event.project_id != project_id:
        raise BadRecording(f"line {number}: an event of {event.project_id}, not of {project_id}; {MEND}")
    return event
