from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from relayd.protocol.cursor import Cursor, decode, identity
from tests.harness.inside import InsideRelay, inside
from tests.harness.settled import Tables
from tests.harness.viewer import log

SMALL: Tables = {"memory": {"timeline_events": 8}}
"""Most of the past is in the journal."""


async def logs(relay: InsideRelay, **query: object) -> dict[str, Any]:
    """Return one page of project p."""
    status, page = await relay.get(relay.project("p", "/logs", **query))
    assert 200 == status, page
    body: dict[str, Any] = page
    return body


def texts(page: dict[str, Any]) -> list[str]:
    """Return what its lines say."""
    return [line["message"] for line in page["logs"]]


async def fill(relay: InsideRelay, count: int) -> list[str]:
    """Publish lines one after another, each a body of its own, and return their texts."""
    wanted = [f"line {number}" for number in range(count)]
    for text in wanted:
        await relay.publish(log("p", text))
    return wanted


@pytest.fixture(params=[{}, SMALL], ids=["memory", "journal"])
async def past(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[InsideRelay]:
    """A relay that has its past in memory, and one that has most of it in the journal."""
    async with inside(tmp_path, request.param) as relay:
        yield relay


async def test_a_line_has_what_the_front_end_shows(relay: InsideRelay) -> None:
    """Its cursor as id, the producer's time, level, text and agent; no other kind of message."""
    await relay.publish({"type": "project_started", "project_id": "p", "timestamp": 1.0})
    await relay.publish(log("p", "hello", level="error", agent="coder", timestamp=7.5))
    page = await logs(relay)
    (line,) = page["logs"]
    assert {"timestamp": 7.5, "level": "error", "message": "hello", "agent": "coder"} == {
        name: value for name, value in line.items() if name != "id"
    }
    assert decode(line["id"]).offset == 1
    assert None is page["next"]


async def test_pages_backwards_hold_each_line_once(past: InsideRelay) -> None:
    """The newest first page, the oldest line of each first; `next` leads to the beginning."""
    wanted = await fill(past, 43)
    pages, before = list[list[str]](), None
    while True:
        page = await logs(past, limit=10, before=before)
        pages.append(texts(page))
        if (before := page["next"]) is None:
            break
    assert wanted == [text for page in reversed(pages) for text in page]
    assert [10, 10, 10, 10, 3] == [len(page) for page in pages]


async def test_pages_forwards_hold_each_line_once(past: InsideRelay) -> None:
    """From the beginning of the log to its end."""
    wanted = await fill(past, 43)
    pages, after = list[list[str]](), "0"
    while True:
        page = await logs(past, limit=10, after=after)
        pages.append(texts(page))
        if (after := page["next"]) is None:
            break
    assert wanted == [text for page in pages for text in page]


async def test_a_page_that_is_just_full_is_the_last(past: InsideRelay) -> None:
    """No empty page follows; neither way."""
    wanted = await fill(past, 10)
    for query in ({"after": "0"}, {}):
        page = await logs(past, limit=10, **query)
        assert (wanted, None) == (texts(page), page["next"])


async def test_filters_hold_in_memory_and_journal(past: InsideRelay) -> None:
    """Level is the least one, agents are those named, `q` is a part of the text."""
    for number in range(20):
        await past.publish(
            log("p", f"calm {number}", agent="coder"), log("p", f"Loud {number}", level="error", agent="tester")
        )
    loud = [f"Loud {number}" for number in range(20)]
    assert loud == texts(await logs(past, level="warning"))
    assert loud == texts(await logs(past, after="0", agent="tester"))
    assert loud == texts(await logs(past, q="lOUD", agent="tester,nobody"))
    page = await logs(past, level="error", limit=15)
    assert loud[5:] == texts(page)
    assert loud[:5] == texts(await logs(past, level="error", limit=15, before=page["next"]))


async def test_a_filter_that_finds_little_says_where_to_go_on(tmp_path: Path) -> None:
    """A search looks through so much for one answer; `next` is no end, it is where the search stopped."""
    async with inside(tmp_path, SMALL) as relay:
        await relay.publish(log("p", "needle one"))
        for _ in range(22):
            await relay.publish(*(log("p", "hay") for _ in range(1_000)))
        await relay.publish(log("p", "needle two"))
        page = await logs(relay, q="one")
        assert ([], False) == (page["logs"], page["next"] is None)
        assert ["needle one"] == texts(await logs(relay, q="one", before=page["next"]))
        page = await logs(relay, q="two", after="0")
        assert ([], False) == (page["logs"], page["next"] is None)
        assert ["needle two"] == texts(await logs(relay, q="two", after=page["next"]))


async def test_what_retention_dropped_is_passed_over_and_nothing_else(tmp_path: Path) -> None:
    """A cursor from before it goes on at the oldest line that is left."""
    tables = {"memory": {"timeline_events": 8}, "journal": {"max_events_per_project": 30}}
    async with inside(tmp_path, tables) as relay:
        first = (await relay.publish(log("p", "first")))["cursor"]
        wanted = await fill(relay, 60)
        while await relay.rooms.engine.past.retain(relay.rooms.clock.now()):
            continue
        left = texts(await logs(relay))
        assert 25 <= len(left) <= 60
        assert wanted[-len(left) :] == left
        for after in (first, "0"):
            assert left == texts(await logs(relay, after=after))


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"limit": 0}, "limit: use a whole number from 1 to 1000, not '0'"),
        ({"after": "x"}, "after: "),
        ({"before": "x"}, "before: "),
        ({"after": "0", "before": "0"}, "after, before: use one of them, not both"),
        ({"level": "loud"}, "level: 'loud' is none of"),
        ({"q": ""}, "$.q"),
    ],
)
async def test_a_question_that_can_t_be_read_is_named(
    relay: InsideRelay, query: dict[str, object], detail: str
) -> None:
    """400 and the mend."""
    await relay.publish(log("p", "one"))
    status, body = await relay.get(relay.project("p", "/logs", **query))
    assert (400, "BAD_REQUEST") == (status, body["code"])
    assert detail in body["detail"]


@pytest.mark.parametrize("side", ["after", "before"])
async def test_a_cursor_of_another_log_is_refused(relay: InsideRelay, side: str) -> None:
    """Its place means nothing here: no lines at all instead of the wrong ones."""
    cursor = decode((await relay.publish(log("p", "one")))["cursor"])
    foreign = Cursor(identity("another"), *cursor[1:])
    status, body = await relay.get(relay.project("p", "/logs", **{side: str(foreign)}))
    assert (400, True) == (status, body["detail"].startswith(f"{side}: "))
