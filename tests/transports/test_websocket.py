"""WebSocket as its two kinds of viewers see it: spoken over real sockets by a library of somebody else."""

from pathlib import Path
from typing import Any

import pytest

from relayd.protocol.cursor import Cursor, decode
from tests.harness.inside import InsideRelay, inside
from tests.harness.raw import upgraded
from tests.harness.settled import Event
from tests.harness.viewer import Viewer, log, watch

PATH = "/ws/admin/agent-swarm/p?token={}"


def agent(name: str, status: str = "working") -> Event:
    """Return what an agent does."""
    return {
        "type": "agent_status_update", "project_id": "p", "timestamp": 2.0, "agent": name, "status": status,
        "progress": 40,
    }  # fmt: skip


STORY: list[Event] = [
    {"type": "project_started", "project_id": "p", "timestamp": 1.0, "name": "Shop"},
    agent("coder"),
    {"type": "workflow_stage_update", "project_id": "p", "timestamp": 3.0, "stage": "testing", "message": "running"},
    {"type": "project_progress", "project_id": "p", "timestamp": 4.0, "progress": 65, "message": "Building"},
]


def another(cursor: str) -> str:
    """Return a cursor of the same place whose event is another one."""
    known = decode(cursor)
    return str(Cursor(known.log, known.offset, known.item, known.part, bytes(6)))


async def cursor_of(relay: InsideRelay, *events: Event) -> str:
    """Publish events and return the cursor behind them."""
    return str((await relay.publish(*events))["cursor"])


# -- the first words -----------------------------------------------------------------------------------------------


async def test_the_first_message_says_where_the_viewer_stands(relay: InsideRelay) -> None:
    """Cursor, head, state and limits come before anything that happened."""
    await relay.publish(*STORY)
    async with watch(relay, "p") as viewer:
        first = await viewer.frame()
    assert ("connection_established", "Real-time updates active", "p") == (
        first["type"], first["message"], first["project_id"],
    )  # fmt: skip
    assert (1, False, "tail") == (first["protocol"], first["recovered"], first["replay"])
    assert ("in_progress", 65) == (first["snapshot"]["status"], first["snapshot"]["progress"])
    assert {"connections_per_user": 5, "frames_per_second": 100, "max_backlog": 10_000} == first["limits"]
    assert relay.rooms.engine.log.head_cursor() == first["head"]
    assert {"connection_id", "cursor", "heartbeat_seconds", "server_time", "token_expires_at"} <= first.keys()


async def test_the_tail_follows_in_one_envelope(relay: InsideRelay) -> None:
    """In the log's order, each message with its cursor; the envelope's own is the last of them."""
    await relay.publish(*STORY)
    async with watch(relay, "p") as viewer:
        await viewer.frame()
        envelope = await viewer.frame()
    assert {"type", "messages", "cursor", "sent_at"} == envelope.keys()
    assert [event["type"] for event in STORY] == [message["type"] for message in envelope["messages"]]
    assert envelope["messages"][-1]["id"] == envelope["cursor"]


async def test_a_project_without_events_has_first_words_too(relay: InsideRelay) -> None:
    """A viewer may come before its project; it has a cursor from the first moment."""
    async with watch(relay, "p") as viewer:
        first = await viewer.frame()
        assert ("none", "0") == (first["replay"], first["cursor"])
        assert "snapshot" not in first
        await relay.publish(log("p", "now"))
        assert ["now"] == await viewer.lines(1)


async def test_tail_bounds_the_past(relay: InsideRelay) -> None:
    """The newest of them, and a cursor strictly before the first."""
    await relay.publish(*(log("p", str(number)) for number in range(5)))
    async with watch(relay, "p", tail=2) as viewer:
        first = await viewer.frame()
        assert ["3", "4"] == await viewer.lines(2)
    async with watch(relay, "p", after=first["cursor"]) as viewer:
        assert ["3", "4"] == await viewer.lines(2)


# -- who is modern ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["sub-protocol", "header", "address"])
async def test_a_token_comes_three_ways(relay: InsideRelay, way: str) -> None:
    """A browser can't set headers, and a proxy's log should not hold addresses with tokens."""
    token = relay.token()
    async with watch(
        relay,
        "p",
        subprotocols=["relayd.v1", *([f"bearer.{token}"] if way == "sub-protocol" else [])],
        headers={"Authorization": f"bearer {token}"} if way == "header" else None,
        token=token if way == "address" else None,
    ) as viewer:
        assert "connection_established" == (await viewer.frame())["type"]


