import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from relayd.api.export import MAX_BYTES, small
from relayd.app.rooms import apply
from relayd.config import load
from relayd.core.floor import Floor
from relayd.core.redaction import Redactor
from relayd.core.timeline import Entry
from relayd.plugins import settings_of
from relayd.protocol.cursor import Place, decode
from tests.harness.inside import InsideRelay, inside
from tests.harness.settled import Tables, write_settings
from tests.harness.viewer import log

SMALL: Tables = {"memory": {"timeline_events": 8}}
"""Most of the past is in the journal."""


async def page_of(relay: InsideRelay, **query: object) -> dict[str, Any]:
    """Return one page of project p."""
    status, page = await relay.get(relay.project("p", "/export", **query))
    assert 200 == status, page
    body: dict[str, Any] = page
    return body


async def pages_of(relay: InsideRelay, limit: int) -> list[dict[str, Any]]:
    """Return all pages of project p."""
    pages = [await page_of(relay, limit=limit)]
    while pages[-1]["next"] is not None:
        pages.append(await page_of(relay, limit=limit, after=pages[-1]["next"]))
    return pages


def texts(*pages: dict[str, Any]) -> list[str]:
    """Return what the events of pages say."""
    return [event["message"] for page in pages for event in page["events"]]


async def fill(relay: InsideRelay, count: int) -> list[str]:
    """Publish lines one after another, beside those of another project, and return their texts."""
    wanted = [f"line {number}" for number in range(count)]
    for text in wanted:
        await relay.publish(log("p", text), log("q", "of somebody else"))
    return wanted


