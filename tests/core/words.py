"""A small swarm's words: messages, bodies and places, written shortly."""

from collections.abc import Iterable, Sequence

from relayd.core.log import Log
from relayd.core.staging import StagedBody
from relayd.core.timeline import Entry
from relayd.dialects.delivery import Item
from relayd.protocol import codec
from relayd.protocol.cursor import Cursor, Place, identity
from relayd.protocol.messages import LEVELS, Message, WorkflowLog

NAME = "swarm"
IDENTITY = identity(NAME)
NOW = 1_000.0
PROJECT = "shop"


def line(text: str = "hello", project: str = PROJECT, *, level: str = "info", agent: str | None = None) -> WorkflowLog:
    """Return one line of log."""
    return WorkflowLog(project_id=project, timestamp=NOW, level=level, message=text, agent=agent)  # type: ignore[arg-type]


def said(*messages: Message, name: str | None = None) -> Item:
    """Return what one raw event said; without messages it was rejected."""
    return Item(messages=messages, message_id=name)


def mark(offset: int, epoch: int = 0) -> bytes:
    """Return the fingerprint of the body at an offset: another one in each log made anew."""
    return epoch.to_bytes(2, "big") + offset.to_bytes(4, "big")


def grow(log: Log[str], offset: int, *events: Item, at: float = NOW) -> StagedBody:
    """Add one body to a log."""
    staging = log.stage()
    body = staging.add(offset, mark(offset, log.epoch), at, events)
    log.apply(staging)
    return body


def grown(*offsets: int, window: int = 100) -> Log[str]:
    """Return a log with a body of one line at each offset."""
    log: Log[str] = Log(NAME, window=window)
    for offset in offsets:
        grow(log, offset, said(line(f"line {offset}")))
    return log


def at(offset: int, item: int = 0, part: int = 0, *, epoch: int = 0) -> Cursor:
    """Return the cursor of a place of the log `NAME`."""
    return Cursor(IDENTITY, offset, item, part, mark(offset, epoch))


def place(offset: int, item: int = 0, part: int = 0, *, epoch: int = 0) -> Place:
    """Return a place."""
    return Place(epoch, offset, item, part)


def entry(offset: int, message: Message | None = None, *, epoch: int = 0) -> Entry:
    """Return an entry as the journal would give it back."""
    message = line(f"line {offset}") if message is None else message
    cursor = at(offset, epoch=epoch)
    message.id, message.received_at = str(cursor), NOW
    return Entry(
        place=cursor.place(epoch),
        cursor=str(cursor),
        payload=codec.encode(message),
        type=str(type(message).__struct_config__.tag),
        level=LEVELS[message.level] if isinstance(message, WorkflowLog) else -1,
        agent=message.agent,
        received_at=NOW,
    )


def offsets(entries: Iterable[Entry]) -> list[int]:
    """Return where entries stand."""
    return [one.place.offset for one in entries]


def held(log: Log[str], project: str = PROJECT) -> Sequence[Entry]:
    """Return what memory holds of a project."""
    timeline = log.projects[project].timeline
    return timeline.slice(timeline.base, timeline.end)
