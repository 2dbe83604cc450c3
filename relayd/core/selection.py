"""Which entries a viewer wants to see."""

from collections.abc import Sequence

import msgspec

from relayd.core.timeline import Entry
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.messages import LEVELS

__all__ = ["collapse", "passes", "select"]

LOG = "workflow_log"

SUPERSEDED = frozenset({"project_progress", "agent_status_update"})
"""Types that say a present state: of two with the same agent only the later is true."""


class Words(msgspec.Struct):
    """The texts of a message that `q` looks at."""

    message: str | None = None
    error: str | None = None
    task: str | None = None
    stage: str | None = None
    agent: str | None = None
    name: str | None = None
    description: str | None = None


WORDS = msgspec.json.Decoder(Words)


def select(selection: Selection, entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries that the selection lets pass, in order."""
    if selection == EVERYTHING:
        return entries
    return [entry for entry in entries if passes(selection, entry)]


def passes(selection: Selection, entry: Entry) -> bool:
    """Tell whether one entry is wanted: all conditions must hold (docs/protocol.md section 4)."""
    if selection.types is not None and entry.type not in selection.types:
        return False
    if selection.level is not None and entry.type == LOG and entry.level < LEVELS[selection.level]:
        return False
    if selection.agent is not None and entry.agent is not None and entry.agent not in selection.agent:
        return False
    return selection.q is None or has_words(entry, selection.q)


def has_words(entry: Entry, text: str) -> bool:
    """Tell whether the text stands in one of the message's texts, whatever the case."""
    wanted = text.casefold()
    words = WORDS.decode(entry.payload)
    return any(
        value is not None and wanted in value.casefold()
        for value in (words.message, words.error, words.task, words.stage, words.agent, words.name, words.description)
    )


def collapse(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries without progress and agent status that a later one of them replaces; logs and ends stay."""
    seen: set[tuple[str, str | None]] = set()
    kept: list[Entry] = []
    for entry in reversed(entries):
        if entry.type in SUPERSEDED:
            if (entry.type, entry.agent) in seen:
                continue
            seen.add((entry.type, entry.agent))
        kept.append(entry)
    return kept[::-1]
