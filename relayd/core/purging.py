"""
What a state is once events of its project are gone.

Law: no text of an event stays.  What it counted stays true for the others, how far the project is stays as it was, and
who may see it stays decided.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from relayd.core.snapshot import MAX_TASK, MAX_TEXT, Snapshot
from relayd.core.timeline import Entry
from relayd.core.usage import take_back
from relayd.protocol import codec
from relayd.protocol.messages import MAX_NAME, AgentStatusUpdate, Message

__all__ = ["anew", "scrub"]

NO_TEXT = frozenset({"type", "project_id", "id", "owner", "team", "status", "level", "activity", "dialect", "agent"})
"""Fields that name or classify; an agent's card is looked at by itself."""


def anew(state: Snapshot) -> Snapshot:
    """Return the state of a project of which nothing is left but who may see it, and when it last spoke."""
    return Snapshot(
        project_id=state.project_id,
        owner=state.owner,
        team=state.team,
        updated_at=state.updated_at,
        cursor=state.cursor,
    )


def scrub(state: Snapshot, entries: Iterable[Entry]) -> None:
    """Take out of a state whatever these events said, also where another event had said the same."""
    for entry in entries:
        message = codec.decode_event(entry.payload)
        take_texts(state, forms(message))
        if isinstance(message, AgentStatusUpdate):
            card = state.agents.get(message.agent)
            if card is not None and card.last_seen == entry.received_at:
                del state.agents[message.agent]
        uncount(state, entry.type, message.usage or {})
        take_back(state.spent, message.agent, message.usage or {})


def forms(message: Message) -> set[str]:
    """Return the texts of a message, each as it was said and as a state keeps it, cut."""
    plain = msgspec.to_builtins(message)
    said = list(texts({name: value for name, value in plain.items() if name not in NO_TEXT}))
    return {text[:length] for text in said for length in (None, MAX_TEXT, MAX_TASK, MAX_NAME)}


def texts(value: object) -> Iterator[str]:
    """Return the texts in a plain value, however deep; names of fields are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)


def take_texts(state: Snapshot, gone: set[str]) -> None:
    """Take these texts out of a state."""
    for name in ("name", "description", "project_type", "stage", "message"):
        if getattr(state, name) in gone:
            setattr(state, name, None)
    state.stages_completed = [stage for stage in state.stages_completed if stage not in gone]
    state.warnings = [text for text in state.warnings if text not in gone]
    state.errors = [one for one in state.errors if one.error not in gone and one.code not in gone]
    state.urls = {name: url for name, url in state.urls.items() if url not in gone}
    for card in state.agents.values():
        if card.task in gone:
            card.task = None


def uncount(state: Snapshot, kind: str, usage: dict[str, Any]) -> None:
    """Take an event out of the counts, and the names it gave to numbers with it, unless others gave them, too."""
    counts = {**state.counts, kind: state.counts.get(kind, 0) - 1}
    state.counts = {name: count for name, count in counts.items() if count > 0}
    for name, value in usage.items():
        if name in state.usage and isinstance(value, int | float):
            state.usage[name] -= value
    state.usage = {name: total for name, total in state.usage.items() if name not in usage or total}
