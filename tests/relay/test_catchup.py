"""The way back to the live viewers: events flow while every step of it waits, and none is missed or told twice."""

import asyncio

import pytest

from relayd.core.pacing import Pace
from relayd.ports import JournalError
from relayd.protocol.commands import Selection
from relayd.protocol.disconnect import Disconnect
from relayd.relay.catchup import StuckError, drained, join
from relayd.testing.viewers import FakeWire
from relayd.testing.world import settle
from tests.relay.stage import Relay, SlowJournal, assert_hears, assert_leaves, assert_stays, line

ERRORS = Selection(level="error")


def journal_of(relay: Relay) -> SlowJournal:
    """Return the relay's journal."""
    assert isinstance(relay.journal, SlowJournal)
    return relay.journal


async def test_a_fresh_tail_becomes_live_without_a_gap_or_a_repeat(relay: Relay) -> None:
    """One event is recorded in each turn of the loop while the viewer comes in; it hears all of them once."""
    texts = [str(number) for number in range(40)]
    relay.says(*texts[:10])
    viewer = await relay.watches(turns=0)
    for text in texts[10:]:
        relay.says(text)
        await settle(1)
    # However busy the project is, it is live by now, and its group's pace gathers.
    assert viewer.subscription.live
    await asyncio.sleep(0.1)
    assert_hears(viewer, *texts)
    assert ["tail"] == viewer.openings()


@pytest.mark.parametrize("turns", range(8))
async def test_an_event_may_come_at_any_step_of_a_hand_over(relay: Relay, turns: int) -> None:
    """Whichever await it falls into, it comes once and in order."""
    relay.says("a")
    viewer = await relay.watches(turns=turns)
    relay.says("b")
    await settle(1)
    relay.says("c")
    await settle()
    relay.says("d")
    assert_hears(viewer, "a", "b", "c", "d")


async def test_events_that_come_while_the_journal_is_read_come_once() -> None:
    """The journal's answer may be older or newer than what memory holds when it arrives."""
    relay = await Relay.begin(timeline_events=4)
    texts = [str(number) for number in range(12)]
    entries = [entry for text in texts for entry in relay.says(text)]
    await relay.commits()
    relay.says("12")
    journal = journal_of(relay)
    journal.before_read, journal.after_read = asyncio.Event(), asyncio.Event()
    viewer = await relay.watches(after=entries[0].cursor)
    relay.says("13", "14", "15", "16", "17")
    await relay.commits()
    relay.says("18")
    journal.before_read.set()
    await settle()
    relay.says("19")
    await relay.commits()
    relay.says("20")
    journal.after_read.set()
    await settle()
    relay.says("21")
    assert_hears(viewer, *[str(number) for number in range(1, 22)])
    assert ["resume"] == viewer.openings()
    await relay.end()


async def test_a_tail_out_of_the_journal_ends_where_it_was_asked_for() -> None:
    """With nothing left in memory, what is recorded and written while the journal is read is told once."""
    relay = await Relay.begin(timeline_bytes=1)
    relay.says("a")
    await relay.commits()
    relay.says("b")
    await relay.commits()
    relay.says(line("other", "q"))
    assert 0 == len(relay.log.projects["p"].timeline)
    journal = journal_of(relay)
    journal.before_read = asyncio.Event()
    viewer = await relay.watches()
    relay.says("c")
    await relay.commits()
    journal.before_read.set()
    await settle()
    relay.says("d")
    await settle()
    assert_hears(viewer, "a", "b", "c", "d")
    await relay.end()


async def test_a_journal_that_holds_nothing_between_leads_on_to_memory() -> None:
    """A cursor below what memory reaches back to may still miss nothing of this project."""
    relay = await Relay.begin(timeline_events=2)
    (other,) = relay.says(line("other", "q"))
    relay.says("a")
    await relay.commits()
    await relay.end()
    again = await Relay.begin(journal=relay.journal, timeline_events=1)
    viewer = await again.watches(after=other.cursor)
    assert_hears(viewer, "a")
    again.says("b")
    await again.commits()
    again.says("c")
    again.log.projects["p"].timeline.drop(1)
    passed = await again.watches("q", after=viewer.cursor)
    assert ["resume"] == passed.openings()
    assert passed.subscription.live
    assert_hears(viewer, "b", "c")
    await again.end()


