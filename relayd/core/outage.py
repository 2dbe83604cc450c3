"""What a log does while its journal is away, and when it comes back: go on, fill what was missed, say what is lost."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from relayd.core.floor import BELOW_ALL, Floor
from relayd.core.log import Log
from relayd.core.timeline import Entry
from relayd.protocol import cursor as cursors
from relayd.protocol.cursor import Place

__all__ = ["MANY", "Missed", "begin_partial", "forsake", "missed"]

MANY = 10_000
"""So many projects get a floor of their own when their journal is gone; for more one floor stands for all."""


class Missed(Struct, frozen=True, kw_only=True):
    """All that came behind a place up to the head, without holes above the floors."""

    bodies: Sequence[tuple[int, bytes]]
    """Offsets and fingerprints of this epoch, oldest first."""
    entries: Mapping[str, Sequence[Entry]]
    """By project, in the log's order."""
    floors: Mapping[str, Floor]
    """By project those that rose meanwhile, and those of what does not fit."""
    keys: Sequence[int]
    """The whole window of repeats at the head, oldest first."""


def begin_partial(log: Log[Any], project_id: str) -> None:
    """Let a project go on that can't be adopted now; all that the journal holds of it lies below what comes."""
    if project_id not in log.projects:
        project = log.open(project_id)
        project.partial = True
        project.timeline.begin_above(log.settled)


def missed(log: Log[Any], after: Place, *, nbytes: int) -> Missed:
    """
    Return what a journal lacks that holds the log up to a place (`BELOW_ALL`: it holds nothing).

    Of more than `nbytes` the newest of the hottest projects are returned, and floors above the others.
    """
    entries: dict[str, Sequence[Entry]] = {}
    floors = {name: floor for name, floor in log.floors.items() if floor.place > after}
    # Without a head the log was made anew and is empty: what the old one said is no news to anybody.
    for project in reversed(log.projects.values()) if log.head is not None else ():
        held = project.timeline.since(after)
        first = len(held)
        while first and nbytes >= len(held[first - 1].payload):
            first -= 1
            nbytes -= len(held[first].payload)
        if first:
            last = held[first - 1]
            floors[project.id] = Floor(last.place, cursors.decode(last.cursor).fingerprint)
        if first < len(held):
            entries[project.id] = held[first:]
    return Missed(
        bodies=log.marks.since(after.offset if after.epoch == log.epoch else BELOW_ALL.offset),
        entries=entries,
        floors=floors,
        keys=list(log.repeats),
    )


def forsake(log: Log[Any]) -> None:
    """Give up what only the journal held: its file is gone, and the floors say so."""
    for project in log.projects.values():
        project.partial, project.dirty = False, True
        if project.timeline.bottom is not None:
            log.raise_floor(project.id, Floor(project.timeline.bottom))
    gone = log.shelved - log.projects.keys()
    ceiling = log.ceiling()
    if ceiling is not None and len(gone) > MANY:
        log.raise_floor(None, ceiling)
    elif ceiling is not None:
        for project_id in gone:
            log.raise_floor(project_id, ceiling)
    log.shelved.clear()
    log.settled, log.loose = BELOW_ALL, True