async def test_the_relay_chooses_its_own_sub_protocol(relay: InsideRelay) -> None:
    """Never the one that carries the token: a browser would show it to the page."""
    async with watch(relay, "p") as viewer:
        assert "relayd.v1" == viewer.subprotocol


async def test_a_legacy_viewer_gets_a_frame_for_each_message(relay: InsideRelay) -> None:
    """The existing front end has no case for `batch`."""
    async with watch(relay, "p", legacy=True) as viewer:
        await viewer.frame()
        await relay.publish(*STORY)
        assert [event["type"] for event in STORY] == [(await viewer.frame())["type"] for _ in STORY]


async def test_a_legacy_viewer_is_told_the_state_in_words_it_knows(relay: InsideRelay) -> None:
    """Started, progress, agents and stage, made up by the relay; then the tail as it was."""
    await relay.publish(*STORY)
    async with watch(relay, "p", legacy=True, tail=1) as viewer:
        first = await viewer.frame()
        spoken = [await viewer.frame() for _ in range(4)]
        last = await viewer.frame()
    assert "snapshot" not in first
    assert ["project_started", "project_progress", "agent_status_update", "workflow_stage_update"] == [
        message["type"] for message in spoken
    ]
    assert all(message["synthetic"] and "id" not in message for message in spoken)
    assert ("Shop", 65, "coder", "testing") == (
        spoken[0]["name"], spoken[1]["progress"], spoken[2]["agent"], spoken[3]["stage"],
    )  # fmt: skip
    assert ("project_progress", False) == (last["type"], "synthetic" in last)


async def test_batch_makes_a_viewer_modern(relay: InsideRelay) -> None:
    """For clients that can't offer a sub-protocol."""
    await relay.publish(log("p", "one"), log("p", "two"))
    async with watch(relay, "p", legacy=True, batch=1) as viewer:
        assert ["connection_established", "batch"] == [(await viewer.frame())["type"] for _ in range(2)]


# -- back again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("legacy", [False, True])
async def test_a_resumed_viewer_gets_exactly_what_it_missed(relay: InsideRelay, legacy: bool) -> None:
    """No snapshot, spoken or not, no tail: the messages after the cursor and then live."""
    after = await cursor_of(relay, log("p", "seen"))
    await relay.publish(log("p", "missed"))
    async with watch(relay, "p", legacy=legacy, after=after) as viewer:
        first = await viewer.frame()
        assert (True, "resume", after) == (first["recovered"], first["replay"], first["cursor"])
        assert "snapshot" not in first
        await relay.publish(log("p", "live"))
        assert ["missed", "live"] == [(await viewer.message())["message"] for _ in range(2)]


async def test_a_cursor_of_another_event_is_a_gap(relay: InsideRelay) -> None:
    """Same place, other event: the viewer is told, and gets state and tail instead of a wrong past."""
    after = await cursor_of(relay, log("p", "one"))
    await relay.publish(log("p", "two"))
    async with watch(relay, "p", after=another(after)) as viewer:
        first = await viewer.frame()
        assert (False, "gap") == (first["recovered"], first["replay"])
        assert {"workflow_log": 2} == first["snapshot"]["counts"]
        assert ["one", "two"] == await viewer.lines(2)


# -- what is wanted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "heard"),
    [
        ({"types": "workflow_log"}, ["calm", "loud"]),
        ({"types": "project_progress,agent_status_update"}, ["agent_status_update", "project_progress"]),
        ({"level": "error", "types": "workflow_log"}, ["loud"]),
        ({"agent": "tester"}, ["project_progress", "loud"]),
        ({"q": "LOU"}, ["loud"]),
    ],
)
async def test_a_selection_holds_for_the_past_and_for_what_comes(
    relay: InsideRelay, wish: dict[str, Any], heard: list[str]
) -> None:
    """The same wishes pass the same messages, told from the tail or live."""
    story = [
        agent("coder"),
        {"type": "project_progress", "project_id": "p", "timestamp": 4.0, "progress": 65, "message": "Building"},
        log("p", "calm", agent="coder"),
        log("p", "loud", level="error", agent="tester"),
    ]
    await relay.publish(*story)
    async with watch(relay, "p", **wish) as viewer:
        await viewer.frame()

        async def names() -> list[str]:
            messages = [await viewer.message() for _ in heard]
            return [one["message"] if one["type"] == "workflow_log" else one["type"] for one in messages]

        assert heard == await names()
        await relay.publish(*story)
        assert heard == await names()


