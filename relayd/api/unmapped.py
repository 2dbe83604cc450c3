"""
What nobody understood, in groups, for operators on the admin listener only: viewers must not see others' events.

The page is text: no script, no style and no address of it is loaded, whatever a publisher wrote (Content Security
Policy, level 3).
"""

import asyncio
from collections.abc import Sequence
from html import escape
from time import gmtime, strftime

import msgspec
from aiohttp import web

from relayd.api.grouping import Group, Groups
from relayd.api.rejected import problem
from relayd.ports import Journal, JournalError

__all__ = ["unmapped_routes"]

LOOKED_AT = 2_000
"""So many of the newest rejected events are looked at."""
PAGE = 20
"""So many at a time: an event may have 64 KiB, and viewers are served between two pages."""
LIMIT, MAX_LIMIT = 20, 100

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def unmapped_routes(journal: Journal) -> list[web.RouteDef]:
    """Return the routes: `/unmapped` for programs, `/inspect` for people."""
    pages = _Pages(journal)
    return [web.get("/unmapped", pages.told), web.get("/inspect", pages.shown)]


class _Pages:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def told(self, request: web.Request) -> web.Response:
        """
        `GET /unmapped?limit=<1…100>`: the largest groups first.

        `{"groups": [{"dialect", "reason", "type", "count", "first_seen", "last_seen", "number", "detail", "sample",
        "rule"}], "other": <events in no group that is told>, "looked_at": <the newest so many>}`
        """
        text = request.query.get("limit", str(LIMIT))
        if not (
            text.isascii() and text.isdecimal() and len(text) < len(str(MAX_LIMIT)) + 1 and 1 <= int(text) <= MAX_LIMIT
        ):
            return problem(400, "BAD_REQUEST", f"limit must be a number from 1 to {MAX_LIMIT}")
        try:
            groups, other, looked_at = await self._gather(int(text))
        except JournalError as error:
            return problem(503, "UNAVAILABLE", str(error), retry_after=5)
        body = msgspec.json.encode({"groups": groups, "other": other, "looked_at": looked_at})
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    async def shown(self, _request: web.Request) -> web.Response:
        """`GET /inspect`: the same as a page."""
        try:
            groups, other, looked_at = await self._gather(LIMIT)
        except JournalError as error:
            return problem(503, "UNAVAILABLE", str(error), retry_after=5)
        return web.Response(text=page(groups, other, looked_at), content_type="text/html", headers=HEADERS)

    async def _gather(self, limit: int) -> tuple[Sequence[Group], int, int]:
        groups = Groups()
        before: int | None = None
        while groups.looked_at < LOOKED_AT:
            found = await self._journal.list_rejected(before=before, limit=PAGE)
            for number, item in found:
                groups.add(number, item)
            if len(found) < PAGE:
                break
            before = found[-1][0]
            await asyncio.sleep(0)
        return *groups.largest(limit), groups.looked_at


def page(groups: Sequence[Group], other: int, looked_at: int) -> str:
    """Return the page."""
    parts = "".join(map(section, groups)) or "<p>Everything that came was understood.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>relayd: not understood</title></head>'
        f"<body><h1>What nobody understood</h1><p>The newest {looked_at:,} rejected events, {other:,} of them in no "
        f"group below. <code>relayd rejected replay</code> publishes them again once that helps.</p>{parts}</body>"
        "</html>\n"
    )


def section(group: Group) -> str:
    """Return a group."""
    name = escape(group.type or "without a type")
    rule = f"<h3>A rule that would read it</h3><pre>{escape(group.rule)}</pre>" if group.rule else ""
    return (
        f"<h2>{group.count:,} of {name}</h2><p>{escape(group.reason)} in {escape(group.dialect or 'no dialect')}, "
        f"{moment(group.first_seen)} to {moment(group.last_seen)}</p><p>{escape(group.detail)}</p>"
        f"<h3>Number {group.number}</h3><pre>{escape(group.sample)}</pre>{rule}"
    )


def moment(seconds: float) -> str:
    """Return a time as people read it."""
    return strftime("%Y-%m-%d %H:%M:%S UTC", gmtime(seconds))
