"""How commands reach the admin listener."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.listener import run
from relayd.client.http import Admin
from tests.client.small_relay import SmallRelay


async def asking(there: Admin) -> dict[str, int]:
    """Ask for something."""
    return await there.order("POST", "/x", dict[str, int], order={"a": 1}, query={"q": "1"})


async def test_what_is_answered_is_returned(relay: SmallRelay) -> None:
    """The order is JSON, the question stands in the address."""
    relay.answers = [(200, {"n": 7})]
    assert {"n": 7} == await asyncio.to_thread(run, relay.url, asking, absent="is not there")
    assert [("POST /x", {"q": "1"}, b'{"a":1}')] == [(one.path, one.query, one.body) for one in relay.posted]


async def test_a_unix_socket_is_as_good(tmp_path: Path) -> None:
    """As the shipped unit has it."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"n": 8})

    app = web.Application()
    app.router.add_post("/x", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "admin.sock")).start()
    try:
        assert {"n": 8} == await asyncio.to_thread(run, f"unix:{tmp_path}/admin.sock", asking, absent="is not there")
    finally:
        await runner.cleanup()


async def test_a_page_that_is_not_there_is_explained(relay: SmallRelay) -> None:
    """By the command's own words; a relay that says why is quoted."""
    relay.answers = [(404, {}), (404, {"detail": "no such thing", "code": "NOT_FOUND"})]
    with pytest.raises(CommandFailed, match=f"{relay.url} is not there") as absent:
        await asyncio.to_thread(run, relay.url, asking, absent="is not there")
    with pytest.raises(CommandFailed, match=r"no such thing \(NOT_FOUND\)") as refused:
        await asyncio.to_thread(run, relay.url, asking, absent="is not there")
    assert (Exit.UNAVAILABLE, Exit.DATA) == (absent.value.status, refused.value.status)