async def test_a_filter_changes_live_and_tells_from_where(relay: InsideRelay) -> None:
    """The notice names the cursor from which it holds."""
    async with watch(relay, "p") as viewer:
        await viewer.frame()
        after = await cursor_of(relay, log("p", "calm"))
        assert ["calm"] == await viewer.lines(1)
        await viewer.says({"type": "filter", "filter": {"level": "error"}})
        notice = await viewer.frame()
        assert ("FILTERED", "p") == (notice["code"], notice["project_id"])
        assert decode(after).offset == decode(notice["cursor"]).offset
        await relay.publish(log("p", "calm again"), log("p", "loud", level="error"))
        assert ["loud"] == await viewer.lines(1)


# -- signs of life -------------------------------------------------------------------------------------------------


async def test_pings_are_answered_in_kind(relay: InsideRelay) -> None:
    """A word with a word, JSON with how fresh the viewer is, a control frame with its own payload."""
    after = await cursor_of(relay, log("p", "one"))
    async with watch(relay, "p", after=after) as viewer:
        await viewer.frame()
        await viewer.says("ping")
        assert "pong" == await viewer.text()
        await viewer.says({"type": "ping"})
        pong = await viewer.frame()
        assert ("pong", relay.rooms.engine.log.head_cursor(), 0.0) == (pong["type"], pong["head"], pong["lag_seconds"])
        assert pong["head"] == pong["cursor"]
        assert "server_time" in pong
        await (await viewer.socket.ping(b"payload"))


async def test_an_unknown_command_is_passed_over(relay: InsideRelay) -> None:
    """A newer client may say more than this relay understands."""
    async with watch(relay, "p") as viewer:
        await viewer.frame()
        await viewer.says({"type": "dance", "how": "wildly"})
        await viewer.says("ping")
        assert "pong" == await viewer.text()


async def test_an_idle_viewer_is_pinged_and_a_silent_one_ended(tmp_path: Path) -> None:
    """Any inbound byte is life; a socket that answers nothing ends with 4408."""
    async with (
        inside(tmp_path, {"server": {"heartbeat_seconds": 1}}) as relay,
        upgraded(relay, PATH.format(relay.token()) + "&batch=1") as socket,
    ):
        opcodes = [(await socket.frame())[0] for _ in range(2)]
        assert [1, 9] == opcodes
        assert 4408 == await socket.close_code()


# -- refresh -------------------------------------------------------------------------------------------------------


async def test_a_live_token_that_expires_ends_the_connection(tmp_path: Path) -> None:
    """The viewer is warned first, and ended once the grace is over."""
    async with (
        inside(tmp_path, {"auth": {"grace_seconds": 0.2, "leeway_seconds": 0}}) as relay,
        watch(relay, "p", token=relay.token(ttl=1.5)) as viewer,
    ):
        code, reason = await viewer.ending()
    assert (4410, "TOKEN_EXPIRED: the token has expired; get a new one and resume with your cursor") == (code, reason)
    assert "TOKEN_EXPIRING" in [frame.get("code") for frame in viewer.frames]


async def test_a_refreshed_connection_outlives_its_first_token(tmp_path: Path) -> None:
    """The newer token's expiry counts from then on."""
    async with (
        inside(tmp_path, {"auth": {"grace_seconds": 0, "leeway_seconds": 0}}) as relay,
        watch(relay, "p", token=relay.token(ttl=1.5)) as viewer,
    ):
        await viewer.says({"type": "refresh", "token": relay.token(ttl=3)})
        code, _ = await viewer.ending()
    (notice,) = [frame for frame in viewer.frames if frame.get("code") == "REFRESHED"]
    (first,) = [frame for frame in viewer.frames if frame["type"] == "connection_established"]
    assert 4410 == code
    assert first["token_expires_at"] < notice["data"]["token_expires_at"] <= relay.rooms.clock.now()


@pytest.mark.parametrize("user", ["eve", None])
async def test_a_bad_refresh_ends_the_connection(relay: InsideRelay, user: str | None) -> None:
    """A token that is no token, or that is another user's."""
    async with watch(relay, "p") as viewer:
        await viewer.says({"type": "refresh", "token": "no token" if user is None else relay.token(user)})
        code, reason = await viewer.ending()
    assert 4401 == code
    assert reason.startswith("AUTH_FAILED: the ")


# -- many projects on one socket -----------------------------------------------------------------------------------


async def established(viewer: Viewer) -> dict[str, Any]:
    """Return the next opening."""
    return await viewer.hears("connection_established")


