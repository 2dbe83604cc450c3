"""One connection from its first word to its end: many may want the end, it comes once."""

import asyncio

import pytest

from relayd.core.pacing import Pace
from relayd.protocol.commands import Selection
from relayd.protocol.disconnect import Disconnect
from relayd.relay.refusal import Refused
from relayd.relay.session import Session
from relayd.testing.viewers import FakeEncoding, FakeWire
from relayd.testing.world import settle
from tests.relay.stage import Relay, assert_hears, assert_leaves, assert_stays, line

ERRORS = Selection(level="error")


# -- the end --------------------------------------------------------------------------------------------------------


async def test_the_end_comes_once_and_the_first_reason_stands(relay: Relay) -> None:
    """Whoever comes later changes nothing."""
    viewer = await relay.watches()
    viewer.session.close(Disconnect.RESTARTING, retry_after_ms=7)
    viewer.session.close(Disconnect.NORMAL, "too late")
    ending = viewer.session.ended.result()
    assert (Disconnect.RESTARTING, "restarting", 7) == (ending.disconnect, ending.sentence, ending.retry_after_ms)
    assert 1 == len(relay.observer.of("disconnected"))


async def test_the_place_is_free_before_anything_is_awaited(relay: Relay) -> None:
    """A reconnect must not find its own old place taken; the channel is left in the same moment."""
    viewer = await relay.watches(user="ada")
    viewer.session.close(Disconnect.NORMAL)
    assert {"fake": 0} == relay.presence.counts()
    assert not relay.log.projects["p"].channel
    assert {} == viewer.session.subscriptions


async def test_the_advice_comes_from_the_table(relay: Relay) -> None:
    """Unless whoever ends it knows better."""
    viewer = await relay.watches()
    viewer.session.close(Disconnect.OVERLOADED, "full")
    assert 5_000 == viewer.session.ended.result().retry_after_ms


async def test_the_end_is_one_line_that_says_it_all(relay: Relay) -> None:
    """Who, where, how long, how many frames."""
    viewer = await relay.watches(user="ada", remote="192.0.2.1")
    viewer.session.count_frame()
    await asyncio.sleep(2)
    viewer.session.close(Disconnect.NORMAL)
    ((summary, disconnect),) = relay.observer.of("disconnected")
    assert Disconnect.NORMAL is disconnect
    assert {
        "connection_id": viewer.session.grant.connection_id,
        "transport": "fake",
        "user": "ada",
        "project_id": "p",
        "remote": "192.0.2.1",
        "seconds": 2.0,
        "frames_in": 1,
    } == summary


async def test_the_end_stops_a_catch_up_that_waits(relay: Relay) -> None:
    """Nothing is written to a socket that is being closed."""
    viewer = await relay.watches()
    viewer.wire.fill()
    relay.says("a")
    await settle()
    viewer.session.close(Disconnect.NORMAL)
    viewer.wire.take()
    await settle()
    assert_hears(viewer)
    assert not relay.log.projects["p"].channel


async def test_a_session_that_has_ended_takes_no_subscription(relay: Relay) -> None:
    """Nobody would take it off again, and the project would stay in memory for ever."""
    viewer = await relay.watches(None)
    viewer.session.close(Disconnect.NORMAL)
    project = await relay.admission.open("p")
    viewer.session.subscribe(project, ERRORS, after=None, tail=0, verdict=None)
    await settle()
    assert not project.channel
    assert {} == viewer.session.subscriptions


async def test_one_who_is_evicted_before_its_session_exists_leaves_at_once(relay: Relay) -> None:
    """Its successor came while it shook hands; no timer stays behind for it."""
    grant = await relay.admission.admit(relay.asks(user="ada", session="tab"))
    await relay.admission.admit(relay.asks(user="ada", session="tab"))
    session = Session(relay.engine, grant, FakeWire(), many=False)
    assert Disconnect.REPLACED is session.ended.result().disconnect
    assert session._expiry.timer is None


async def test_a_refusal_behind_the_door_is_an_ending(relay: Relay) -> None:
    """Somebody was let in, and then the journal could not be read."""
    viewer = await relay.watches()
    with viewer.session.net():
        raise Refused(Disconnect.OVERLOADED, "try again", "journal")
    assert_leaves(viewer, Disconnect.OVERLOADED)
    assert "try again" == viewer.session.ended.result().sentence


async def test_who_is_gone_or_takes_nothing_has_an_ending_and_was_not_merely_slow(relay: Relay) -> None:
    """What is counted as slow is what was caught up."""
    gone, stuck = await relay.watches(), await relay.watches()
    gone.wire.fill()
    stuck.wire.fill()
    relay.says("a")
    gone.wire.leave()
    await asyncio.sleep(relay.engine.limits.stuck_seconds + 1)
    assert_leaves(gone, Disconnect.NORMAL)
    assert_leaves(stuck, Disconnect.STUCK)
    assert [] == relay.observer.of("fell_behind")


async def test_who_chooses_anew_was_not_slow(relay: Relay) -> None:
    """It left its group of its own will, and its socket had taken everything."""
    viewer = await relay.watches()
    relay.says("a")
    viewer.session.select(viewer.subscription, ERRORS)
    await settle()
    assert viewer.subscription.live
    assert [] == relay.observer.of("fell_behind")


# -- tokens that expire -----------------------------------------------------------------------------------------------


async def test_a_legacy_viewer_gets_no_notice(relay: Relay) -> None:
    """It has no case for one."""
    relay.viewer("ada", seconds=30)
    viewer = await relay.watches(user="ada", legacy=True)
    await asyncio.sleep(20)
    assert [] == viewer.codes()
    assert_stays(viewer)
    await asyncio.sleep(30)
    assert_leaves(viewer, Disconnect.TOKEN_EXPIRED)


