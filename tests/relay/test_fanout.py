"""The way out: groups, pace, envelopes, and what one viewer costs another."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relayd.core.pacing import Pace
from relayd.protocol.codec import MAX_ENVELOPE_BYTES
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.disconnect import Disconnect
from relayd.relay.fanout import cut
from relayd.testing.viewers import FakeEncoding, FakeWire
from relayd.testing.world import settle
from tests.relay.stage import Relay, assert_hears, assert_leaves, assert_stays, line, progress

ERRORS = Selection(level="error")


@pytest.fixture
async def brisk() -> AsyncIterator[Relay]:
    """Give a relay whose groups get one frame at once and then ten a second."""
    relay = await Relay.begin(outbound=Pace(rate=10, burst=1))
    yield relay
    await relay.end()


# -- groups ---------------------------------------------------------------------------------------------------------


async def test_everybody_of_a_group_gets_the_very_same_bytes(relay: Relay) -> None:
    """A payload is encoded once, however many read it."""
    viewers = [await relay.watches() for _ in range(3)]
    relay.says("a")
    assert 1 == len({id(viewer.wire.sent[-1]) for viewer in viewers})
    for viewer in viewers:
        assert_hears(viewer, "a")
    assert [("fake", 3, 1, len(viewers[0].wire.sent[-1]), 0.0)] == relay.observer.of("flushed")


async def test_viewers_who_want_something_else_get_other_bytes(relay: Relay) -> None:
    """A selection and an encoding make a group; each hears exactly what it wants."""
    everything, errors, legacy = (
        await relay.watches(),
        await relay.watches(selection=ERRORS),
        await relay.watches(legacy=True),
    )
    relay.says(line("fine"), line("broken", level="error"), progress(50))
    assert_hears(everything, "fine", "broken")
    assert_hears(errors, "broken")
    assert_hears(legacy, "fine", "broken")
    assert 50 == errors.messages()[-1]["progress"]
    assert 3 == len(list(relay.log.projects["p"].channel))


async def test_a_full_buffer_makes_one_viewer_leave_and_costs_the_others_nothing(relay: Relay) -> None:
    """The slow one falls behind with what it has passed, catches up exactly and is live again."""
    slow, quick = await relay.watches(), await relay.watches()
    relay.says("a")
    slow.wire.fill()
    relay.says("b")
    relay.says("c")
    assert_hears(quick, "a", "b", "c")
    assert_hears(slow, "a")
    assert not slow.subscription.live
    await settle()
    assert_hears(slow)
    slow.wire.take()
    assert [] == relay.observer.of("fell_behind")
    await settle()
    assert_hears(slow, "b", "c")
    assert slow.subscription.live
    assert ["fake"] == relay.observer.of("fell_behind")
    relay.says("d")
    assert_hears(slow, "d")
    assert slow.wire.sent[-1] is quick.wire.sent[-1]
    assert ["none"] == slow.openings()


async def test_a_viewer_of_another_project_hears_nothing(relay: Relay) -> None:
    """A channel belongs to one project; an idle viewer's cursor moves with the head of the whole log."""
    viewer = await relay.watches("q")
    before = viewer.session.cursor()
    relay.says("a")
    assert_hears(viewer)
    assert before != viewer.session.cursor() == relay.log.head_cursor()


async def test_an_unwanted_event_moves_the_group_and_sends_nothing(relay: Relay) -> None:
    """A filtered viewer's cursor moves on without a frame."""
    viewer = await relay.watches(selection=ERRORS)
    frames = len(viewer.wire.sent)
    relay.says("fine")
    assert frames == len(viewer.wire.sent)
    assert relay.log.head_cursor() == viewer.session.cursor()
    group = relay.log.projects["p"].channel.group_of(viewer.subscription)
    assert group is not None
    assert 1 == group.index


async def test_an_envelope_names_the_head_when_nothing_of_its_project_is_waiting(relay: Relay) -> None:
    """What other projects said in the same batch is passed, too."""
    viewer = await relay.watches()
    relay.says(line("a"), line("b", "q"))
    assert relay.log.head_cursor() == viewer.frames()[-1]["cursor"]


# -- envelopes ------------------------------------------------------------------------------------------------------


async def test_envelopes_hold_at_most_256_messages(relay: Relay) -> None:
    """A large batch comes in several."""
    viewer = await relay.watches()
    relay.says(*[str(number) for number in range(600)])
    assert [256, 256, 88] == [len(frame["messages"]) for frame in viewer.frames()[1:]]
    assert_hears(viewer, *[str(number) for number in range(600)])


async def test_a_larger_event_travels_alone(relay: Relay) -> None:
    """An envelope holds at most 256 KiB of messages, unless a single one is larger."""
    viewer = await relay.watches()
    large = "x" * (MAX_ENVELOPE_BYTES + 1)
    relay.says("a", "b", large, "c", "y" * 200_000, "z" * 100_000)
    assert [2, 1, 2, 1] == [len(frame["messages"]) for frame in viewer.frames()[1:]]
    assert_hears(viewer, "a", "b", large, "c", "y" * 200_000, "z" * 100_000)