async def test_one_socket_carries_many_projects(relay: InsideRelay) -> None:
    """Each has its first words; an envelope has a cursor for each project in it."""
    await relay.publish(log("a", "a1"))
    async with watch(relay, None) as viewer:
        await viewer.says({"type": "subscribe", "project_id": "a"})
        assert "a" == (await established(viewer))["project_id"]
        assert ["a1"] == await viewer.lines(1)
        await viewer.says({"type": "subscribe", "project_id": "b"})
        assert "b" == (await established(viewer))["project_id"]
        await relay.publish(log("a", "a2"), log("b", "b1"))
        envelope = await viewer.frame()
    assert ["a2", "b1"] == [message["message"] for message in envelope["messages"]]
    assert {message["project_id"]: message["id"] for message in envelope["messages"]} == envelope["cursors"]


async def test_a_subscription_resumes_and_filters_on_its_own(relay: InsideRelay) -> None:
    """`after` and `filter` belong to one project of the socket."""
    after = await cursor_of(relay, log("a", "seen"))
    await relay.publish(log("a", "calm"), log("a", "loud", level="error"), log("b", "b1"))
    async with watch(relay, None) as viewer:
        await viewer.says({"type": "subscribe", "project_id": "a", "after": after, "filter": {"level": "error"}})
        first = await established(viewer)
        assert ("a", True) == (first["project_id"], first["recovered"])
        assert ["loud"] == await viewer.lines(1)
        await viewer.says({"type": "filter", "project_id": "a", "filter": {}})
        assert ("FILTERED", "a") == ((notice := await viewer.frame())["code"], notice["project_id"])
        await relay.publish(log("a", "calm again"))
        assert ["calm again"] == await viewer.lines(1)


async def test_an_unsubscribed_project_falls_silent(relay: InsideRelay) -> None:
    """A notice says so; the socket stays for the others."""
    async with watch(relay, None) as viewer:
        for project_id in ("a", "b"):
            await viewer.says({"type": "subscribe", "project_id": project_id})
            await established(viewer)
        await viewer.says({"type": "unsubscribe", "project_id": "a"})
        assert ("UNSUBSCRIBED", "a") == ((notice := await viewer.frame())["code"], notice["project_id"])
        await viewer.says({"type": "unsubscribe", "project_id": "a"})
        assert "NOT_SUBSCRIBED" == (await viewer.frame())["code"]
        await relay.publish(log("a", "a1"), log("b", "b1"))
        assert ["b1"] == await viewer.lines(1)


@pytest.mark.parametrize(
    ("command", "code", "detail"),
    [
        ({"type": "subscribe", "project_id": "hers"}, "FORBIDDEN", "you may not see this project; ask its owner"),
        ({"type": "subscribe", "project_id": "mine"}, "BAD_REQUEST", "subscribed already; unsubscribe first"),
        ({"type": "subscribe", "project_id": "ours"}, "TOO_MANY_CONNECTIONS", "2 subscriptions are the most"),
        (
            {"type": "subscribe", "project_id": "nobodys"},
            "OVERLOADED",
            "whether you may see this project can't be told",
        ),
        ({"type": "filter", "filter": {}}, "NOT_SUBSCRIBED", "name the `project_id` of a subscription"),
    ],
)
async def test_a_refused_subscription_is_a_notice(
    tmp_path: Path, command: dict[str, Any], code: str, detail: str
) -> None:
    """It names the project and the mend; the socket stays."""
    async with inside(tmp_path, {"limits": {"max_subscriptions": 2}}) as relay:
        await relay.publish({"type": "project_started", "project_id": "hers", "timestamp": 1.0, "owner": "eve"})
        async with watch(relay, None, token=relay.token(projects=["mine", "too", "ours"])) as viewer:
            subscribed = ["mine"] if command.get("project_id") in {"hers", "nobodys"} else ["mine", "too"]
            for project_id in subscribed:
                await viewer.says({"type": "subscribe", "project_id": project_id})
                await established(viewer)
            await viewer.says(command)
            notice = await viewer.frame()
            assert ("notice", code) == (notice["type"], notice["code"])
            assert detail in notice["detail"]
            assert command.get("project_id") == notice.get("project_id")
            await viewer.says("ping")
            assert "pong" == await viewer.text()


async def test_a_socket_for_one_takes_no_second(relay: InsideRelay) -> None:
    """The notice names the way."""
    async with watch(relay, "p") as viewer:
        await viewer.frame()
        await viewer.says({"type": "subscribe", "project_id": "q"})
        assert "this socket is for one project; use the one for many" == (await viewer.frame())["detail"]
