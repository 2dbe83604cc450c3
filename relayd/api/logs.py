"""Lines of a project's log, page by page, from memory and journal."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from relayd.api.asking import bad, number
from relayd.core.selection import select
from relayd.core.timeline import Entry
from relayd.protocol.commands import Selection
from relayd.protocol.cursor import Place
from relayd.relay.admission import Admission
from relayd.relay.refusal import Refused
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


class Page(NamedTuple):
    """Lines, the oldest first, and the cursor to go on from in the direction asked for; None at the end."""

    lines: Sequence[Entry]
    next: str | None


async def read_logs(admission: Admission, request: web.Request) -> dict[str, Any]:
    """
    Return `{logs: [{id, timestamp, level, message, agent}], next}`; raises Refused.

    Without `after` the newest lines (before `before`); `next` is the cursor to go on from in the direction asked
    for, null at the end.
    """
    project = await admission.open(request.match_info["project_id"])
    limit = number(request, "limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
    wanted = selection(request)
    if "after" in request.query and "before" in request.query:
        raise bad("after, before: use one of them, not both")
    after, before = [await place(admission, project, request, side) for side in ("after", "before")]
    if after is not None:
        page = await forwards(admission, project, after, wanted, limit)
    else:
        page = await backwards(admission, project, before, wanted, limit)
    # What was read first may have been removed for good while more was read.
    lines = admission.engine.log.purges.left(project.id, page.lines)
    return {"logs": [LINE.decode(entry.payload) for entry in lines], "next": page.next}


async def place(admission: Admission, project: Watched, request: web.Request, side: str) -> Place | None:
    """
    Return where a list begins or ends, None where that is not said; raises Refused.

    Below the floor is no mistake: a list passes over what is gone.  A place in another log means nothing here.
    """
    cursor = request.query.get(side)
    if cursor is None:
        return None
    try:
        verdict = await admission.judge(project.id, cursor)
    except Refused as refused:
        raise Refused(
            refused.disconnect, refused.sentence.replace("after: ", f"{side}: ", 1), refused.reason
        ) from refused
    if verdict is not None and verdict.cause in {"other_log", "other_event"}:
        raise bad(f"{side}: this cursor is of another log; leave it out to begin at the newest line")
    return admission.engine.past.place(cursor)


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


async def forwards(admission: Admission, project: Watched, place: Place, wanted: Selection, limit: int) -> Page:
    """Return up to `limit` lines after a place."""
    found: list[Entry] = []
    seen = ""
    for _ in range(PAGES):
        timeline = project.timeline
        index = timeline.index_after(place)
        if index is not None:
            held = timeline.slice(index, timeline.end)
            return first_of([*found, *select(wanted, held)], limit, None)
        floor = admission.engine.log.floor_of(project.id)
        if floor is not None:
            place = max(place, floor.place)
        rows = await admission.engine.past.read(project, place, PAGE)
        if rows:
            place, seen = rows[-1].place, rows[-1].cursor
            found += select(wanted, rows)
        elif rows is not None and timeline.bottom is not None:
            place = timeline.bottom
        if len(found) > limit:
            break
    return first_of(found, limit, seen or None)


def first_of(found: Sequence[Entry], limit: int, seen: str | None) -> Page:
    """Return the first lines; behind the last of them, or behind what was looked through, it goes on."""
    return Page(found[:limit], found[limit - 1].cursor if len(found) > limit else seen)


async def backwards(
    admission: Admission, project: Watched, before: Place | None, wanted: Selection, limit: int
) -> Page:
    """Return up to `limit` of the newest lines before a place."""
    timeline = project.timeline
    held = timeline.slice(timeline.base, timeline.end)
    found = list(select(wanted, [entry for entry in held if before is None or entry.place < before]))
    oldest = held[0].place if held else None
    if before is not None and (oldest is None or before < oldest):
        oldest = before
    seen: str | None = None
    for _ in range(PAGES):
        if len(found) > limit:
            break
        if timeline.bottom is None:
            return last_of(found, limit, None)
        rows = await admission.engine.past.older(project, oldest, PAGE)
        if not rows:
            return last_of(found, limit, None)
        found = [*select(wanted, rows), *found]
        oldest, seen = rows[0].place, rows[0].cursor
    return last_of(found, limit, seen)


def last_of(found: Sequence[Entry], limit: int, seen: str | None) -> Page:
    """Return the last lines; before the first of them, or before what was looked through, it goes on."""
    return Page(found[-limit:], found[-limit].cursor if len(found) > limit else seen)
