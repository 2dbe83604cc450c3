"""Lines of a project's log, page by page, from memory and journal."""

from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from relayd.api.asking import bad, number
from relayd.core.selection import select
from relayd.core.timeline import Entry
from relayd.protocol.commands import Selection
from relayd.protocol.cursor import Place
from relayd.relay.admission import Admission
from relayd.relay.subscription import Watched

__all__ = ["read_logs"]

DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000
PAGE = 1_000
PAGES = 20
"""So many pages are looked through for one answer; a filter that finds little then says where to go on."""


class Line(msgspec.Struct):
    """What of a message is shown as a line."""

    id: str
    timestamp: float
    level: str
    message: str
    agent: str | None = None


LINE = msgspec.json.Decoder(Line)


async def read_logs(admission: Admission, request: web.Request) -> dict[str, Any]:
    """
    Return `{logs: [{id, timestamp, level, message, agent}], next}`; raises Refused.

    Without `after` the newest lines (before `before`); `next` is the cursor to go on from in the direction asked
    for, null at the end.
    """
    project = await admission.open(request.match_info["project_id"])
    limit = number(request, "limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
    wanted = selection(request)
    past = admission.engine.past
    after, before = request.query.get("after"), request.query.get("before")
    if after is not None and before is not None:
        raise bad("after, before: use one of them, not both")
    for cursor in (after, before):
        if cursor is not None:
            await admission.judge(project.id, cursor)
    if after is not None:
        found, end = await forwards(admission, project, past.place(after), wanted, limit)
        more = found[-1].cursor if found and not end else None
    else:
        found, end = await backwards(admission, project, past.place(before) if before else None, wanted, limit)
        more = found[0].cursor if found and not end else None
    return {"logs": [LINE.decode(entry.payload) for entry in found], "next": more}


def selection(request: web.Request) -> Selection:
    """Return what the query selects, lines of log only; raises Refused."""
    wishes: dict[str, object] = {"types": ["workflow_log"]}
    if agents := [name for text in request.query.getall("agent", []) for name in text.split(",") if name]:
        wishes["agent"] = agents
    wishes |= {name: request.query[name] for name in ("level", "q") if name in request.query}
    try:
        return msgspec.convert(wishes, Selection)
    except msgspec.ValidationError as error:
        raise bad(str(error)) from error


async def forwards(
    admission: Admission, project: Watched, place: Place, wanted: Selection, limit: int
) -> tuple[Sequence[Entry], bool]:
    """Return up to `limit` lines after a place, oldest first, and whether that was the end."""
    found: list[Entry] = []
    for _ in range(PAGES):
        timeline = project.timeline
        index = timeline.index_after(place)
        if index is not None:
            page: Sequence[Entry] = timeline.slice(index, timeline.end)
        else:
            page = await admission.engine.past.read(project, place, PAGE) or ()
            # What the journal does not hold any more is passed over: this is a list, not a promise.
            place = page[-1].place if page else timeline.bottom or place
        found += select(wanted, page)
        if len(found) > limit:
            return found[:limit], False
        if index is not None:
            return found, True
    return found, False


async def backwards(
    admission: Admission, project: Watched, before: Place | None, wanted: Selection, limit: int
) -> tuple[Sequence[Entry], bool]:
    """Return up to `limit` of the newest lines before a place, oldest first, and whether that was the end."""
    timeline, journal = project.timeline, admission.engine.past.journal
    held = timeline.slice(timeline.base, timeline.end)
    page: Sequence[Entry] = [entry for entry in held if before is None or entry.place < before]
    found: list[Entry] = list(select(wanted, page))
    oldest = held[0].place if held else None
    if before is not None and (oldest is None or before < oldest):
        oldest = before
    for _ in range(PAGES):
        if len(found) > limit:
            return found[-limit:], False
        if journal is None or timeline.bottom is None:
            return found, True
        page = await journal.read(project.id, before=oldest, limit=PAGE, newest=True)
        if not page:
            return found, True
        found = [*select(wanted, page), *found]
        oldest = page[0].place
    return found[-limit:], False
