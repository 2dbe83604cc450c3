"""Removing an event or a project for good.  For operators, on the admin listener only."""

import asyncio

import msgspec
from aiohttp import web
from msgspec import Struct

from relayd.api.rejected import problem
from relayd.ports import JournalError
from relayd.protocol.cursor import BadCursorError
from relayd.relay.purging import NotThere, Purging, Removed, TooMany

__all__ = ["purge_routes"]

STREAM = "the stream itself holds what was published until its retention drops it: whoever may read its queue reads it"
OTHERS = "other relays have memories and journals of their own: have it purged by each of them"
PASSING = "there is no journal, so the purge is forgotten when this relay stops, and the stream may bring it back"


class Order(Struct, forbid_unknown_fields=True):
    """The body: one of them."""

    project: str | None = None
    event: str | None = None


REFUSALS: dict[type[Exception], tuple[int, str]] = {
    BadCursorError: (400, "BAD_REQUEST"),
    NotThere: (404, "NOT_FOUND"),
    TooMany: (409, "BAD_REQUEST"),
}


def purge_routes(purging: Purging) -> list[web.RouteDef]:
    """Return the route."""
    working: set[asyncio.Task[Removed]] = set()

    async def purge(request: web.Request) -> web.Response:
        """
        `POST /purge` with `{"project": id}` or `{"event": cursor}`: remove it for good.

        `{"events": <how many>, "lasting": <remembered over restarts>, "left": [<files>], "notes": [<sentences>]}`; 404
        for what is not there, 409 when too many are remembered, 503 while the journal is away.
        """
        try:
            order = msgspec.json.decode(await request.read(), type=Order)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return problem(400, "BAD_REQUEST", f"the body: {error}")
        if (order.project is None) == (order.event is None):
            return problem(400, "BAD_REQUEST", 'say what to remove: {"project": id} or {"event": cursor}')
        work = purging.project(order.project) if order.project is not None else purging.event(str(order.event))
        task = asyncio.create_task(work)
        working.add(task)
        task.add_done_callback(working.discard)
        try:
            # What was begun is ended, also when whoever asked hangs up.
            removed = await asyncio.shield(task)
        except (BadCursorError, NotThere, TooMany) as error:
            return problem(*REFUSALS[type(error)], str(error))
        except JournalError as error:
            return problem(503, "UNAVAILABLE", str(error), retry_after=5)
        return web.Response(body=answer(removed, replays=purging.replays), content_type="application/json")

    return [web.post("/purge", purge)]


def answer(removed: Removed, *, replays: bool) -> bytes:
    """Return what became of it as JSON."""
    return msgspec.json.encode(
        {
            "events": removed.events,
            "lasting": removed.lasting,
            "left": list(removed.left),
            "notes": notes(removed, replays=replays),
        }
    )


def notes(removed: Removed, *, replays: bool) -> list[str]:
    """Return a sentence for each place where what was removed may still be."""
    found = []
    if removed.left:
        found.append(f"moved aside as damaged, and not looked into: {', '.join(removed.left)}; delete them")
    if not removed.lasting:
        found.append(PASSING)
    if replays:
        found += [STREAM, OTHERS]
    return found
