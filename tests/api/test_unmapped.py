import json
from html.parser import HTMLParser

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from relayd.api import unmapped
from relayd.api.unmapped import unmapped_routes
from relayd.ports import JournalError
from relayd.testing.journal import FakeJournal
from tests.api.test_rejected import journal, keep, rejected

__all__ = ["journal"]

ORDER = {"type": "order.<made>", "project": "p", "note": "<script>alert(1)</script>"}


def app(journal: FakeJournal) -> web.Application:
    """Return an application with nothing but these routes."""
    application = web.Application()
    application.add_routes(unmapped_routes(journal))
    return application


async def orders(journal: FakeJournal, count: int) -> None:
    """Have so many events rejected, and a torn one after them."""
    body = json.dumps(ORDER).encode()
    made = [
        rejected(n, body=body, reason="unknown_type", headers={"dialect": "native"}, detail="type: <what>")
        for n in range(count)
    ]
    await keep(journal, [*made, rejected(count)])


async def test_groups_are_told_with_a_rule(aiohttp_client: AiohttpClient, journal: FakeJournal) -> None:
    """The largest first; what is beyond the limit is counted."""
    await orders(journal, 45)
    client = await aiohttp_client(app(journal))
    answer = await client.get("/unmapped?limit=1")
    told = await answer.json()
    (group,) = told["groups"]
    assert (45, 1, 46) == (group["count"], told["other"], told["looked_at"])
    assert ("native", "unknown_type", "order.<made>") == (group["dialect"], group["reason"], group["type"])
    assert "[[dialects.rules.rule]]" in group["rule"]
    assert "no-store" == answer.headers["Cache-Control"]
    whole = await (await client.get("/unmapped")).json()
    assert ["unknown_type", "not_json"] == [one["reason"] for one in whole["groups"]]
    assert 0 == whole["other"]


async def test_the_newest_are_looked_at(aiohttp_client: AiohttpClient, journal: FakeJournal) -> None:
    """So many: a journal may hold a hundred times more."""
    await orders(journal, unmapped.LOOKED_AT + 50)
    told = await (await (await aiohttp_client(app(journal))).get("/unmapped")).json()
    assert unmapped.LOOKED_AT == told["looked_at"]


class Tags(HTMLParser):
    """Which elements a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_the_page_shows_what_was_written_as_text(aiohttp_client: AiohttpClient, journal: FakeJournal) -> None:
    """Nothing of it becomes an element, and the policy would let none do anything."""
    await orders(journal, 3)
    answer = await (await aiohttp_client(app(journal))).get("/inspect")
    tags = Tags()
    tags.feed(await answer.text())
    assert {"html", "head", "meta", "title", "body", "h1", "h2", "h3", "p", "pre", "code"} == tags.seen
    assert "<script>alert(1)</script>" in tags.text
    assert "3 of order.<made>" in tags.text
    assert "[[dialects.rules.rule]]" in tags.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert ("text/html", "nosniff") == (answer.content_type, answer.headers["X-Content-Type-Options"])


async def test_where_nothing_was_rejected_nothing_is_shown(aiohttp_client: AiohttpClient, journal: FakeJournal) -> None:
    """And it is said so."""
    client = await aiohttp_client(app(journal))
    assert {"groups": [], "other": 0, "looked_at": 0} == await (await client.get("/unmapped")).json()
    assert "Everything that came was understood." in await (await client.get("/inspect")).text()


@pytest.mark.parametrize("limit", ["0", "101", "x", "-1", "1000", "²"])
async def test_a_wrong_limit_is_named(aiohttp_client: AiohttpClient, journal: FakeJournal, limit: str) -> None:
    """With what it may be."""
    answer = await (await aiohttp_client(app(journal))).get("/unmapped", params={"limit": limit})
    assert (400, "limit must be a number from 1 to 100") == (answer.status, (await answer.json())["detail"])


@pytest.mark.parametrize("path", ["/unmapped", "/inspect"])
async def test_a_journal_that_is_away_is_said(aiohttp_client: AiohttpClient, journal: FakeJournal, path: str) -> None:
    """Ask again."""
    journal.failure = JournalError("the disk is away")
    answer = await (await aiohttp_client(app(journal))).get(path)
    assert (503, "5") == (answer.status, answer.headers["Retry-After"])
