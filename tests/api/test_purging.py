import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, web
from pytest_aiohttp import AiohttpClient

from relayd.api.purging import purge_routes
from relayd.ports import JournalError
from relayd.protocol.cursor import BadCursorError
from relayd.relay.purging import NotThere, Purging, Removed, TooMany
from tests.harness.follower import until


class Told(Purging):
    """Removes what it is told to, or fails as it is told."""

    def __init__(self, *, left: Sequence[str] = (), lasting: bool = True, replays: bool = False) -> None:
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self._removed = Removed(events=3, lasting=lasting, left=left)
        self._replays = replays

    @property
    def replays(self) -> bool:
        return self._replays

    async def project(self, project_id: str) -> Removed:
        return await self._answer(f"project {project_id}")

    async def event(self, text: str) -> Removed:
        return await self._answer(f"event {text}")

    async def _answer(self, what: str) -> Removed:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.asked.append(what)
        return self._removed


async def posted(aiohttp_client: AiohttpClient, told: Told, body: object) -> tuple[int, dict[str, Any]]:
    """Return status and answer."""
    app = web.Application()
    app.add_routes(purge_routes(told))
    client = await aiohttp_client(app)
    answer = await client.post("/purge", **({"data": body} if isinstance(body, bytes) else {"json": body}))
    return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("body", "asked"), [({"project": "shop-1"}, "project shop-1"), ({"event": "cursor"}, "event cursor")]
)
async def test_one_of_both_is_removed(aiohttp_client: AiohttpClient, body: dict[str, str], asked: str) -> None:
    """How many events that were is answered, and nothing else where there is nothing to say."""
    told = Told()
    answer = {"events": 3, "lasting": True, "left": [], "notes": []}
    assert (200, answer) == await posted(aiohttp_client, told, body)
    assert [asked] == told.asked


async def test_where_else_it_may_be_is_said(aiohttp_client: AiohttpClient) -> None:
    """In files that were moved aside, in the stream, at other relays, and here again after a restart."""
    told = Told(left=["a.damaged-1", "a.damaged-2"], lasting=False, replays=True)
    _, answer = await posted(aiohttp_client, told, {"project": "p"})
    assert (False, ["a.damaged-1", "a.damaged-2"]) == (answer["lasting"], answer["left"])
    aside, passing, stream, others = answer["notes"]
    assert "a.damaged-1, a.damaged-2; delete them" in aside
    assert "forgotten when this relay stops" in passing
    assert "until its retention drops it" in stream
    assert "other relays" in others


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "say what to remove"),
        ({"project": "p", "event": "c"}, "say what to remove"),
        ({"project": 3}, r"Expected `str | null`, got `int` - at `$.project`"),
        ({"projects": "p"}, "unknown field `projects`"),
        (b"{", "the body: "),
    ],
)
async def test_what_is_not_clear_removes_nothing(aiohttp_client: AiohttpClient, body: object, sentence: str) -> None:
    """A misspelt field is no wish for something else."""
    told = Told()
    status, answer = await posted(aiohttp_client, told, body)
    assert (400, "BAD_REQUEST") == (status, answer["code"])
    assert sentence in answer["detail"]
    assert [] == told.asked


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (BadCursorError("no cursor"), 400, "BAD_REQUEST"),
        (NotThere("nobody"), 404, "NOT_FOUND"),
        (TooMany("10,000"), 409, "BAD_REQUEST"),
        (JournalError("the disk is full"), 503, "UNAVAILABLE"),
    ],
)
async def test_why_it_could_not_be_removed(
    aiohttp_client: AiohttpClient, failure: Exception, status: int, code: str
) -> None:
    """Each with its sentence."""
    told = Told()
    told.failure = failure
    found, answer = await posted(aiohttp_client, told, {"event": "x"})
    assert (status, code) == (found, answer["code"])
    assert str(failure) in answer["detail"]


async def test_what_was_begun_is_ended(aiohttp_client: AiohttpClient) -> None:
    """Whoever asked may hang up: half of a purge would be none."""
    told = Told()
    told.gate.clear()
    app = web.Application()
    app.add_routes(purge_routes(told))
    client = await aiohttp_client(app)
    async with ClientSession(timeout=ClientTimeout(total=0.2)) as http:
        with pytest.raises(TimeoutError):
            await http.post(client.make_url("/purge"), json={"project": "p"})
    told.gate.set()
    await until(lambda: bool(told.asked))
    assert ["project p"] == told.asked