async def test_a_cut_that_is_not_the_first_takes_nothing_too_large(relay: Relay) -> None:
    """In an envelope that holds something already, no event fits always."""
    (entry,) = relay.says("a")
    assert ([entry], 1) == cut([entry], EVERYTHING, messages=1, nbytes=1)
    assert ([], 0) == cut([entry], EVERYTHING, messages=1, nbytes=1, first=False)
    assert ([], 1) == cut([entry], ERRORS, messages=1)


# -- pace -----------------------------------------------------------------------------------------------------------


async def test_what_comes_after_quiet_leaves_at_once_and_what_follows_gathers(brisk: Relay) -> None:
    """With the tokens used up one timer waits for the next; then all that came travels in one envelope."""
    viewer = await brisk.watches()
    brisk.says("a")
    brisk.says("b")
    brisk.says("c")
    assert_hears(viewer, "a")
    await asyncio.sleep(0.05)
    assert_hears(viewer)
    await asyncio.sleep(0.06)
    assert_hears(viewer, "b", "c")
    assert 2 == len(viewer.frames()[-1]["messages"])


async def test_a_waiting_groups_cursor_is_what_it_has_passed(brisk: Relay) -> None:
    """Nothing that still waits is called passed."""
    viewer = await brisk.watches()
    (first,) = brisk.says("a")
    assert brisk.log.head_cursor() == viewer.session.cursor()
    brisk.says("b")
    assert first.cursor == viewer.session.cursor()


async def test_a_legacy_group_gets_no_more_frames_than_its_pace_allows(relay: Relay) -> None:
    """Each message costs a frame: ten at once, then a hundred a second, in order."""
    viewer = await relay.watches(legacy=True)
    texts = [str(number) for number in range(60)]
    relay.says(*texts)
    assert_hears(viewer, *texts[:10])
    heard = 10
    for _ in range(50):
        before = relay.clock.monotonic()
        await asyncio.sleep(0.02)
        news = viewer.news()
        assert len(news) <= (relay.clock.monotonic() - before) * 100 + 1
        heard += len(news)
    assert 60 == heard
    assert texts == viewer.texts()


async def test_a_viewer_may_ask_for_a_slower_pace(relay: Relay) -> None:
    """It has a group of its like, and a faster one than the relay's is not to be had."""
    slow = await relay.watches(wire=FakeWire(FakeEncoding(pace_ms=500)))
    quick = await relay.watches(wire=FakeWire(FakeEncoding(pace_ms=1)))
    for number in range(5):
        relay.says(str(number))
    assert_hears(slow, "0")
    assert_hears(quick, "0")
    await asyncio.sleep(0.05)
    assert_hears(quick, "1", "2", "3", "4")
    await asyncio.sleep(0.4)
    assert_hears(slow)
    await asyncio.sleep(0.1)
    assert_hears(slow, "1", "2", "3", "4")


async def test_one_timer_serves_all_that_wait(brisk: Relay) -> None:
    """A later one does not delay an earlier one, an earlier one comes first."""
    p, q = await brisk.watches("p"), await brisk.watches("q")
    brisk.says(line("p1"), line("q1", "q"))
    brisk.says(line("p2"))
    await asyncio.sleep(0.03)
    brisk.says(line("q2", "q"))
    called: list[float] = []
    brisk.fanout.later(0.01, called.append)
    brisk.fanout.later(0.5, called.append)
    await asyncio.sleep(0.02)
    assert 1 == len(called)
    await asyncio.sleep(0.2)
    assert_hears(p, "p1", "p2")
    assert_hears(q, "q1", "q2")
    assert 1 == len(called)
    await asyncio.sleep(0.4)
    assert 2 == len(called)


async def test_a_timer_that_comes_a_little_early_is_set_again(brisk: Relay) -> None:
    """Loops that round to milliseconds may wake before it is due."""
    called: list[float] = []
    due = brisk.clock.monotonic() + 0.0105
    brisk.fanout.later(0.0105, called.append)
    brisk.fanout._wake()
    assert [] == called
    await asyncio.sleep(0.011)
    assert called
    assert called[0] >= due


async def test_groups_that_meet_merge(brisk: Relay) -> None:
    """One that waits for its pace catches up with one that began later; from then on they share every byte."""
    first = await brisk.watches()
    brisk.says("a")
    brisk.says("b")
    second = await brisk.watches(tail=0)
    channel = brisk.log.projects["p"].channel
    assert 2 == len(list(channel))
    assert_hears(first, "a")
    assert_hears(second)
    await asyncio.sleep(0.15)
    assert_hears(first, "b")
    assert 1 == len(list(channel))
    await asyncio.sleep(0.15)
    brisk.says("c")
    assert first.wire.sent[-1] is second.wire.sent[-1]
    assert_hears(first, "c")
    assert_hears(second, "c")


