"""
Texts that come in pieces, gathered into lines of log.

Law 1: what is gathered is told, in order: when it ends, when it is long, or when its run ends.  A shorthand (`…_CHUNK`)
has no end of its own: it ends when its agent goes on to something else.
Law 2: everything is bounded.  Beyond a bound the oldest text of a run is told as far as it has come; the run that was
unused longest is forgotten, and what of it goes on begins with `…`.
Law 3: no word is cut in two, for half a secret is not recognised as one.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from relayd.dialects.agui.reading import SHOWN, attached, shortened
from relayd.protocol.messages import MAX_NAME

__all__ = ["NAMES", "PIECE", "STRANDS", "Kind", "Piece", "Run", "remember"]

PIECE = 4_000
"""A text that is longer is told in pieces of so many characters at most."""

STRANDS = 16
"""So many texts of one run are gathered at a time."""

NAMES = 64
"""So many tools and agents of one run are remembered by name."""

Kind = Literal["text", "reasoning", "tool"]
JSON = msgspec.json.Decoder()
Fields = dict[str, Any]


class Piece(Struct, frozen=True, kw_only=True):
    """What one event says of a text that comes in pieces."""

    kind: Kind
    act: Literal["open", "add", "close", "chunk"]
    id: str
    """Empty if it has none."""
    agent: str
    timestamp: float
    delta: str = ""
    source: str | None = None
    """Who speaks, or the tool's name; None if this event does not say."""


class Strand(Struct, kw_only=True):
    """A text that is being gathered."""

    kind: Kind
    id: str
    agent: str
    source: str
    chunked: bool
    timestamp: float
    text: str = ""
    length: int = 0
    """Of all that came, told or not."""


class Run(Struct):
    """What is remembered of a project's run."""

    strands: OrderedDict[tuple[Kind, str], Strand] = msgspec.field(default_factory=OrderedDict)
    tools: OrderedDict[str, str] = msgspec.field(default_factory=OrderedDict)
    """Name by the id of a call."""
    agents: OrderedDict[str, str] = msgspec.field(default_factory=OrderedDict)
    """Name by `subagentRunId`."""

    def follow(self, piece: Piece) -> list[Fields]:
        """Take a piece in, and return the lines that it ends."""
        key = (piece.kind, self._continued(piece))
        strand = self.strands.get(key)
        # Who goes on with a text need not say again whose it is.
        lines = self.turn(piece.agent if strand is None else strand.agent, away_from=piece.kind)
        if piece.act == "chunk":
            # A shorthand with another id is another text.
            lines += self._close(
                lambda one: one.chunked and one.kind == piece.kind and one.agent == piece.agent and one.id != key[1]
            )
        if strand is None:
            if piece.act == "close":
                return lines
            while len(self.strands) >= STRANDS:
                lines += told(self.strands.popitem(last=False)[1])
            strand = self.strands[key] = begun(piece, key[1], self.tools)
        if piece.source is not None:
            strand.source = piece.source
        lines += added(strand, piece)
        if piece.act == "close":
            del self.strands[key]
            lines += told(strand)
        return lines

    def turn(self, agent: str, *, away_from: Kind | None = None) -> list[Fields]:
        """Return the lines of the shorthands that end because their agent goes on to something else."""
        return self._close(lambda one: one.chunked and one.agent == agent and one.kind != away_from)

    def end(self) -> list[Fields]:
        """Return the lines of all that is left."""
        return self._close(lambda _: True)

    def _continued(self, piece: Piece) -> str:
        """Return the id of the text that a piece belongs to: a shorthand without one goes on with the last."""
        if piece.id or piece.act != "chunk":
            return piece.id
        alike = [one.id for one in self.strands.values() if one.kind == piece.kind and one.agent == piece.agent]
        return alike[-1] if alike else ""

    def _close(self, ends: Callable[[Strand], bool]) -> list[Fields]:
        ended = [key for key, strand in self.strands.items() if ends(strand)]
        return [line for key in ended for line in told(self.strands.pop(key))]


def remember(names: OrderedDict[str, str], key: str, name: str) -> None:
    """Keep a name, within the bounds."""
    names[key] = name[:MAX_NAME]
    names.move_to_end(key)
    if len(names) > NAMES:
        names.popitem(last=False)


def begun(piece: Piece, key: str, tools: Mapping[str, str]) -> Strand:
    """Return an empty strand for the first piece that was seen of a text."""
    speaks = {"tool": tools.get(key, "a tool"), "reasoning": "reasoning", "text": "assistant"}[piece.kind]
    # Of a piece that only adds, the beginning was not seen, or this relay has forgotten it.
    beginning = "…" if piece.act == "add" else ""
    return Strand(
        kind=piece.kind,
        id=key,
        agent=piece.agent,
        source=speaks,
        chunked=piece.act == "chunk",
        timestamp=piece.timestamp,
        text=beginning,
        length=len(beginning),
    )


def added(strand: Strand, piece: Piece) -> list[Fields]:
    """Add what a piece says to its strand and return the lines that are long enough to be told."""
    strand.timestamp = piece.timestamp
    strand.length += len(piece.delta)
    if strand.kind == "tool":
        # Told as a whole or cut, so no more than is told is kept.
        strand.text += piece.delta[: max(0, 2 * SHOWN - len(strand.text))]
        return []
    text, at = strand.text + piece.delta, 0
    lines = []
    while len(text) - at > PIECE:
        end = max(text.rfind(" ", at, at + PIECE), text.rfind("\n", at, at + PIECE)) + 1
        end = end if end > at else at + PIECE
        lines.append(line(strand, text[at:end]))
        at = end
    strand.text = text[at:]
    return lines


def told(strand: Strand) -> list[Fields]:
    """Return the last line of a strand; a text of which nothing came has none."""
    if strand.kind != "tool":
        return [line(strand, strand.text)] if strand.text else []
    said = line(strand, f"calls {strand.source}")
    if strand.text:
        said |= arguments(strand)
    return [said]


def line(strand: Strand, text: str) -> Fields:
    """Return a line of log."""
    return {
        "type": "workflow_log",
        "level": "info",
        "message": text,
        "source": strand.source,
        "agent": strand.agent,
        "key": strand.id or None,
        "timestamp": strand.timestamp,
    }


def arguments(strand: Strand) -> Fields:
    """Return what a tool is called with: as it is if that is an object, for then its names tell what is secret."""
    if strand.length == len(strand.text):
        try:
            parsed = JSON.decode(strand.text)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, dict) and (fields := attached("arguments", parsed)):
            return fields
    return {"fields": {"arguments": shortened(strand.text, length=strand.length)}}
