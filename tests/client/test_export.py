from typing import Any

import pytest

from relayd.client.backoff import Backoff
from relayd.client.export import TRIES, Page, export
from relayd.client.http import Refused, Unreachable
from tests.client.small_relay import SmallRelay, log, on_stage

QUICK = Backoff(floor=0.001, cap=0.002)
BUSY = (500, {"detail": "try again", "code": "SERVER_ERROR"})


def page(*cursors: str, following: str | None = None, **more: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
    """Return an answer of the relay."""
    events = [log(cursor) for cursor in cursors]
    answer = {"project_id": "p", "protocol": 1, "whole": True, "events": events, "redacted": 0, "next": following}
    return 200, {**answer, **more}


async def read(relay: SmallRelay, project_id: str = "p") -> list[Page]:
    """Return all pages."""
    return [each async for each in export(relay.url, "t", project_id, backoff=QUICK)]


async def test_pages_are_asked_for_until_the_last(relay: SmallRelay) -> None:
    """Each behind the one before, with the token in the header."""
    relay.answers = [page("c1", "c2", following="c2"), page("c3", snapshot={"status": "failed"}, whole=False)]
    first, second = await read(relay)
    assert [2, 1] == [len(each.events) for each in (first, second)]
    assert (True, {}, False, {"status": "failed"}) == (first.whole, first.snapshot, second.whole, second.snapshot)
    assert [None, "c2"] == [request.query.get("after") for request in relay.posted]
    assert {"GET /v1/public/agent-swarms/projects/p/export"} == {request.path for request in relay.posted}
    assert {"Bearer t"} == {request.headers["Authorization"] for request in relay.posted}


async def test_a_relay_that_was_there_is_insisted_on(relay: SmallRelay) -> None:
    """A long project outlives a restart of its relay: the page is asked for again, and no other."""
    relay.answers = [page("c1", following="c1"), BUSY, BUSY, page("c2")]
    assert ["c1", "c2"] == [bytes(each.events[0]).decode().partition('"id": "')[2][:2] for each in await read(relay)]
    assert [None, "c1", "c1", "c1"] == [request.query.get("after") for request in relay.posted]


async def test_patience_ends(relay: SmallRelay) -> None:
    """With the relay's sentence."""
    relay.answers = [page("c1", following="c1"), *[BUSY] * TRIES]
    with pytest.raises(Refused, match="try again"):
        await read(relay)
    assert TRIES + 1 == len(relay.posted)


async def test_what_will_not_pass_is_not_insisted_on(relay: SmallRelay) -> None:
    """A cursor that is of another log by now stays so; the first question is asked once."""
    relay.answers = [page("c1", following="c1"), (400, {"detail": "of another log", "code": "BAD_REQUEST"})]
    with pytest.raises(Refused, match="of another log"):
        await read(relay)
    relay.answers = [BUSY]
    with pytest.raises(Refused, match="try again"):
        await read(relay)


async def test_a_relay_that_is_away_is_unreachable() -> None:
    """And an address that is none, or a project that is none, is said at once."""
    relay = SmallRelay()
    async with on_stage(relay):
        pass
    with pytest.raises(Unreachable):
        await read(relay)
    with pytest.raises(ValueError, match="is no project id"):
        await read(relay, "../secrets")
