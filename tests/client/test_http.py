from pathlib import Path

import pytest
from aiohttp import web

from relayd.client.http import Admin, Refused, RejectedPage, Unreachable, post_events
from tests.client.small_relay import SmallRelay

RECEIPT = {
    "cursor": "c7",
    "accepted": 2,
    "repeated": 1,
    "rejected": [{"reason": "not_json", "detail": "no"}],
}


async def test_events_are_posted_as_they_are(relay: SmallRelay) -> None:
    """The bytes arrive untouched with the token, and the receipt is read."""
    relay.answers = [(200, RECEIPT)]
    accepted = await post_events(relay.url, "token", b'[{"a":1}]', message_id="m-1")
    (request,) = relay.posted
    assert request.path == "POST /v1/internal/events"
    assert request.body == b'[{"a":1}]'
    assert request.headers["Authorization"] == "Bearer token"
    assert request.headers["Message-Id"] == "m-1"
    assert (accepted.cursor, accepted.accepted, accepted.repeated) == ("c7", 2, 1)
    assert accepted.rejected[0].reason == "not_json"


async def test_a_refusal_says_the_sentence_of_the_relay(relay: SmallRelay) -> None:
    """Status, code, sentence and the time to wait are all there."""
    relay.answers = [(429, {"detail": "slow down", "code": "RATE_LIMITED"})]
    with pytest.raises(Refused, match="slow down") as refused:
        await post_events(relay.url, None, b"{}")
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (429, "RATE_LIMITED", 7)


async def test_a_stranger_that_answers_is_recognised(relay: SmallRelay) -> None:
    """Something else on that port is said to be something else."""
    relay.answers = [(200, {"hello": "world"})]
    with pytest.raises(Unreachable, match="no relay of this version"):
        await post_events(relay.url, None, b"{}")


async def test_nobody_there_is_told(unused_tcp_port: int) -> None:
    """A closed port is named with its address."""
    with pytest.raises(Unreachable, match=f"127.0.0.1:{unused_tcp_port}"):
        await post_events(f"http://127.0.0.1:{unused_tcp_port}", None, b"{}")


async def test_rejected_events_are_listed_shown_and_replayed(relay: SmallRelay) -> None:
    """The admin listener is asked on its own paths."""
    row = {"number": 4, "reason": "not_json", "detail": "no", "received_at": 1.0, "bytes": 5}
    relay.answers = [(200, {"rejected": [row], "next": 2}), (200, row | {"body_base64": "e29vcHM="}), (200, {})]
    async with Admin(relay.url) as admin:
        page = await admin.list_rejected(limit=10, before=9)
        shown = await admin.show_rejected(4)
        await admin.replay(4, again=True)
    assert (page.rejected[0].number, page.next) == (4, 2)
    assert (shown.body, shown.size) == (b"{oops", 5)
    assert [request.path for request in relay.posted] == ["GET /rejected", "GET /rejected/4", "POST /rejected/4/replay"]
    assert [{"limit": "10", "before": "9"}, {}, {"again": "1"}] == [request.query for request in relay.posted]


async def test_the_admin_listener_may_be_a_unix_socket(tmp_path: Path) -> None:
    """An operator on the machine needs no port."""

    async def rejected(_: web.Request) -> web.Response:
        return web.json_response({"rejected": []})

    app = web.Application()
    app.router.add_get("/rejected", rejected)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "admin.sock")).start()
    try:
        async with Admin(f"unix:{tmp_path}/admin.sock") as admin:
            assert await admin.list_rejected(limit=1) == RejectedPage([])
    finally:
        await runner.cleanup()