async def test_a_slow_viewer_reads_one_envelope_at_a_time(relay: Relay) -> None:
    """While the first waits in the buffer the second is not even built; they end where those of others end."""
    texts = [str(number) for number in range(600)]
    (first, *_) = relay.says("first", *texts)
    viewer = await relay.watches(after=first.cursor, turns=0)
    viewer.wire.fill()
    viewer.wire.on_write = lambda _: viewer.wire.fill() if viewer.wire.buffered() == 0 else None
    for expected in (0, 255, 511, 600):
        viewer.wire.take()
        await settle()
        assert expected == len(viewer.texts())
    assert texts == viewer.texts()


async def test_what_was_written_is_passed_before_it_is_taken(relay: Relay) -> None:
    """A sign of life behind an envelope must not tell an older cursor than it: the viewer would hear twice."""
    (first,) = relay.says("a")
    (last,) = relay.says("b")
    viewer = await relay.watches(after=first.cursor, turns=0)
    viewer.wire.on_write = lambda _: viewer.wire.fill()
    await settle()
    viewer.wire.take()
    await settle()
    assert ["b"] == viewer.texts()
    assert viewer.wire.buffered()
    assert last.cursor == viewer.session.cursor()


async def test_a_viewer_has_passed_nothing_before_its_opening(relay: Relay) -> None:
    """A sign of life that comes first must not tell a cursor, neither the beginning's nor the head's."""
    relay.says("a")
    viewer = await relay.watches(turns=0)
    assert "" == viewer.session.cursor()
    viewer.wire.on_write = lambda _: viewer.wire.fill()
    await settle()
    opening = viewer.of("connection_established")[0]
    assert [] == viewer.texts()
    assert opening["cursor"] == viewer.session.cursor() != relay.log.head_cursor()
    viewer.wire.on_write = lambda _: None
    viewer.wire.take()
    await settle()
    assert_hears(viewer, "a")
    assert relay.log.head_cursor() == viewer.session.cursor()


async def test_a_viewer_who_lags_more_than_the_bound_is_told_in_the_stream() -> None:
    """It stays connected: coming back would find it as far behind."""
    relay = await Relay.begin(max_backlog=10, tail=2)
    viewer = await relay.watches()
    relay.says("a")
    viewer.wire.fill()
    for number in range(20):
        relay.says(str(number))
    viewer.wire.take()
    await settle()
    assert_hears(viewer, "a", "18", "19")
    assert ["none", "gap"] == viewer.openings()
    assert ["lagged"] == relay.observer.of("gapped")
    assert_stays(viewer)
    relay.says("b")
    assert_hears(viewer, "b")
    await relay.end()


async def test_one_who_resumes_is_not_held_to_the_bound_of_those_connected() -> None:
    """All it missed is here; it is told so, and gets it."""
    relay = await Relay.begin(max_backlog=10)
    (first,) = relay.says("a")
    texts = [str(number) for number in range(20)]
    for text in texts:
        relay.says(text)
    viewer = await relay.watches(after=first.cursor)
    assert_hears(viewer, *texts)
    assert ["resume"] == viewer.openings()
    await relay.end()


async def test_retention_that_runs_while_the_past_is_read_makes_a_gap() -> None:
    """Rows may be gone whose floor is not known yet: a part is never called whole."""
    journal = SlowJournal(max_events_per_project=3)
    relay = await Relay.begin(journal=journal, timeline_events=2, tail=1)
    entries = []
    for number in range(12):
        entries += relay.says(str(number))
        await relay.commits()
    journal.after_read = asyncio.Event()
    viewer = await relay.watches(after=entries[0].cursor)
    assert ["resume"] == viewer.openings()
    assert await relay.past.retain(relay.clock.now())
    journal.after_read.set()
    await settle()
    assert ["resume", "gap"] == viewer.openings()
    assert_hears(viewer, "11")
    assert ["below_floor"] == relay.observer.of("gapped")
    await relay.end()


async def test_a_gap_without_a_cause_is_one_below_the_floor() -> None:
    """Without a journal nobody has what memory dropped."""
    relay = await Relay.begin(journaled=False, timeline_events=4, tail=1)
    viewer = await relay.watches()
    viewer.wire.fill()
    for number in range(20):
        relay.says(str(number))
    viewer.wire.take()
    await settle()
    assert ["none", "gap"] == viewer.openings()
    assert_hears(viewer, "19")
    await relay.end()


async def test_nothing_read_is_a_gap_of_its_own() -> None:
    """Memory does not reach back, no floor says so, and no journal is there to ask: nothing may be called whole."""
    relay = await Relay.begin(journaled=False)
    (first,) = relay.says("a")
    relay.says("b")
    relay.log.projects["p"].timeline.drop(2)
    viewer = await relay.watches(after=first.cursor)
    assert ["resume", "gap"] == viewer.openings()
    assert ["below_floor"] == relay.observer.of("gapped")
    await relay.end()


