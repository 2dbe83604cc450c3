"""The first words: fresh, resumed, or told that the past is not whole."""

import asyncio

import pytest

from relayd.core.floor import Verdict
from relayd.core.outage import begin_partial
from relayd.protocol.cursor import BEGINNING, decode
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import ProjectStarted, WorkflowStageUpdate
from relayd.relay.opening import judge
from relayd.relay.refusal import Refused
from relayd.testing.sources import FakeSource
from relayd.testing.viewers import FakeEncoding, FakeWire
from relayd.testing.world import settle
from tests.relay.stage import Relay, assert_hears, line, progress


def beyond(relay: Relay) -> str:
    """Return a cursor of this log that it has not come to."""
    return str(decode(relay.log.head_cursor())._replace(offset=99, item=0, part=0))


async def test_a_fresh_viewer_gets_state_then_tail(relay: Relay) -> None:
    """The cursor stands strictly before the first message that follows."""
    relay.says(*[str(number) for number in range(5)], progress(40))
    viewer = await relay.watches(tail=3)
    opening, *rest = viewer.messages()
    assert ("tail", False, 1) == (opening["replay"], opening["recovered"], opening["protocol"])
    assert 40 == opening["snapshot"]["progress"]
    assert relay.log.head_cursor() == opening["head"]
    assert 25 == opening["heartbeat_seconds"]
    assert {"connections_per_user": 5, "frames_per_second": 100, "max_backlog": 10_000} == opening["limits"]
    assert (relay.clock.now(), relay.clock.now() + 1e6) == (opening["server_time"], opening["token_expires_at"])
    assert viewer.session.grant.connection_id == opening["connection_id"]
    assert "Real-time updates active" == opening["message"]
    assert ["workflow_log", "workflow_log", "project_progress"] == [message["type"] for message in rest]
    assert decode(opening["cursor"]).item + 1 == decode(rest[0]["id"]).item


async def test_a_project_that_said_nothing_yet_has_no_state(relay: Relay) -> None:
    """Its viewer waits from the beginning of the log."""
    viewer = await relay.watches()
    (opening,) = viewer.messages()
    assert ("none", BEGINNING) == (opening["replay"], opening["cursor"])
    assert "snapshot" not in opening


async def test_a_resumed_viewer_gets_exactly_what_it_missed(relay: Relay) -> None:
    """And no state: it has it."""
    viewer = await relay.watches()
    relay.says("a")
    again = await viewer.returns()
    assert ["resume"] == again.openings()
    assert again.messages()[0]["recovered"]
    assert "snapshot" not in again.messages()[0]
    assert_hears(again)
    after = again.cursor
    relay.says("b", "c")
    last = await again.returns(after=after)
    assert_hears(last, "b", "c")
    assert viewer.messages()[-1]["id"] != last.messages()[-1]["id"]


async def test_a_resumed_viewer_whose_language_begins_anew_is_told_the_state(relay: Relay) -> None:
    """As it is now; what it missed comes all the same, but of a partial state nothing."""
    viewer = await relay.watches()
    after = viewer.cursor
    relay.says("a", progress(40))
    again = await relay.watches(after=after, wire=FakeWire(FakeEncoding(restates=True)))
    assert ("resume", 40) == (again.messages()[0]["replay"], again.messages()[0]["snapshot"]["progress"])
    assert_hears(again, "a")
    relay.log.projects["p"].partial = True
    partial = await relay.watches(after=after, wire=FakeWire(FakeEncoding(restates=True)))
    assert "snapshot" not in partial.messages()[0]


async def test_a_resume_from_below_memory_comes_through_the_journal() -> None:
    """Whole, however far back."""
    relay = await Relay.begin(timeline_events=5)
    entries = []
    for number in range(1_000):
        entries += relay.says(str(number))
        if number % 50 == 0:
            await relay.commits()
    viewer = await relay.watches(after=entries[10].cursor, turns=100)
    assert_hears(viewer, *[str(number) for number in range(11, 1_000)])
    assert ["resume"] == viewer.openings()
    assert relay.observer.of("replayed")
    await relay.end()


