"""What a viewer says, and what it is answered."""

import asyncio

import pytest

from relayd.core.access import Decision, Viewer
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.disconnect import Disconnect
from relayd.relay.hearing import plain
from relayd.testing.world import settle
from tests.relay.stage import Relay, assert_hears, assert_leaves, assert_stays, line

# -- signs of life ----------------------------------------------------------------------------------------------------


async def test_a_word_is_answered_with_a_word(relay: Relay) -> None:
    """The existing front end knows no more."""
    viewer = await relay.watches(legacy=True)
    await viewer.says("ping")
    assert b"pong" == viewer.wire.sent[-1]
    await viewer.says("pong")
    assert b"pong" == viewer.wire.sent[-1]
    assert_stays(viewer)


async def test_json_is_answered_with_how_fresh_the_viewer_is(relay: Relay) -> None:
    """The cursor moves with the log, even if nothing of its project came."""
    viewer = await relay.watches()
    relay.says(line("a", "q"))
    await viewer.says({"type": "ping"})
    pong = viewer.of("pong")[-1]
    assert relay.log.head_cursor() == pong["cursor"] == pong["head"]
    assert (relay.clock.now(), 0.0) == (pong["server_time"], pong["lag_seconds"])


async def test_a_relay_that_lags_does_not_say_that_it_is_level(relay: Relay) -> None:
    """It says since when it is not; if it never was, it can't know."""
    viewer = await relay.watches(None)
    relay.says("a")
    relay.source.say(b"1", b"2")
    await viewer.says({"type": "ping"})
    pong = viewer.of("pong")[-1]
    assert "lag_seconds" not in pong
    assert "cursor" not in pong
    relay.says("b")
    await viewer.says({"type": "ping"})
    relay.source.connected = False
    await asyncio.sleep(3)
    await viewer.says({"type": "ping"})
    assert [0, pytest.approx(3, abs=0.1)] == [pong["lag_seconds"] for pong in viewer.of("pong")[1:]]


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"type":1}', '{"type":"filter"}', '{"type":"subscribe"}'])
async def test_a_frame_that_can_t_be_read_ends_it(relay: Relay, text: str) -> None:
    """With the field and the mend."""
    viewer = await relay.watches()
    await viewer.says(text)
    assert_leaves(viewer, Disconnect.BAD_REQUEST)


async def test_what_newer_clients_say_is_counted(relay: Relay) -> None:
    """And otherwise ignored, so that they keep working."""
    viewer = await relay.watches()
    frames = len(viewer.wire.sent)
    await viewer.says({"type": "dance"})
    assert_stays(viewer)
    assert frames == len(viewer.wire.sent)
    noticed = ("command_ignored", {"connection_id": viewer.session.grant.connection_id})
    assert [noticed] == relay.observer.of("noticed")


# -- subscriptions ----------------------------------------------------------------------------------------------------


async def test_a_project_is_added_and_taken_off(relay: Relay) -> None:
    """It begins with its opening and ends with a notice."""
    relay.says("a")
    viewer = await relay.watches(None)
    await viewer.says({"type": "subscribe", "project_id": "p"})
    assert ["tail"] == viewer.openings()
    assert_hears(viewer, "a")
    await viewer.says({"type": "unsubscribe", "project_id": "p"})
    assert {"type": "notice", "code": "UNSUBSCRIBED", "project_id": "p"} == viewer.messages()[-1]
    relay.says("b")
    assert_hears(viewer)
    await viewer.says({"type": "unsubscribe", "project_id": "p"})
    assert "NOT_SUBSCRIBED" == viewer.codes()[-1]


async def test_a_project_is_added_again_from_its_cursor(relay: Relay) -> None:
    """With what the socket heard of it, resumed exactly."""
    viewer = await relay.watches(None)
    await viewer.says({"type": "subscribe", "project_id": "p"})
    relay.says("a")
    cursor = viewer.frames()[-1]["cursors"]["p"]
    await viewer.says({"type": "unsubscribe", "project_id": "p"})
    relay.says("b", line("c", level="error"))
    await viewer.says(
        {"type": "subscribe", "project_id": "p", "after": cursor, "filter": {"level": "error"}},
    )
    assert ["none", "resume"] == viewer.openings()
    assert_hears(viewer, "a", "c")
    assert {"p"} == viewer.frames()[-1]["cursors"].keys()


async def test_a_refusal_is_a_notice_and_the_socket_stays(relay: Relay) -> None:
    """Named as an ending would be, with the project it concerns."""
    relay.authorizer.decisions["q"] = Decision.DENIED
    viewer = await relay.watches(None)
    await viewer.says({"type": "subscribe", "project_id": "q"})
    await viewer.says({"type": "subscribe", "project_id": "p", "after": "nonsense"})
    await viewer.says({"type": "subscribe", "project_id": "p"})
    await viewer.says({"type": "subscribe", "project_id": "p"})
    assert [("FORBIDDEN", "q"), ("BAD_REQUEST", "p"), ("BAD_REQUEST", "p")] == [
        (notice["code"], notice["project_id"]) for notice in viewer.of("notice")
    ]
    assert ["forbidden", "bad_cursor", "twice"] == [reason for _, _, reason in relay.observer.of("refused")]
    assert "unsubscribe first" in viewer.of("notice")[-1]["detail"]
    assert_stays(viewer)
    relay.says("a")
    assert_hears(viewer, "a")