async def test_a_viewer_behind_a_group_that_waits_joins_it_where_it_stands() -> None:
    """It reads up to the group's place, not to the end, and shares the group's pace from there."""
    relay = await Relay.begin(outbound=Pace(rate=10, burst=1))
    first = await relay.watches()
    (entry,) = relay.says("a")
    relay.says("b")
    relay.says("c")
    second = await relay.watches(after="0")
    assert ["a"] == second.texts()
    assert 1 == len(list(relay.log.projects["p"].channel))
    await asyncio.sleep(0.15)
    assert_hears(first, "a", "b", "c")
    assert_hears(second, "a", "b", "c")
    assert first.wire.sent[-1] is second.wire.sent[-1]
    assert entry.cursor != second.cursor
    await relay.end()


async def test_the_33rd_selection_is_served_alone(relay: Relay) -> None:
    """It hears what it wants all the same, and leaves its own place again."""
    viewers = [await relay.watches(selection=Selection(q=f"word{number}")) for number in range(34)]
    channel = relay.log.projects["p"].channel
    assert 32 == len(list(channel))
    assert [viewers[32].subscription, viewers[33].subscription] == list(channel.alone)
    relay.says("word31 word32", "word33", "nothing")
    assert_hears(viewers[0])
    assert_hears(viewers[31], "word31 word32")
    assert_hears(viewers[32], "word31 word32")
    assert_hears(viewers[33], "word33")
    viewers[33].wire.fill()
    relay.says("word33 again")
    viewers[33].wire.take()
    await settle()
    assert_hears(viewers[33], "word33 again")
    viewers[33].session.close(Disconnect.NORMAL)
    assert 1 == len(channel.alone)


async def test_a_storm_of_selections_makes_no_more_groups_than_the_bound(relay: Relay) -> None:
    """Whether there is room for one is asked when it joins, not when it begins to catch up."""
    relay.says("a")
    viewers = [await relay.watches(selection=Selection(q=f"word{number}"), turns=0) for number in range(40)]
    await settle()
    channel = relay.log.projects["p"].channel
    assert (32, 8) == (len(list(channel)), len(channel.alone))
    relay.says("word39")
    assert_hears(viewers[39], "word39")


async def test_nobody_joins_from_where_memory_does_not_reach_back(relay: Relay) -> None:
    """The journal comes first."""
    relay.says("a")
    await relay.commits()
    viewer = await relay.watches()
    viewer.wire.fill()
    relay.says("b")
    await relay.commits()
    relay.log.projects["p"].timeline.drop(2)
    assert not join(relay.engine, viewer.subscription, alone=False)
    viewer.wire.take()
    await settle()
    assert_hears(viewer, "a", "b")


async def test_one_who_unsubscribes_while_it_catches_up_hears_no_more_and_leaves_nothing(relay: Relay) -> None:
    """Its catch-up must not bring back to the channel what has left it."""
    texts = [str(number) for number in range(600)]
    relay.says(*texts)
    viewer = await relay.watches(None)
    viewer.wire.on_write = lambda _: viewer.wire.fill() if viewer.wire.buffered() == 0 else None
    await viewer.says({"type": "subscribe", "project_id": "p", "after": "0"})
    viewer.wire.take()
    await settle()
    viewer.wire.on_write = lambda _: None
    viewer.wire.take()
    await settle(1)
    await viewer.says({"type": "unsubscribe", "project_id": "p"})
    heard = len(viewer.texts())
    viewer.wire.take()
    await settle()
    relay.says("live")
    await settle()
    assert heard == len(viewer.texts())
    assert not relay.log.projects["p"].channel
    assert "UNSUBSCRIBED" in viewer.codes()


async def test_one_who_unsubscribes_while_the_journal_is_read_leaves_nothing() -> None:
    """Neither when it reads its past nor when it is opened."""
    relay = await Relay.begin(timeline_events=2)
    for number in range(10):
        relay.says(str(number))
    await relay.commits()
    relay.says("10")
    journal = journal_of(relay)
    for after in ("0", None):
        journal.after_read = asyncio.Event()
        viewer = await relay.watches(None)
        await viewer.says({"type": "subscribe", "project_id": "p", "after": after})
        assert relay.log.projects["p"].channel
        await viewer.says({"type": "unsubscribe", "project_id": "p"})
        journal.after_read.set()
        await settle()
        assert not relay.log.projects["p"].channel
        assert [] == viewer.texts()
    await relay.end()