async def test_a_resume_from_below_the_floor_is_a_gap(relay: Relay) -> None:
    """State and tail, and never a part called whole; exactly the floor is whole."""
    entries = [relay.says(str(number))[0] for number in range(5)]
    await relay.forgets(entries[2])
    below = await relay.watches(after=entries[1].cursor, tail=1)
    opening = below.messages()[0]
    assert ("gap", False) == (opening["replay"], opening["recovered"])
    assert {"workflow_log": 5} == opening["snapshot"]["counts"]
    assert_hears(below, "4")
    exactly = await relay.watches(after=entries[2].cursor)
    assert ["resume"] == exactly.openings()
    assert_hears(exactly, "3", "4")
    assert ["below_floor"] == relay.observer.of("gapped")


async def test_a_log_made_anew_between_the_verdict_and_the_opening_is_a_gap(relay: Relay) -> None:
    """The cursor was whole in a log that is gone; the new one may have come as far already."""
    (entry,) = relay.says("a")
    viewer = await relay.watches(after=entry.cursor, turns=0)
    relay.breaks("recreated")
    relay.skips(5)
    relay.says("b")
    await settle()
    assert ["resume", "gap"] == viewer.openings()
    assert "b" == viewer.texts()[-1]


async def test_a_legacy_viewer_is_told_the_state_in_words(relay: Relay) -> None:
    """Started, progress, agents, stage: synthetic, without ids, before the tail, each a frame."""
    relay.says(
        ProjectStarted(project_id="p", timestamp=1.0, name="Shop"),
        progress(40),
        WorkflowStageUpdate(project_id="p", timestamp=1.0, stage="testing", message="Testing"),
        line("a", agent="coder"),
    )
    viewer = await relay.watches(legacy=True, tail=1)
    kinds = [message["type"] for message in viewer.frames()]
    assert [
        "connection_established",
        "project_started",
        "project_progress",
        "workflow_stage_update",
        "workflow_log",
    ] == kinds
    spoken = viewer.frames()[1:4]
    assert [True] * 3 == [message["synthetic"] for message in spoken]
    assert all("id" not in message for message in spoken)
    assert "id" in viewer.frames()[-1]
    assert "snapshot" not in viewer.frames()[0]


async def test_events_while_a_legacy_viewer_is_opened_come_once(relay: Relay) -> None:
    """State and position are taken in one step."""
    relay.says(progress(40), "a")
    viewer = await relay.watches(legacy=True, turns=0)
    for text in "bcdef":
        relay.says(text)
        await settle(1)
    await asyncio.sleep(1)
    assert_hears(viewer, *"abcdef")


# -- cursors ahead of the log ---------------------------------------------------------------------------------------


class DeafSource(FakeSource):
    """A log that is asked over a connection which stands still."""

    async def newest(self) -> int | None:
        await asyncio.Event().wait()
        raise AssertionError("nobody answers")


class HesitantSource(FakeSource):
    """A log that tells where it ends when it is asked again."""

    asked = 0

    async def newest(self) -> int | None:
        self.asked += 1
        return 99 if self.asked > 1 else None


async def refusal(relay: Relay) -> Refused:
    """Return how a cursor ahead is refused, after the time that a viewer may wait."""
    began = relay.clock.monotonic()
    with pytest.raises(Refused) as refused:
        await judge(relay.engine, "p", beyond(relay))
    assert 5 == pytest.approx(relay.clock.monotonic() - began, abs=0.1)
    return refused.value


async def test_a_cursor_beyond_the_log_itself_is_a_gap(relay: Relay) -> None:
    """There is no such event, and after a second it is on nobody's way either."""
    relay.says("a")
    began = relay.clock.monotonic()
    assert Verdict("gap", "beyond_head") == await judge(relay.engine, "p", beyond(relay))
    assert 1.0 < relay.clock.monotonic() - began < 1.2


async def test_a_cursor_of_what_is_just_on_its_way_is_whole(relay: Relay) -> None:
    """A viewer that comes from a relay which is a moment ahead of this one misses nothing and is told of no gap."""
    another = await Relay.begin()
    for one in (relay, another):
        one.says("a")
    another.says("b")
    asked = asyncio.ensure_future(judge(relay.engine, "p", another.log.head_cursor()))
    await asyncio.sleep(0.5)
    assert not asked.done()
    relay.says("b")
    assert "whole" == (await asked).kind
    await another.end()


async def test_a_cursor_beyond_a_log_that_is_the_journal_is_a_gap() -> None:
    """Nobody else can be ahead of it."""
    relay = await Relay.begin(source=FakeSource(replays=False))
    relay.source.caught_up = False
    relay.says("a")
    assert Verdict("gap", "beyond_head") == await judge(relay.engine, "p", beyond(relay))
    await relay.end()


