"""
Rejected events over HTTP: list them, look at one, publish it again.  For operators, on the admin listener only.

Bodies are a stranger's bytes: they travel base64-coded inside JSON, so that no browser or terminal takes them for
anything else.
"""

import base64
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from relayd.ports import Clock, Journal, JournalError, Rejected

__all__ = ["Replay", "problem", "rejected_routes"]

Replay = Callable[[Rejected], Awaitable[None]]
"""Publishes the original bytes again; raises OSError, TimeoutError or JournalError when it can't."""

LIMIT = 100
MAX_LIMIT = 1_000
MAX_NUMBER = 2**63 - 1
"""SQLite's greatest integer; a larger number would be an error of ours instead of the caller's."""


def problem(status: int, code: str, detail: str, *, retry_after: int = 0) -> web.Response:
    """Return `{"detail": …, "code": …}` with that HTTP status, and `Retry-After` in seconds where it helps."""
    headers = {"Retry-After": str(retry_after)} if retry_after else None
    return _json({"detail": detail, "code": code}, status=status, headers=headers)


def rejected_routes(journal: Journal, clock: Clock, replay: Replay | None) -> list[web.RouteDef]:
    """Return the routes; with `replay` None (the source can't be published to) events can only be looked at."""
    pages = _Pages(journal, clock, replay)
    return [
        web.get("/rejected", pages.listed),
        web.get(r"/rejected/{number:\d{1,19}}", pages.shown),
        web.post(r"/rejected/{number:\d{1,19}}/replay", pages.replayed),
    ]


class _Pages:
    def __init__(self, journal: Journal, clock: Clock, replay: Replay | None) -> None:
        self._journal = journal
        self._clock = clock
        self._replay = replay

    async def listed(self, request: web.Request) -> web.Response:
        """
        `GET /rejected?before=<number>&limit=<1…1000>`: the newest first.

        `{"rejected": [{"number", "cursor", "reason", "detail", "received_at", "replayed_at", "bytes", "truncated"}],
        "next": <value for `before` of the next page, or null>}`
        """
        try:
            limit = _number(request, "limit", LIMIT, MAX_LIMIT)
            before = _number(request, "before", None, MAX_NUMBER)
        except ValueError as error:
            return problem(400, "BAD_REQUEST", str(error))
        try:
            found = await self._journal.list_rejected(before=before, limit=limit or LIMIT)
        except JournalError as error:
            return problem(503, "UNAVAILABLE", str(error), retry_after=5)
        rows = [_summary(number, item) for number, item in found]
        return _json({"rejected": rows, "next": found[-1][0] if len(found) == limit else None})

    async def shown(self, request: web.Request) -> web.Response:
        """`GET /rejected/{number}`: the fields of the list, and `headers` (object) and `body_base64`."""
        number = int(request.match_info["number"])
        item = await self._find(number)
        if isinstance(item, web.Response):
            return item
        body = base64.b64encode(item.body).decode("ascii")
        return _json({**_summary(number, item), "headers": dict(item.headers), "body_base64": body})

    async def replayed(self, request: web.Request) -> web.Response:
        """
        `POST /rejected/{number}/replay`: publish the original bytes once more; it gets a new place in the log.

        `{"number", "replayed_at"}`; 409 for one whose body was not kept whole, and for one that was replayed before
        unless `?again=1` is given; 503 when the broker can't be reached.
        """
        number = int(request.match_info["number"])
        item = await self._find(number)
        if isinstance(item, web.Response):
            return item
        refusal = self._refusal(item, again=request.query.get("again") == "1")
        if self._replay is None or refusal:
            return problem(409, "BAD_REQUEST", refusal)
        try:
            await self._replay(item)
        except (JournalError, TimeoutError, OSError) as error:
            return problem(503, "UNAVAILABLE", f"it was not published again: {error}", retry_after=5)
        now = self._clock.now()
        try:
            await self._journal.mark_replayed(number, now)
        except JournalError as error:
            return problem(503, "UNAVAILABLE", f"it was published again, but that could not be noted: {error}")
        return _json({"number": number, "replayed_at": now})

    async def _find(self, number: int) -> Rejected | web.Response:
        if number > MAX_NUMBER:
            return problem(404, "NOT_FOUND", f"there is no rejected event {number}")
        try:
            item = await self._journal.show_rejected(number)
        except JournalError as error:
            return problem(503, "UNAVAILABLE", str(error), retry_after=5)
        return item if item is not None else problem(404, "NOT_FOUND", f"there is no rejected event {number}")

    def _refusal(self, item: Rejected, *, again: bool) -> str:
        if self._replay is None:
            return "this relay has no way to publish; hand the body to the source yourself"
        if item.truncated:
            return "only the beginning of its body was kept; its producer must send it again"
        if item.replayed_at is not None and not again:
            return "it was replayed before; add ?again=1 to do it once more"
        return ""


def _summary(number: int, item: Rejected) -> dict[str, object]:
    return {
        "number": number,
        "cursor": item.cursor,
        "reason": item.reason,
        "detail": item.detail,
        "received_at": item.received_at,
        "replayed_at": item.replayed_at,
        "bytes": len(item.body),
        "truncated": item.truncated,
    }


def _number(request: web.Request, name: str, default: int | None, most: int) -> int | None:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < len(str(MAX_NUMBER)) + 1 and 1 <= int(text) <= most):
        raise ValueError(f"{name} must be a number from 1 to {most}")
    return int(text)


def _json(data: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    # A header that the broker gave may be of any type; what JSON has no word for is shown as text.
    body = msgspec.json.encode(data, enc_hook=repr)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