# -- drained --------------------------------------------------------------------------------------------------------


async def test_an_empty_buffer_costs_one_turn() -> None:
    """The kernel took it all, the others get their turn."""
    wire = FakeWire()
    await drained(wire, 30)
    assert 0 == wire.drains


async def test_a_slow_viewer_is_not_stuck() -> None:
    """A byte in thirty seconds is little, but it lives."""
    wire = FakeWire()
    wire.fill()
    waiting = asyncio.create_task(drained(wire, 30))
    for _ in range(5):
        await asyncio.sleep(20)
        wire.take(1)
    assert not waiting.done()
    wire.take()
    await waiting


async def test_a_viewer_who_takes_no_byte_is_stuck() -> None:
    """Nobody waits for it longer than the bound, and nobody hears of the forsaken wait."""
    wire = FakeWire()
    wire.fill()
    with pytest.raises(StuckError):
        await drained(wire, 30)
    wire.leave()
    await settle()


async def test_a_viewer_who_is_gone_ends_the_wait() -> None:
    """The transport knows."""
    wire = FakeWire()
    wire.leave()
    with pytest.raises(ConnectionResetError):
        await drained(wire, 30)


async def test_a_forsaken_wait_ends_in_silence(relay: Relay) -> None:
    """A session that ends while its socket is full leaves no error that nobody asked for."""
    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    viewer = await relay.watches()
    viewer.wire.fill()
    relay.says("a")
    await settle()
    viewer.session.close(Disconnect.RESTARTING)
    await settle()
    viewer.wire.leave()
    await settle()
    assert [] == unheard


# -- endings --------------------------------------------------------------------------------------------------------


async def test_a_viewer_who_is_gone_while_it_catches_up_leaves(relay: Relay) -> None:
    """It was its own wish."""
    viewer = await relay.watches()
    viewer.wire.fill()
    relay.says("a")
    viewer.wire.leave()
    await settle()
    assert_leaves(viewer, Disconnect.NORMAL)


async def test_a_journal_that_cant_be_read_ends_the_session(relay: Relay) -> None:
    """The viewer comes back with its cursor, perhaps to another relay."""
    (first,) = relay.says("a")
    relay.says("b")
    await relay.commits()
    journal = journal_of(relay)
    journal.before_read = asyncio.Event()
    relay.log.projects["p"].timeline.drop(2)
    viewer = await relay.watches(after=first.cursor)
    journal.failure = JournalError("the disk is gone")
    journal.before_read.set()
    await settle()
    assert_leaves(viewer, Disconnect.OVERLOADED)
    assert 1 == len(relay.observer.of("journal_failed"))
    journal.failure = None


class BrokenWire(FakeWire):
    """Has a fault of ours."""

    def write(self, payload: bytes) -> None:
        raise ZeroDivisionError


async def test_a_fault_of_ours_ends_one_session_and_no_other(relay: Relay) -> None:
    """It carries an incident that the log knows."""
    broken, other = await relay.watches(wire=BrokenWire()), await relay.watches()
    assert_leaves(broken, Disconnect.SERVER_ERROR)
    assert "incident-1" in broken.session.ended.result().sentence
    relay.says("a")
    assert_hears(other, "a")


async def test_who_comes_back_at_once_reads_the_same_bytes(relay: Relay) -> None:
    """Made for the first, they are the very object for the others who missed the same."""
    (first, *_) = relay.says("first", "a", "b")
    both = [await relay.watches(after=first.cursor) for _ in range(2)]
    assert both[0].wire.sent[-1] is both[1].wire.sent[-1]
    relay.clock.advance(2)
    late = await relay.watches(after=first.cursor)
    assert late.wire.sent[-1] is not both[0].wire.sent[-1]


async def test_who_reads_otherwise_gets_bytes_of_its_own(relay: Relay) -> None:
    """Another encoding, another selection of as many: what was made a moment ago for somebody else is not for them."""
    (first, *_) = relay.says("first", "a", line("b", level="error"))
    modern = await relay.watches(after=first.cursor)
    legacy = await relay.watches(after=first.cursor, legacy=True)
    many = await relay.watches(None)
    await many.says({"type": "subscribe", "project_id": "p", "after": first.cursor})
    await settle()
    for viewer in (modern, legacy, many):
        assert_hears(viewer, "a", "b")
    assert 3 == len({viewer.wire.sent[-1] for viewer in (modern, legacy, many)})