async def test_a_lagging_relay_waits_for_its_log(relay: Relay) -> None:
    """Another replica was ahead; this one has read as far a moment later, whatever it believed of itself meanwhile."""
    relay.source.skip(200)
    relay.says("a")
    judging = asyncio.create_task(judge(relay.engine, "p", beyond(relay)))
    await asyncio.sleep(3)
    assert not judging.done()
    relay.skips(200)
    relay.says("b")
    assert Verdict("gap", "unknown_event") == await judging


async def test_a_log_that_goes_on_is_asked_once() -> None:
    """A relay that lags has better things to do than to look at the end of its log all the time."""
    source = HesitantSource()
    relay = await Relay.begin(source=source)
    relay.says("a")
    assert "behind" == (await refusal(relay)).reason
    assert 2 == source.asked
    await relay.end()


async def test_a_relay_that_lags_too_long_says_so(relay: Relay) -> None:
    """Five seconds, then the viewer may try another one."""
    relay.source.skip(200)
    relay.says("a")
    refused = await refusal(relay)
    assert (Disconnect.OVERLOADED, "behind") == (refused.disconnect, refused.reason)


@pytest.mark.parametrize("connected", [True, False])
async def test_a_relay_whose_log_can_t_be_asked_tells_no_gap(connected: bool) -> None:
    """Caught up as it was when it was last heard, it may lag by now: the cursor may well be good elsewhere."""
    relay = await Relay.begin(source=DeafSource() if connected else None)
    relay.source.silent = not connected
    relay.says("a")
    assert Disconnect.OVERLOADED is (await refusal(relay)).disconnect
    await relay.end()


@pytest.mark.parametrize("of_an_empty_log", [True, False])
async def test_what_lies_before_all_that_a_relay_will_read_is_a_gap(relay: Relay, of_an_empty_log: bool) -> None:
    """It began behind the newest event; while it may still come to older ones, nobody knows."""
    relay.source.skip(200)
    (entry,) = (another := await Relay.begin()).says("a")
    after = BEGINNING if of_an_empty_log else entry.cursor
    assert Verdict("gap", "below_floor") == await judge(relay.engine, "p", after)
    relay.source.caught_up = False
    with pytest.raises(Refused):
        await judge(relay.engine, "p", after)
    await another.end()


@pytest.mark.parametrize("replays", [True, False])
async def test_the_beginning_of_an_empty_log_is_whole_at_once(replays: bool) -> None:
    """Everything that will be comes after it."""
    relay = await Relay.begin(source=FakeSource(replays=replays))
    began = relay.clock.monotonic()
    viewer = await relay.watches(after=BEGINNING)
    assert began == relay.clock.monotonic()
    relay.says("a")
    assert ["resume"] == viewer.openings()
    assert_hears(viewer, "a")
    await relay.end()


async def test_the_beginning_of_a_log_that_nobody_has_read_yet_is_waited_for(relay: Relay) -> None:
    """A replica that has just been started does not take its own ignorance for an empty log."""
    relay.source.skip(200)
    relay.source.caught_up = False
    judging = asyncio.create_task(judge(relay.engine, "p", BEGINNING))
    await asyncio.sleep(3)
    assert not judging.done()
    relay.log.begin_at(7)
    assert Verdict("gap", "below_floor") == await judging


async def test_the_first_event_of_a_log_of_its_own_is_waited_for() -> None:
    """It is written before it is shown; a relay would else call its own beginning lost."""
    relay = await Relay.begin(source=FakeSource(replays=False))
    relay.source.say(b"{}")
    judging = asyncio.create_task(judge(relay.engine, "p", BEGINNING))
    await asyncio.sleep(1)
    assert not judging.done()
    relay.says("first")
    assert "whole" == (await judging).kind
    await relay.end()


async def test_a_partial_state_is_told_to_nobody(relay: Relay) -> None:
    """Its beginning is in a journal that can't be read: it would be taken for the whole; events are told."""
    begin_partial(relay.log, "p")
    relay.says("a", progress(10))
    modern, legacy = await relay.watches(), await relay.watches(legacy=True)
    (established,) = modern.of("connection_established")
    assert "snapshot" not in established
    assert [] == [message for message in legacy.messages() if message.get("synthetic")]
    assert ["a"] == modern.texts() == legacy.texts()