@pytest.fixture(params=[{}, SMALL], ids=["memory", "journal"])
async def past(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[InsideRelay]:
    """A relay that has its past in memory, and one that has most of it in the journal."""
    async with inside(tmp_path, request.param) as relay:
        yield relay


async def test_pages_hold_each_event_once_and_end_with_what_they_came_to(past: InsideRelay) -> None:
    """Whole, in the log's order, as viewers read them; the snapshot stands behind the last of them, and only there."""
    wanted = await fill(past, 43)
    pages = await pages_of(past, 10)
    assert wanted == texts(*pages)
    assert [True] * len(pages) == [page["whole"] for page in pages]
    assert [False] * (len(pages) - 1) + [True] == ["snapshot" in page for page in pages]
    last = pages[-1]["events"][-1]
    assert (last["id"], 43) == (
        pages[-1]["snapshot"]["cursor"],
        pages[-1]["snapshot"]["counts"]["workflow_log"],
    )
    shown = (await past.get(past.project("p", "/events", after="0", limit=256)))[1]["messages"]
    assert shown == [event for page in pages for event in page["events"]]


async def test_what_comes_meanwhile_is_exported_too(past: InsideRelay) -> None:
    """The end is where the log ends when it is reached."""
    wanted = await fill(past, 20)
    first = await page_of(past, limit=20)
    wanted += await fill(past, 3)
    second = await page_of(past, after=first["events"][-1]["id"])
    assert wanted == texts(first, second)
    assert None is second["next"]


async def test_what_is_not_kept_any_more_is_declared(tmp_path: Path) -> None:
    """The first page begins behind it, and so does one that retention has overtaken."""
    few: Tables = {"journal": {"max_events_per_project": 10}, **SMALL}
    async with inside(tmp_path, few) as relay:
        await fill(relay, 15)
        before = await page_of(relay, limit=2)
        wanted = [f"line {number}" for number in range(15)]
        assert (True, wanted[:2]) == (before["whole"], texts(before))
        assert await relay.rooms.engine.past.retain(relay.rooms.clock.now())
        for page in (await page_of(relay), await page_of(relay, after=before["next"])):
            assert (False, wanted[-len(page["events"]) :]) == (page["whole"], texts(page))
            assert 0 < len(page["events"]) < 13


async def test_without_a_journal_memory_is_all_there_is(tmp_path: Path) -> None:
    """What it let go of is declared missing; while the journal that has it is away, that is what can be told."""
    async with inside(tmp_path, SMALL) as relay:
        wanted = await fill(relay, 20)
        relay.rooms.engine.past.close()
        page = await page_of(relay)
        assert (False, None) == (page["whole"], page["next"])
        assert 0 < len(page["events"]) < 20
        assert wanted[-len(page["events"]) :] == texts(page)


async def test_retention_that_overtakes_a_reader_is_declared(tmp_path: Path) -> None:
    """What was read and dropped in the same moment is a part, and never called whole."""
    async with inside(tmp_path, SMALL) as relay:
        wanted = await fill(relay, 20)
        first = await page_of(relay, limit=5)
        past, log_ = relay.rooms.engine.past, relay.rooms.engine.log
        async with past._retaining:
            asking = asyncio.create_task(page_of(relay))
            await relay.until(lambda: past._retaining._waiters)  # no other way to see it
            log_.raise_floor("p", Floor(decode(first["next"]).place(log_.epoch)))
        page = await asking
        assert (False, wanted[5:]) == (page["whole"], texts(page) + texts(*await behind(relay, page)))


async def behind(relay: InsideRelay, page: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the page behind one, if there is one."""
    return [] if page["next"] is None else [await page_of(relay, after=page["next"])]


async def test_a_journal_that_cannot_be_read_is_no_end(tmp_path: Path) -> None:
    """The caller is asked to come back."""
    async with inside(tmp_path, SMALL) as relay:
        await fill(relay, 20)
        assert relay.rooms.journal is not None
        await relay.rooms.journal.close()
        status, said = await relay.get(relay.project("p", "/export"))
        assert (503, "the relay can't read its journal; try again") == (status, said["detail"])


async def test_a_secret_that_no_rule_knew_is_hidden_on_its_way_out(tmp_path: Path) -> None:
    """The rules that hold now hold for what came in under others: in events and in what they came to."""
    async with inside(tmp_path) as relay:
        await relay.publish(
            {"type": "project_started", "project_id": "p", "timestamp": 1.0, "description": "for ADA-77"}
        )
        await relay.publish(log("p", "token=abcdefgh"), log("p", "nothing"), log("p", "also ADA-77", agent="ADA-77"))
        before = await page_of(relay)
        config = load(write_settings(tmp_path, {"redaction": {"patterns": [r"ADA-\d+"]}}), {}, settings_of)
        apply(relay.rooms, config)
        after = await page_of(relay)
        assert (0, 2) == (before["redacted"], after["redacted"])
        assert "for ADA-77" == before["snapshot"]["description"]
        assert "for [redacted]" == after["snapshot"]["description"]
        assert ["token=[redacted]", "nothing", "also [redacted]"] == [event["message"] for event in after["events"][1:]]
        # Who an event belongs to is no secret, whatever it is called.
        assert "ADA-77" == after["events"][3]["agent"]
        assert "p" == after["snapshot"]["project_id"]


async def test_a_state_keeps_its_shape_whatever_agents_are_called(relay: InsideRelay) -> None:
    """A name is no field: its card stays, without what is in it; what agents are judged by is nobody's to read."""
    card = {"type": "agent_status_update", "project_id": "p", "timestamp": 1.0, "agent": "token", "status": "working"}
    await relay.publish(card | {"progress": 40, "task": "uses token=abcdefgh"})
    state = (await page_of(relay))["snapshot"]
    assert {"token"} == state["agents"].keys()
    shown = state["agents"]["token"]
    assert ("working", 40, "uses token=[redacted]") == (shown["status"], shown["progress"], shown["task"])
    assert not {"worked_at", "evidence", "spent"} & {*shown, *state}


async def test_a_state_that_is_not_whole_is_no_end(relay: InsideRelay) -> None:
    """Half a state would be taken for all of it: the caller is asked to come back."""
    await relay.publish(log("p", "one"))
    cursor = (await page_of(relay))["events"][0]["id"]
    relay.rooms.engine.log.projects["p"].partial = True
    status, said = await relay.get(relay.project("p", "/export", after=cursor))
    assert (503, "the relay can't read its journal; try again") == (status, said["detail"])


async def test_what_is_removed_for_good_is_in_no_export(past: InsideRelay) -> None:
    """Neither out of memory nor out of the journal."""
    await fill(past, 20)
    everything = await pages_of(past, 100)
    events = [event for page in everything for event in page["events"]]
    # More than memory holds: of what lies before that, the journal has nothing either.
    for gone in events[:14]:
        await past.rooms.purging.event(gone["id"])
    pages = await pages_of(past, 100)
    assert [event["message"] for event in events[14:]] == texts(*pages)
    assert {True} == {page["whole"] for page in pages}


class Slow(Redactor):
    """A redactor that says when it has begun, and takes its time until something has happened."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.done = asyncio.Event()

    def suspects(self, body: bytes) -> bool:
        self.begun.set()
        if not self.done.is_set():
            time.sleep(0.005)
        return super().suspects(body)


async def test_what_is_removed_while_a_page_is_made_is_in_none_of_it(relay: InsideRelay) -> None:
    """Neither in its events nor in its state, whoever had a turn in between."""
    for body in range(3):
        await relay.publish(*(log("p", f"{body} {number} " + "x" * 5_000) for number in range(100)))
    first, *others = [event["id"] for event in (await page_of(relay))["events"]]
    relay.rooms.intake.redactor = slow = Slow()
    asking = asyncio.create_task(page_of(relay))
    await slow.begun.wait()
    await relay.rooms.purging.event(first)
    slow.done.set()
    page = await asking
    assert others == [event["id"] for event in page["events"]]
    assert 299 == page["snapshot"]["counts"]["workflow_log"]


@pytest.mark.parametrize(
    ("project", "query", "status"),
    [
        ("nobody", {}, 404), ("p", {"after": "nonsense"}, 400), ("p", {"limit": 0}, 400), ("p", {"limit": 1_001}, 400),
        ("p", {"after": "AST8hU7LAAAAAAAAAAAAAgAA0qa4aabJ"}, 400), ("..", {}, 404),
    ],
)  # fmt: skip
async def test_what_cannot_be_answered_is_named(
    relay: InsideRelay, project: str, query: dict[str, object], status: int
) -> None:
    """A project nobody spoke of, and parameters that can't be read or are of another log."""
    await fill(relay, 1)
    answered, said = await relay.get(relay.project(project, "/export", **query))
    assert status == answered
    assert said["detail"]


async def test_only_who_may_watch_may_export(relay: InsideRelay) -> None:
    """By the same question."""
    await relay.publish({"type": "project_started", "project_id": "p", "timestamp": 1.0, "owner": "ada"})
    bob = relay.bearer("bob", projects=["q"])["Authorization"]
    assert 403 == (await relay.get(relay.project("p", "/export"), Authorization=bob))[0]
    assert 401 == (await relay.get(relay.project("p", "/export"), Authorization="Bearer x"))[0]


def entry(size: int) -> Entry:
    """Return an entry of that many bytes."""
    return Entry(
        place=Place(0, 0), cursor="c", payload=b"x" * size, type="workflow_log", level=0, agent=None, received_at=0.0
    )


def test_a_page_is_bounded_by_bytes() -> None:
    """And has one event at least, however large."""
    half = entry(MAX_BYTES // 2)
    assert [half, half] == small([half, half, half])
    assert [entry(MAX_BYTES + 1)] == small([entry(MAX_BYTES + 1), half])
    assert [] == small([])
