"""What an event that nobody understood may mean: fields of a message, guessed by their names and values."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from relayd.dialects import values, words
from relayd.dialects.normalise import TYPE_NAMES

__all__ = ["Guess", "Leaves", "Typed", "find", "json", "path_text", "type_of", "walk"]

Path = tuple[str, ...]
Leaves = Sequence[tuple[Path, object]]
Reader = Callable[[object], object]

DEPTH, LEAVES = 4, 200
TYPE_HINTS = (*TYPE_NAMES, "eventType", "event", "kind", "action", "topic", "name", "@type")
TYPE_HEADERS = ("cloudEvents:type", "cloudEvents_type", "ce-type", "type")
LONGEST_TYPE = 128
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

HINTS: Mapping[str, tuple[str, str]] = {
    "project_id": (
        "projectid project",
        "runid run workflowid workflow swarmid swarm jobid job sessionid session conversationid threadid traceid appid",
    ),
    "agent": ("agent agentname agentid", "worker workername workerid actor actorname bot role"),
    "message": ("message msg text", "description summary detail details content note title line output reason body"),
    "progress": ("progress percent percentage", "pct completion complete done"),
    "level": ("level severity levelname", "loglevel priority"),
    "status": ("status state", "outcome result"),
    "stage": ("stage stagename", "step stepname phase"),
    "error": ("error errormessage", "exception err failure cause"),
    "timestamp": ("timestamp time ts createdat", "at date datetime occurredat eventtime when"),
    "message_id": ("messageid eventid", "id uuid guid"),
}
"""By field of a message: names that say so, and names that may."""


class Typed(Struct, frozen=True):
    """What an event calls itself, and where that stands: a field's name or a header's; empty where it does not."""

    text: str = ""
    field: str = ""
    header: str = ""


class Guess(Struct, frozen=True):
    """Where a field of a message is taken from; one that is not readable needs its words."""

    path: str
    value: object
    certain: bool
    readable: bool


def type_of(event: object, headers: Mapping[str, object]) -> Typed:
    """Return what an event calls itself, as it is written."""
    if isinstance(event, Mapping):
        for name in TYPE_HINTS:
            if text := short(event.get(name)):
                return Typed(text=text, field=name)
    for name in TYPE_HEADERS:
        if text := short(headers.get(name)):
            return Typed(text=text, header=name)
    return Typed()


def walk(event: Mapping[str, Any]) -> Iterator[tuple[Path, object]]:
    """Yield plain values with their paths, those near the top first, so many at most."""
    level: list[tuple[Path, Mapping[str, Any]]] = [((), event)]
    left = LEAVES
    for _ in range(DEPTH):
        below: list[tuple[Path, Mapping[str, Any]]] = []
        for path, there in level:
            for name, value in there.items():
                left -= 1
                if left < 0:
                    return
                if not name.isprintable():
                    continue
                if isinstance(value, Mapping):
                    below.append(((*path, name), value))
                else:
                    yield (*path, name), value
        level = below


def find(name: str, kind: str, leaves: Leaves) -> Guess | None:
    """Return where a field of a message is: what is named so and can be read, else what needs its words."""
    strong, weak = (hints.split() for hints in HINTS[name])
    read = reader(name, kind)
    unread: Guess | None = None
    for hint in (*strong, *weak):
        for path, value in leaves:
            if hint not in names_of(path):
                continue
            if read(value) is not None:
                return Guess(path_text(path), value, hint in strong, readable=True)
            if unread is None and name in {"level", "status"} and hint in strong and short(value):
                unread = Guess(path_text(path), value, certain=False, readable=False)
    return unread


def reader(name: str, kind: str) -> Reader:
    """Return what reads a field's value; None from it means that it can't be read."""
    statuses: Mapping[str, object] = words.AGENT_STATUSES if kind == "agent_status_update" else words.STAGE_STATUSES
    readers: Mapping[str, Reader] = {
        "project_id": values.read_project,
        "agent": values.read_name,
        "stage": values.read_name,
        "message_id": values.read_name,
        "message": said,
        "error": said,
        "progress": values.read_progress,
        "level": lambda value: words.look_up(words.LEVELS, value),
        "status": lambda value: words.look_up(statuses, value),
        "timestamp": values.read_timestamp,
    }
    return readers[name]


def said(value: object) -> str | None:
    """Return a text that says something."""
    return value if isinstance(value, str) and value.strip() else None


def names_of(path: Path) -> Sequence[str]:
    """Return what a path may be called: by its end, or by that and what stands before it, as in `run.id`."""
    end = plain(path[-1])
    return (end, plain(path[-2]) + end) if len(path) > 1 else (end,)


def plain(name: str) -> str:
    """Return a name as it is compared."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def path_text(path: Path) -> str:
    """Return a path in JMESPath."""
    return ".".join(name if IDENTIFIER.fullmatch(name) else json(name) for name in path)


def json(value: object) -> str:
    """Return a value in JSON."""
    return msgspec.json.encode(value).decode()


def short(value: object) -> str:
    """Return a text that can be a name, of a text or number; empty for anything else."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if 0 < len(text) <= LONGEST_TYPE and text.isprintable() else ""