async def test_a_full_buffer_loses_a_notice(relay: Relay) -> None:
    """It is advice; events are not."""
    relay.viewer("ada", seconds=80)
    viewer = await relay.watches(user="ada")
    viewer.wire.fill()
    await asyncio.sleep(25)
    assert [] == viewer.codes()


# -- signs of life ----------------------------------------------------------------------------------------------------


async def test_a_flood_of_frames_ends_it(relay: Relay) -> None:
    """A hundred at once, a hundred a second, whatever they say."""
    viewer = await relay.watches()
    assert all(viewer.session.count_frame() for _ in range(100))
    relay.clock.advance(0.1)
    assert all(viewer.session.count_frame() for _ in range(10))
    assert not viewer.session.count_frame()
    assert_leaves(viewer, Disconnect.RATE_EXCEEDED)
    assert 111 == viewer.session.frames_in


async def test_a_beat_tells_the_cursor_and_a_full_buffer_takes_none(relay: Relay) -> None:
    """Where the transport has a way to, an idle viewer moves on with the log."""
    viewer = await relay.watches()
    relay.says(line("a", "q"))
    assert viewer.session.beat()
    assert relay.log.head_cursor() == viewer.of("beat")[-1]["cursor"]
    viewer.wire.fill()
    assert not viewer.session.beat()


async def test_a_socket_for_many_has_no_one_cursor(relay: Relay) -> None:
    """Each project has its own, and without a project there is none."""
    many, one = await relay.watches(None), await relay.watches()
    await many.says({"type": "subscribe", "project_id": "p"})
    assert "" == many.session.cursor()
    assert one.session.unsubscribe("p")
    assert not one.session.unsubscribe("p")
    assert "" == one.session.cursor()


# -- selections -------------------------------------------------------------------------------------------------------


async def test_a_live_viewer_changes_what_it_wants(relay: Relay) -> None:
    """What was written before was the old selection, what comes after the cursor is the new one."""
    viewer = await relay.watches()
    relay.says("a", line("b", level="error"))
    cursor = viewer.session.select(viewer.subscription, ERRORS)
    relay.says("c", line("d", level="error"))
    await settle()
    relay.says("e", line("f", level="error"))
    assert_hears(viewer, "a", "b", "d", "f")
    again = await relay.watches(after=cursor, selection=ERRORS)
    assert_hears(again, "d", "f")


async def test_a_viewer_that_catches_up_changes_what_it_wants(relay: Relay) -> None:
    """From behind the envelope that is on its way."""
    (first,) = relay.says("first")
    relay.says(*[str(number) for number in range(255)])
    relay.says("a", line("b", level="error"))
    viewer = await relay.watches(after=first.cursor, turns=0)
    viewer.wire.on_write = lambda _: viewer.wire.fill() if viewer.wire.buffered() == 0 else None
    await settle()
    viewer.wire.take()
    await settle()
    assert 255 == len(viewer.news())
    cursor = viewer.session.select(viewer.subscription, ERRORS)
    assert viewer.messages()[-1]["id"] == cursor
    viewer.wire.on_write = lambda _: None
    viewer.wire.take()
    await settle()
    assert_hears(viewer, "b")


async def test_a_viewer_served_alone_changes_what_it_wants() -> None:
    """What waits for its pace is the new selection's."""
    relay = await Relay.begin(outbound=Pace(rate=10, burst=1))
    viewer = await relay.watches(None)
    await viewer.says({"type": "subscribe", "project_id": "p"})
    relay.says("a")
    relay.says("b", line("c", level="error"))
    cursor = viewer.session.select(viewer.subscription, ERRORS)
    assert viewer.messages()[-1]["id"] == cursor
    await asyncio.sleep(0.2)
    assert_hears(viewer, "a", "c")
    assert relay.log.head_cursor() == viewer.session.select(viewer.subscription, ERRORS)
    await relay.end()


async def test_a_viewer_that_is_not_opened_yet_changes_what_it_wants(relay: Relay) -> None:
    """It has passed nothing."""
    relay.says("a", line("b", level="error"))
    viewer = await relay.watches(turns=0)
    assert "" == viewer.session.select(viewer.subscription, ERRORS)
    await settle()
    assert_hears(viewer, "b")


async def test_a_refusal_that_knows_the_time_to_wait_ends_a_session_with_it(relay: Relay) -> None:
    """Whoever is refused in the middle learns the same as at the door."""
    viewer = await relay.watches()
    with viewer.session.net():
        raise Refused(Disconnect.RATE_EXCEEDED, "too often", "rate", retry_after_ms=250)
    assert 250 == viewer.session.ended.result().retry_after_ms


# -- one task for all that is behind ----------------------------------------------------------------------------------


async def test_an_idle_session_owns_no_task(relay: Relay) -> None:
    """The transport's handler is the only one; a second runs only while something is behind."""
    before = len(asyncio.all_tasks())
    viewer = await relay.watches()
    assert before == len(asyncio.all_tasks())
    viewer.wire.fill()
    relay.says("a")
    relay.says("b")
    assert before + 1 == len(asyncio.all_tasks())
    viewer.wire.take()
    await settle()
    assert before == len(asyncio.all_tasks())
    assert_hears(viewer, "a", "b")


@pytest.mark.parametrize("legacy", [False, True])
async def test_an_encoding_belongs_to_its_socket(relay: Relay, *, legacy: bool) -> None:
    """And tells which group it is in."""
    viewer = await relay.watches(legacy=legacy)
    assert FakeEncoding(legacy=legacy) == viewer.session.encoding
    assert viewer.session.push(b"{}")
