"""
Whether what was heard is what the contract lets be said.

The schema (docs/protocol.schema.json) is made out of the structs that are read with here: what they take obeys it.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec

from relayd.protocol.codec import Batch
from relayd.protocol.commands import Pong
from relayd.protocol.cursor import BadCursorError, Cursor
from relayd.protocol.cursor import decode as read_cursor
from relayd.protocol.messages import GREETING, ConnectionEstablished, Event, Notice

__all__ = ["Words", "forward", "greeting_mistakes", "is_cursor", "mistake_in", "shown"]

Words = Mapping[str, Any]
"""A frame or message as a reader of JSON has it."""

HEARD: msgspec.json.Decoder[object] = msgspec.json.Decoder(Event | ConnectionEstablished | Batch | Notice | Pong)

SAID_FIRST = ("protocol", "connection_id", "cursor", "head", "recovered", "replay", "limits", "server_time")
LIMITS = ("connections_per_user", "frames_per_second", "max_backlog")


def mistake_in(raw: bytes) -> str:
    """Return what the schema has against a frame, nothing if it is well."""
    try:
        HEARD.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"{shown(raw)}: {error}"
    return ""


def shown(raw: bytes) -> str:
    """Return the beginning of a frame for a sentence."""
    text = raw.decode(errors="replace")
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004  # a line of a terminal


def greeting_mistakes(first: Words, project_id: str) -> list[str]:
    """Return what is wrong with the first message of a subscription."""
    if first.get("type") != "connection_established":
        return [f"the first message is {first.get('type')!r}, not 'connection_established'"]
    found = [f"`{name}` is missing" for name in (*SAID_FIRST, "heartbeat_seconds") if name not in first]
    if first.get("message") != GREETING:
        found.append(f"`message` is not {GREETING!r}")
    if first.get("protocol", 1) != 1:
        found.append("`protocol` is not 1")
    if first.get("project_id") != project_id:
        found.append(f"`project_id` is {first.get('project_id')!r}")
    found += [f"`limits.{name}` is missing" for name in LIMITS if name not in first.get("limits", LIMITS)]
    found += [f"`{name}` is no cursor" for name in ("cursor", "head") if name in first and not is_cursor(first[name])]
    if first.get("recovered") != (first.get("replay") == "resume"):
        found.append(f"`recovered` is {first.get('recovered')} with `replay` {first.get('replay')!r}")
    return found


def is_cursor(text: object) -> bool:
    """Return whether it is one of version 1, or the beginning."""
    return text == "0" or (isinstance(text, str) and place(text) is not None)


def forward(ids: list[str]) -> list[str]:
    """Return where the ids of a stream do not go strictly forward in the log."""
    found = [f"{one} is no cursor" for one in ids if not is_cursor(one)]
    for before, after in pairwise(ids):
        if before == after:
            found.append(f"{after} came twice")
            continue
        one, other = place(before), place(after)
        # Between two logs there is no order: one was made anew.
        if one is not None and other is not None and one.log == other.log and one[1:4] >= other[1:4]:
            found.append(f"{after} came behind {before}, and stands before it")
    return found


def place(text: str) -> Cursor | None:
    """Return what a cursor names."""
    try:
        return read_cursor(text)
    except BadCursorError:
        return None
