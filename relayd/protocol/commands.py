"""What a viewer may say on a socket (docs/protocol.md section 2), and the selection it may ask for."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from relayd.protocol.messages import LEVELS, MAX_NAME, TYPES, ProjectId

__all__ = [
    "EVERYTHING",
    "MAX_VIEW_BYTES",
    "BadCommandError",
    "Command",
    "Filter",
    "Ping",
    "Pong",
    "Refresh",
    "Selection",
    "Subscribe",
    "Unknown",
    "Unsubscribe",
    "View",
    "parse",
]

MAX_VIEW_BYTES = 2_048
"""Longest state of a shared view, as JSON."""

Agent = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class BadCommandError(ValueError):
    """The frame can't be read; its message is a sentence for the viewer."""


class Selection(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    Which messages of a project a viewer wants; hashable, so that equal wishes share one group.

    `level` concerns only `workflow_log`; messages without an agent pass `agent`; `q` is a substring, never a pattern.
    """

    types: frozenset[str] | None = None
    level: str | None = None
    agent: frozenset[Agent] | None = None
    q: Annotated[str, Meta(min_length=1, max_length=64)] | None = None

    def __post_init__(self) -> None:
        """Refuse values that could never match; raises ValueError with a sentence."""
        if frozenset() in (self.types, self.agent):
            raise ValueError("types and agent: an empty list selects nothing; leave it out to get everything")
        if self.types is not None and (unknown := self.types - TYPES.keys()):
            raise ValueError(f"types: {min(unknown)!r} is no message type; use {', '.join(sorted(TYPES))}")
        if self.level is not None and self.level not in LEVELS:
            raise ValueError(f"level: {self.level!r} is none of {', '.join(LEVELS)}")


EVERYTHING = Selection()


class Ping(Struct, tag="ping"):
    """Are you there?"""


class Pong(Struct, tag="pong", omit_defaults=True):
    """I am here; the relay's own, to a ping in JSON, also tells how fresh the viewer is."""

    server_time: float | None = None
    """Relay's clock, Unix seconds."""
    cursor: str | None = None
    """What the viewer has passed."""
    head: str | None = None
    """The relay's newest place; no position to resume from."""
    lag_seconds: float | None = None
    """0 while the relay is level with its log, else for how long it has not been; absent if it never was."""


class Subscribe(Struct, tag="subscribe"):
    """Add a project to a socket that carries many."""

    project_id: ProjectId
    after: str | None = None
    filter: Selection = EVERYTHING


class Unsubscribe(Struct, tag="unsubscribe"):
    """Take a project off the socket."""

    project_id: ProjectId


class Filter(Struct, tag="filter"):
    """Change the selection without reconnecting."""

    filter: Selection
    project_id: ProjectId | None = None


class Refresh(Struct, tag="refresh"):
    """Go on with a newer token."""

    token: str


class View(Struct, tag="view"):
    """Show the others of a project what this viewer looks at; without a state it does so no longer."""

    project_id: ProjectId | None = None
    state: dict[str, Any] | None = None
    """Whatever the front ends agree on: a filter, a place, a theme; at most MAX_VIEW_BYTES."""


class Unknown(Struct):
    """Valid JSON with a type nobody here knows: counted, otherwise ignored, so that newer clients keep working."""


Command = Ping | Pong | Subscribe | Unsubscribe | Filter | Refresh | View


class Tag(Struct):
    """Just the type of a command."""

    type: str


DECODER: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
TAG = msgspec.json.Decoder(Tag)
KNOWN = frozenset({"ping", "pong", "subscribe", "unsubscribe", "filter", "refresh", "view"})


def parse(text: str) -> Command | Unknown:
    """Return the command in a text frame; raises BadCommandError when it is no JSON object with a type."""
    if text == "ping":
        return Ping()
    if text == "pong":
        return Pong()
    try:
        return DECODER.decode(text)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        try:
            if TAG.decode(text).type not in KNOWN:
                return Unknown()
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise BadCommandError("a frame is the word `ping` or a JSON object with a `type`") from error
        raise BadCommandError(str(error)) from error