async def test_a_group_whose_last_member_left_while_it_waited_does_no_harm(brisk: Relay) -> None:
    """The timer finds nobody."""
    viewer = await brisk.watches()
    brisk.says("a")
    brisk.says("b")
    viewer.session.close(Disconnect.NORMAL)
    await asyncio.sleep(0.2)
    assert_hears(viewer, "a")
    assert not brisk.log.projects["p"].channel


async def test_viewers_who_fill_up_in_the_middle_of_a_flush_end_it(relay: Relay) -> None:
    """A group whose members all left has nothing more to be served."""
    viewer = await relay.watches()
    viewer.wire.on_write = lambda _: viewer.wire.fill() if viewer.wire.buffered() == 0 else None
    relay.says(*[str(number) for number in range(300)])
    assert 256 == len(viewer.texts())
    viewer.wire.on_write = lambda _: None
    viewer.wire.take()
    await settle()
    assert [str(number) for number in range(300)] == viewer.texts()


# -- too far behind -------------------------------------------------------------------------------------------------


async def test_a_legacy_group_too_far_behind_jumps_together() -> None:
    """Its pace can't bring it back, so it is told a gap and gets state and tail."""
    relay = await Relay.begin(max_backlog=20, tail=3)
    viewers = [await relay.watches(legacy=True) for _ in range(2)]
    relay.says(*[str(number) for number in range(20)])
    relay.says(*[str(number) for number in range(20, 40)])
    await asyncio.sleep(0.1)
    for viewer in viewers:
        assert [*map(str, range(10)), "37", "38", "39"] == viewer.news()
        assert ["none", "gap"] == viewer.openings()
        assert_stays(viewer)
    assert ["lagged", "lagged"] == relay.observer.of("gapped")
    relay.says("live")
    assert_hears(viewers[0], "live")
    await relay.end()


async def test_a_legacy_group_below_memory_jumps() -> None:
    """It is not read to from the journal at any speed: its pace is all it can take."""
    relay = await Relay.begin(timeline_events=10, tail=2)
    viewer = await relay.watches(legacy=True)
    relay.says(*[str(number) for number in range(30)])
    await relay.commits()
    relay.says("31")
    await asyncio.sleep(0.5)
    assert [*map(str, range(10)), "29", "31"] == viewer.texts()
    assert ["none", "gap"] == viewer.openings()
    await relay.end()


async def test_a_modern_group_below_memory_reads_on_from_the_journal() -> None:
    """What memory had to drop while it waited for its pace is no gap: the journal still has it."""
    relay = await Relay.begin(timeline_events=10, outbound=Pace(rate=10, burst=1))
    viewer = await relay.watches()
    relay.says("a")
    texts = [str(number) for number in range(30)]
    relay.says(*texts)
    await relay.commits()
    relay.says("b")
    await asyncio.sleep(0.2)
    assert_hears(viewer, "a", *texts, "b")
    assert ["none"] == viewer.openings()
    assert viewer.subscription.live
    await relay.end()


async def test_a_modern_group_below_memory_without_a_journal_is_told() -> None:
    """Nobody has what memory dropped."""
    relay = await Relay.begin(journaled=False, timeline_events=10, tail=2, outbound=Pace(rate=10, burst=1))
    viewer = await relay.watches()
    relay.says("a")
    relay.says(*[str(number) for number in range(30)])
    await asyncio.sleep(0.2)
    assert_hears(viewer, "a", "28", "29")
    assert ["none", "gap"] == viewer.openings()
    assert ["below_floor"] == relay.observer.of("gapped")
    await relay.end()


@pytest.mark.parametrize("cause", ["truncated", "recreated"])
async def test_a_broken_log_is_told_to_everybody(relay: Relay, cause: str) -> None:
    """Live, served alone, or catching up: no past is called whole across a hole, and all go on from behind it."""
    live, many, behind = await relay.watches(), await relay.watches(None), await relay.watches()
    await many.says({"type": "subscribe", "project_id": "p"})
    relay.says("a")
    behind.wire.fill()
    relay.says("b")
    relay.breaks(cause)
    relay.says("c")
    behind.wire.take()
    await settle()
    for viewer in (live, many, behind):
        assert ["none", "gap"] == viewer.openings()
        assert viewer.texts()[-1] == "c"
        assert viewer.subscription.live
    assert 1 == live.texts()[live.texts().index("b") + 1 :].count("c") == behind.texts().count("c")
    assert sorted([cause, cause, "below_floor"]) == sorted(relay.observer.of("gapped"))


async def test_serving_a_stuck_viewer_does_not_end_it_at_once(relay: Relay) -> None:
    """A full buffer is slow, not stuck; only thirty seconds without a byte are."""
    viewer = await relay.watches()
    viewer.wire.fill()
    relay.says("a")
    await asyncio.sleep(29)
    assert_stays(viewer)
    await asyncio.sleep(2)
    assert_leaves(viewer, Disconnect.STUCK)