async def test_a_socket_for_one_takes_no_more(relay: Relay) -> None:
    """There is another for many."""
    viewer = await relay.watches()
    await viewer.says({"type": "subscribe", "project_id": "q"})
    assert ["BAD_REQUEST"] == viewer.codes()
    assert "the one for many" in viewer.of("notice")[0]["detail"]


async def test_there_is_a_most_of_subscriptions() -> None:
    """The one above it is refused, the others go on."""
    relay = await Relay.begin(max_subscriptions=2)
    viewer = await relay.watches(None)
    for project_id in "pqr":
        await viewer.says({"type": "subscribe", "project_id": project_id})
    assert ["TOO_MANY_CONNECTIONS"] == viewer.codes()
    assert {"p", "q"} == viewer.session.subscriptions.keys()
    await relay.end()


async def test_a_subscription_granted_to_a_socket_that_left_is_none(relay: Relay) -> None:
    """It left while somebody looked the project up."""
    viewer = await relay.watches(None)
    viewer.session.close(Disconnect.NORMAL)
    await viewer.says({"type": "subscribe", "project_id": "p"})
    assert not relay.log.projects["p"].channel


# -- filters ----------------------------------------------------------------------------------------------------------


async def test_a_filter_changes_live(relay: Relay) -> None:
    """A notice names the cursor from which it holds."""
    viewer = await relay.watches()
    (before,) = relay.says("a")
    await viewer.says({"type": "filter", "filter": {"level": "error"}})
    notice = viewer.of("notice")[-1]
    assert ("FILTERED", "p", before.cursor) == (notice["code"], notice["project_id"], notice["cursor"])
    relay.says("b", line("c", level="error"))
    assert_hears(viewer, "a", "c")
    await viewer.says({"type": "filter", "filter": {}})
    assert EVERYTHING is viewer.subscription.selection
    relay.says("d")
    assert_hears(viewer, "d")


async def test_a_filter_names_its_project_where_there_are_many(relay: Relay) -> None:
    """One alone needs no name; a name that is not subscribed is told."""
    viewer = await relay.watches(None)
    await viewer.says({"type": "filter", "filter": {}})
    await viewer.says({"type": "subscribe", "project_id": "p"})
    await viewer.says({"type": "filter", "filter": {"level": "error"}})
    await viewer.says({"type": "subscribe", "project_id": "q"})
    await viewer.says({"type": "filter", "filter": {"level": "error"}})
    await viewer.says({"type": "filter", "project_id": "r", "filter": {}})
    await viewer.says({"type": "filter", "project_id": "q", "filter": {"q": "word"}})
    assert ["NOT_SUBSCRIBED", "FILTERED", "NOT_SUBSCRIBED", "NOT_SUBSCRIBED", "FILTERED"] == viewer.codes()
    relay.says(line("a"), line("b", level="error"), line("word", "q"), line("c", "q"))
    assert_hears(viewer, "b", "word")


def test_no_selection_has_one_value() -> None:
    """The way out knows it by identity."""
    assert EVERYTHING is plain(Selection())
    assert Selection(q="a") == plain(Selection(q="a"))


# -- tokens -----------------------------------------------------------------------------------------------------------


async def test_a_newer_token_goes_on(relay: Relay) -> None:
    """Until it expires itself."""
    relay.viewer("ada", seconds=100)
    viewer = await relay.watches(user="ada")
    expires_at = relay.clock.now() + 1_000
    relay.verifier.tokens["newer"] = Viewer(user="ada", expires_at=expires_at)
    await viewer.says({"type": "refresh", "token": "newer"})
    assert {"token_expires_at": expires_at} == viewer.of("notice")[-1]["data"]
    relay.clock.advance(500)
    await settle()
    assert_stays(viewer)
    assert ["REFRESHED"] == viewer.codes()
    relay.clock.advance(450)
    await settle()
    assert ["REFRESHED", "TOKEN_EXPIRING"] == viewer.codes()
    relay.clock.advance(70)
    await settle()
    assert_leaves(viewer, Disconnect.TOKEN_EXPIRED)


@pytest.mark.parametrize("token", ["bad", "eve"])
async def test_a_bad_token_or_another_user_s_ends_it(relay: Relay, token: str) -> None:
    """A connection does not change hands."""
    relay.viewer("eve")
    viewer = await relay.watches(user="ada")
    await viewer.says({"type": "refresh", "token": token})
    assert_leaves(viewer, Disconnect.AUTH_FAILED)


async def test_a_token_for_a_session_that_has_ended_sets_no_timer(relay: Relay) -> None:
    """Frames may come in until the socket is closed."""
    viewer = await relay.watches(user="ada")
    viewer.session.close(Disconnect.RESTARTING)
    timer = viewer.session._expiry.timer
    await viewer.says({"type": "refresh", "token": "ada"})
    assert timer is viewer.session._expiry.timer
    assert timer is not None
    assert timer.cancelled()
