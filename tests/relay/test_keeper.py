"""What is written when, what waits for it, and what happens when it can't be."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relayd.core.floor import BELOW_ALL, Floor
from relayd.ports import JournalError, Position
from relayd.protocol.cursor import Place, decode
from relayd.relay.keeper import BACKLOG
from relayd.testing.journal import FakeJournal
from relayd.testing.sources import FakeSource
from relayd.testing.world import settle
from tests.relay.stage import Relay, assert_hears, line, poison, progress

GONE = JournalError("the disk is full")


@pytest.fixture
async def embedded() -> AsyncIterator[Relay]:
    """Give a relay whose journal is the log."""
    relay = await Relay.begin(source=FakeSource(replays=False))
    yield relay
    await relay.end()


def journal_of(relay: Relay) -> FakeJournal:
    """Return the relay's journal."""
    assert relay.journal is not None
    return relay.journal


async def writing(relay: Relay) -> asyncio.Task[None]:
    """Begin to write, for as long as the test lasts."""
    task = asyncio.create_task(relay.keeper.write())
    await settle(3)
    return task


async def stopped(*tasks: asyncio.Task[None]) -> None:
    """End tasks."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


# -- when -----------------------------------------------------------------------------------------------------------


async def test_what_was_read_is_written_a_quarter_of_a_second_later(relay: Relay) -> None:
    """Position and entries stand in one transaction; a settled place follows it, never precedes it."""
    task = await writing(relay)
    assert BELOW_ALL == relay.log.settled
    (entry,) = relay.says("a")
    await asyncio.sleep(0.2)
    assert [] == journal_of(relay).commits
    await asyncio.sleep(0.06)
    (commit,) = journal_of(relay).commits
    assert {"p": [entry]} == commit.entries
    assert Position(0, 0, decode(entry.cursor).fingerprint) == commit.position
    assert relay.log.end_of(0) == relay.log.settled
    assert relay.clock.now() > commit.received_at
    assert [1] == [events for events, _ in relay.observer.of("committed")]
    await asyncio.sleep(1)
    assert 1 == len(journal_of(relay).commits)
    await stopped(task)


async def test_a_full_transaction_is_written_at_once() -> None:
    """Bytes count as well as time."""
    relay = await Relay.begin(commit_bytes=1_000)
    task = await writing(relay)
    relay.says("x" * 1_000)
    await settle()
    assert 1 == len(journal_of(relay).commits)
    await stopped(task)
    await relay.end()


async def test_nothing_settles_before_it_is_written(relay: Relay) -> None:
    """Memory may only let go of what the journal holds."""
    journal_of(relay).gate = gate = asyncio.Event()
    relay.says("a")
    flush = asyncio.create_task(relay.keeper.flush())
    await settle()
    assert BELOW_ALL == relay.log.settled
    gate.set()
    await flush
    assert relay.log.end_of(0) == relay.log.settled


async def test_a_journal_too_far_behind_makes_intake_wait() -> None:
    """Eight full transactions may wait, then the broker's acks do; once they are written there is room again."""
    relay = await Relay.begin(commit_bytes=1_000)
    written = 0
    while written < BACKLOG * 1_000:
        await relay.keeper.room()
        (entry,) = relay.says("x" * 1_000)
        written += len(entry.payload)
    waiting = asyncio.create_task(relay.keeper.room())
    await settle()
    assert not waiting.done()
    await relay.keeper.flush()
    await waiting
    await relay.end()


async def test_snapshots_are_written_every_five_seconds(relay: Relay) -> None:
    """What lies between is folded forward when a project is loaded."""
    relay.says("a", progress(10))
    await relay.keeper.flush()
    relay.clock.advance(5)
    relay.says(progress(20))
    await relay.keeper.flush()
    relay.says(progress(30))
    await relay.keeper.flush()
    first, second, third = journal_of(relay).commits
    assert [] == first.projects
    assert 1 == len(second.projects)
    assert [] == third.projects
    assert relay.log.projects["p"].dirty
    assert {"p"} == relay.log.shelved
    relay.clock.advance(5)
    await relay.keeper.flush()
    (written,) = journal_of(relay).commits[-1].projects
    assert b'"progress":30' in written.snapshot
    assert not relay.log.projects["p"].dirty


async def test_many_snapshots_are_written_in_slices(relay: Relay) -> None:
    """The loop's turns stay short; at the end all are written at once."""
    for number in range(450):
        relay.says(line("a", f"p{number}"))
    relay.clock.advance(5)
    for expected in (200, 200, 50):
        await relay.keeper.flush()
        assert expected == len(journal_of(relay).commits[-1].projects)
    commits = len(journal_of(relay).commits)
    await relay.keeper.flush()
    assert commits == len(journal_of(relay).commits)
    for number in range(450):
        relay.says(line("b", f"p{number}"))
    await relay.keeper.flush(everything=True)
    assert 450 == len(journal_of(relay).commits[-1].projects)


async def test_a_project_without_events_is_not_written(relay: Relay) -> None:
    """Somebody asked for it, nothing more."""
    relay.keeper.note([relay.log.open("nothing")])
    await relay.keeper.flush(everything=True)
    assert [] == journal_of(relay).commits


async def test_a_project_that_goes_on_while_its_snapshot_is_written_stays_dirty(relay: Relay) -> None:
    """The newer state is written later."""
    journal_of(relay).gate = gate = asyncio.Event()
    relay.says("a")
    flush = asyncio.create_task(relay.keeper.flush(everything=True))
    await settle()
    relay.says("b")
    gate.set()
    await flush
    assert relay.log.projects["p"].dirty


async def test_a_floor_is_written_with_what_comes_after_it(relay: Relay) -> None:
    """Alone it would stand before its hole."""
    relay.says("a")
    await relay.keeper.flush()
    relay.breaks("truncated")
    await relay.keeper.flush()
    assert 1 == len(journal_of(relay).commits)
    relay.skips(10)
    relay.says("b")
    await relay.keeper.flush()
    assert relay.log.floor == journal_of(relay).commits[-1].floor


async def test_without_a_journal_nothing_is_kept() -> None:
    """Neither batches nor rows wait for one that will never come."""
    relay = await Relay.begin(journaled=False)
    relay.says("a")
    await relay.keeper.flush(everything=True)
    assert [] == relay.keeper._pending.bodies
    assert {} == relay.keeper._dirty
    await relay.keeper.catch_up()
    await relay.end()


# -- when it can't be -----------------------------------------------------------------------------------------------


async def fallen_out(relay: Relay) -> None:
    """Let the journal be one that can't be written any more."""
    journal_of(relay).full = GONE
    relay.says("when it happened")
    await relay.keeper.flush()
    assert relay.log.loose


async def test_a_journal_that_fails_is_given_up_and_service_goes_on(relay: Relay) -> None:
    """`/readyz` says why; what it holds is read all the same, and memory may let go of what it does not hold."""
    viewer = await relay.watches()
    await fallen_out(relay)
    assert "detached" in relay.trouble.sentence
    assert "disk is full" in relay.trouble.sentence
    assert [GONE] == relay.observer.of("journal_failed")
    relay.says("b")
    assert_hears(viewer, "when it happened", "b")
    journal_of(relay).full = None
    await relay.keeper.flush(everything=True)
    assert [] == journal_of(relay).commits
    assert [] == relay.keeper._pending.bodies


async def test_a_journal_that_was_given_up_keeps_nobody_waiting() -> None:
    """Intake that waited for it to follow goes on."""
    relay = await Relay.begin(commit_bytes=10)
    relay.says("x" * 1_000)
    waiting = asyncio.create_task(relay.keeper.room())
    await settle()
    assert not waiting.done()
    relay.keeper.fail(GONE)
    await waiting
    assert 0 == relay.keeper._pending.nbytes
    for _ in range(100):
        relay.says("x" * 1_000)
        await relay.keeper.room()
    await relay.end()


async def test_a_commit_that_ends_after_the_journal_was_given_up_counts(relay: Relay) -> None:
    """It is there, so memory may let go of it; what came after it is not."""
    journal_of(relay).gate = gate = asyncio.Event()
    relay.says("a")
    flush = asyncio.create_task(relay.keeper.flush(everything=True))
    await settle()
    relay.keeper.fail(GONE)
    relay.says("b")
    gate.set()
    await flush
    assert (relay.log.end_of(0), True) == (relay.log.settled, relay.log.loose)
    assert 1 == len(journal_of(relay).commits)


async def test_a_second_flush_behind_a_failed_one_writes_nothing(relay: Relay) -> None:
    """It would leave a hole where the first should stand."""
    journal_of(relay).gate = gate = asyncio.Event()
    relay.says("a")
    first = asyncio.create_task(relay.keeper.flush())
    await settle()
    relay.says("b")
    second = asyncio.create_task(relay.keeper.flush(everything=True))
    await settle()
    journal_of(relay).full = GONE
    gate.set()
    await settle(1)
    journal_of(relay).full = None
    await asyncio.gather(first, second)
    assert [] == journal_of(relay).commits


async def test_one_transaction_brings_a_journal_up_to_memory(relay: Relay) -> None:
    """Bodies, events, states and all that was not understood; from there on it is written as ever."""
    (before,) = relay.says("before", progress(10))[:1]
    await relay.keeper.flush(everything=True)
    await fallen_out(relay)
    said = [*relay.says("a", progress(20)), *relay.says(line("of another", "q"))]
    relay.keeper.keep(relay.log.stage(), [poison()], [])
    journal_of(relay).full = None
    await relay.keeper.catch_up()
    commit = journal_of(relay).commits[-1]
    assert [1, 2, 3] == [body.offset for body in commit.bodies]
    assert said == [*commit.entries["p"][1:], *commit.entries["q"]]
    assert {"p", "q"} == {written.project_id for written in commit.projects}
    assert [poison()] == commit.rejected
    assert (False, relay.log.head) == (relay.log.loose, relay.log.settled)
    assert 1 == len([events for events, _ in relay.observer.of("committed") if events == 4])
    relay.says("as ever")
    await relay.keeper.flush()
    assert [4] == [body.offset for body in journal_of(relay).commits[-1].bodies]
    again = await Relay.begin(journal=await closed(relay))
    viewer = await again.watches(after=before.cursor)
    assert_hears(viewer, "when it happened", "a", "as ever")
    assert 20 == again.log.projects["p"].state.progress
    await again.end()


async def closed(relay: Relay) -> FakeJournal:
    """Return the relay's journal, closed, for the next relay."""
    await journal_of(relay).close()
    return journal_of(relay)


async def test_repeats_are_recognised_after_a_start_behind_an_outage(relay: Relay) -> None:
    """The whole window is written with what was missed, in its order."""
    relay.says("a", names=["one"])
    await relay.keeper.flush()
    await fallen_out(relay)
    relay.says("b", names=["two"])
    journal_of(relay).full = None
    await relay.keeper.catch_up()
    again = await Relay.begin(journal=await closed(relay))
    assert list(relay.log.repeats) == list(again.log.repeats)
    assert 2 == len(again.log.repeats)
    await again.end()


async def test_what_memory_let_go_of_is_below_the_floor_that_is_written() -> None:
    """The viewer of before is told a gap, the one of after misses nothing; after the next start, too."""
    relay = await Relay.begin(timeline_events=4)
    (before,) = relay.says("before")
    await relay.keeper.flush()
    await fallen_out(relay)
    entries = [entry for number in range(9) for entry in relay.says(str(number))]
    journal_of(relay).full = None
    await relay.keeper.catch_up()
    again = await Relay.begin(journal=await closed(relay))
    for each in (relay, again):
        late, early = await each.watches(after=before.cursor), await each.watches(after=entries[5].cursor)
        assert ["gap"] == late.openings()
        assert (["resume"], ["6", "7", "8"]) == (early.openings(), early.texts())
    await again.end()
    await relay.end()


async def test_catching_up_with_nothing_shows_whether_it_can_be_written(relay: Relay) -> None:
    """Its position is told once more; a log without a past has none."""
    relay.keeper.fail(GONE)
    await relay.keeper.catch_up()
    assert ([], False) == (journal_of(relay).commits, relay.log.loose)
    relay.says("a")
    await relay.keeper.flush()
    relay.keeper.fail(GONE)
    journal_of(relay).full = GONE
    with pytest.raises(JournalError):
        await relay.keeper.catch_up()
    journal_of(relay).full = None
    await relay.keeper.catch_up()
    assert (2, []) == (len(journal_of(relay).commits), journal_of(relay).commits[-1].bodies)


async def test_an_attempt_that_fails_changes_nothing(relay: Relay) -> None:
    """What was not understood, what comes meanwhile, floors and states: all of it is written by the next."""
    await fallen_out(relay)
    relay.keeper.keep(relay.log.stage(), [poison()], [])
    with pytest.raises(JournalError):
        await relay.keeper.catch_up()
    assert relay.log.loose
    relay.breaks("truncated")
    relay.skips(3)
    relay.says("later")
    journal_of(relay).full = None
    await relay.keeper.catch_up()
    (commit,) = journal_of(relay).commits
    assert ([0, 4], [poison()], relay.log.floor) == (
        [body.offset for body in commit.bodies], commit.rejected, commit.floor
    )  # fmt: skip
    assert ["p"] == [written.project_id for written in commit.projects]


async def test_what_comes_while_it_catches_up_is_written_next(relay: Relay) -> None:
    """Nothing is written twice, nothing is left out."""
    await fallen_out(relay)
    journal = journal_of(relay)
    journal.full, journal.gate = None, asyncio.Event()
    catching = asyncio.create_task(relay.keeper.catch_up())
    await settle()
    relay.says("meanwhile")
    journal.gate.set()
    await catching
    await relay.keeper.flush()
    assert [[0], [1]] == [[body.offset for body in commit.bodies] for commit in journal.commits]


async def test_more_than_it_can_follow_makes_it_catch_up_once_more() -> None:
    """Nobody waits for a journal that is only just coming back."""
    relay = await Relay.begin(commit_bytes=1_000)
    await fallen_out(relay)
    journal = journal_of(relay)
    journal.full, journal.gate = None, asyncio.Event()
    catching = asyncio.create_task(relay.keeper.catch_up())
    await settle()
    for _ in range(20):
        relay.says("x" * 1_000)
        await relay.keeper.room()
    journal.gate.set()
    await catching
    assert [[0], list(range(1, 21))] == [[body.offset for body in commit.bodies] for commit in journal.commits]
    assert not relay.log.loose
    await relay.end()


async def test_what_is_not_understood_during_an_outage_is_bounded() -> None:
    """The oldest go: memory is not a disk."""
    relay = await Relay.begin(commit_bytes=1_000)
    await fallen_out(relay)
    for number in range(100):
        relay.keeper.keep(relay.log.stage(), [poison(f"{number}")], [])
    kept = [one.detail for one in relay.keeper._pending.rejected]
    assert [f"{number}" for number in range(100 - len(kept), 100)] == kept
    assert relay.keeper._pending.nbytes <= BACKLOG * 1_000
    await relay.end()


async def test_the_log_may_be_made_anew_while_the_journal_is_away(relay: Relay) -> None:
    """Its first transaction afterwards is of the new log; while that is empty, it only shows that it can be written."""
    relay.says("old")
    await relay.keeper.flush()
    await fallen_out(relay)
    relay.breaks("recreated")
    journal_of(relay).full = None
    await relay.keeper.catch_up()
    assert relay.keeper.position is not None
    assert (0, 0) == (relay.keeper.position.epoch, relay.keeper.position.offset)
    assert [] == journal_of(relay).commits[-1].bodies
    (entry,) = relay.says("new")
    await relay.keeper.flush()
    again = await Relay.begin(journal=await closed(relay))
    assert (1, relay.log.floor) == (again.log.epoch, again.log.floor)
    viewer = await again.watches(after=entry.cursor)
    assert ["resume"] == viewer.openings()
    await again.end()


async def test_a_log_made_anew_goes_on_in_a_journal_that_missed_it(relay: Relay) -> None:
    """Epochs are written in their order."""
    relay.says("old")
    await relay.keeper.flush()
    await fallen_out(relay)
    relay.breaks("recreated")
    relay.says("new")
    journal_of(relay).full = None
    await relay.keeper.catch_up()
    commit = journal_of(relay).commits[-1]
    assert [(1, 0)] == [(body.epoch, body.offset) for body in commit.bodies]
    assert [0, 1] == [entry.place.epoch for entry in commit.entries["p"]]
    assert (1, 0) == (commit.position.epoch, commit.position.offset)


async def test_what_is_noted_of_projects_that_are_gone_is_forgotten() -> None:
    """Else a relay without a journal would keep all that memory has let go of."""
    relay = await Relay.begin()
    await fallen_out(relay)
    relay.says(line("a", "q"))
    relay.log.unload(projects=1)
    relay.keeper.forget_gone()
    assert ["q"] == list(relay.keeper._dirty)
    await relay.end()


async def test_snapshots_of_a_log_that_is_the_journal_are_tried_again(embedded: Relay) -> None:
    """Nothing is detached: without its journal this log has nothing; a floor waits with them."""
    staging = embedded.stage(line("a"))
    await embedded.keeper.commit(staging, [])
    embedded.keeper.note(embedded.log.apply(staging))
    floor = Floor(Place(0, 0, 1, 1))
    embedded.keeper.raise_floor(floor)
    journal_of(embedded).failure = GONE
    await embedded.keeper.flush(everything=True)
    assert [GONE] == embedded.observer.of("journal_failed")
    assert not embedded.log.loose
    journal_of(embedded).failure = None
    await embedded.keeper.flush(everything=True)
    commit = journal_of(embedded).commits[-1]
    assert ["p"] == [written.project_id for written in commit.projects]
    assert floor == commit.floor


async def test_a_batch_of_a_log_that_is_the_journal_is_durable_before_it_is_applied(embedded: Relay) -> None:
    """Never show what a crash could unmake."""
    journal_of(embedded).gate = gate = asyncio.Event()
    staging = embedded.stage(line("a"))
    commit = asyncio.create_task(embedded.keeper.commit(staging, []))
    await settle()
    assert not commit.done()
    gate.set()
    await commit
    assert 1 == len(journal_of(embedded).commits)


async def test_snapshots_wait_for_the_batch_that_is_being_written(embedded: Relay) -> None:
    """Written at the position before it they would be refused, and a failure counted that is none."""
    first = embedded.stage(line("a"))
    await embedded.keeper.commit(first, [])
    embedded.keeper.note(embedded.log.apply(first))
    journal_of(embedded).gate = gate = asyncio.Event()
    commit = asyncio.create_task(embedded.keeper.commit(embedded.stage(line("b")), []))
    await settle()
    flush = asyncio.create_task(embedded.keeper.flush(everything=True))
    await settle()
    gate.set()
    await asyncio.gather(commit, flush)
    assert [] == embedded.observer.of("journal_failed")
    assert [0, 1, 1] == [written.position.offset for written in journal_of(embedded).commits]


async def test_snapshots_wait_for_the_batch_that_nobody_waits_for_any_more(embedded: Relay) -> None:
    """A relay that ends in the middle of a batch: it is written, and what is written last goes on behind it."""
    first = embedded.stage(line("a"))
    await embedded.keeper.commit(first, [])
    embedded.keeper.note(embedded.log.apply(first))
    journal_of(embedded).gate = gate = asyncio.Event()
    commit = asyncio.create_task(embedded.keeper.commit(embedded.stage(line("b")), []))
    await settle()
    await stopped(commit)
    flush = asyncio.create_task(embedded.keeper.flush(everything=True))
    await settle()
    assert not flush.done()
    gate.set()
    await flush
    assert [] == embedded.observer.of("journal_failed")
    assert [0, 1, 1] == [written.position.offset for written in journal_of(embedded).commits]
    assert ["p"] == [row.project_id for row in journal_of(embedded).commits[-1].projects]


async def test_a_batch_that_can_t_be_written_is_refused_and_can_come_again(embedded: Relay) -> None:
    """Publishers are told; the trouble ends with the next that can be written."""
    staging = embedded.stage(line("a"))
    embedded.keeper.raise_floor(Floor(Place(0, 0)))
    journal_of(embedded).failure = GONE
    with pytest.raises(JournalError):
        await embedded.keeper.commit(staging, [])
    assert "publishers are refused" in embedded.trouble.sentence
    journal_of(embedded).failure = None
    await embedded.keeper.commit(staging, [])
    assert "" == embedded.trouble.sentence
    assert Floor(Place(0, 0)) == journal_of(embedded).commits[-1].floor


async def test_a_log_without_a_journal_that_cannot_be_read_again_is_applied_all_the_same() -> None:
    """A made-up swarm needs no disk."""
    relay = await Relay.begin(source=FakeSource(replays=False), journaled=False)
    await relay.keeper.commit(relay.stage(line("a")), [])
    assert [] == relay.observer.of("committed")
    await relay.end()


# -- too slow -------------------------------------------------------------------------------------------------------


async def test_a_journal_that_takes_too_long_is_given_up() -> None:
    """A minute for one transaction; then the reason is told, counted, and everybody is served from memory."""
    relay = await Relay.begin(journal_patience_seconds=60)
    viewer = await relay.watches()
    journal_of(relay).gate = gate = asyncio.Event()
    task = await writing(relay)
    relay.says("a")
    await asyncio.sleep(60)
    assert ("", []) == (relay.trouble.sentence, relay.observer.of("journal_failed"))
    assert not relay.log.loose
    await asyncio.sleep(0.5)
    assert relay.log.loose
    assert "detached" in relay.trouble.sentence
    assert "a transaction was not written within 60 s" in relay.trouble.sentence
    assert 1 == len(relay.observer.of("journal_failed"))
    relay.says("b")
    assert_hears(viewer, "a", "b")
    gate.set()
    await stopped(task)
    await relay.end()


@pytest.mark.parametrize("written", [True, False])
async def test_a_transaction_that_was_given_up_is_waited_for(*, written: bool) -> None:
    """Whether it was written is known only then; and there is never a second one beside it."""
    relay = await Relay.begin()
    journal = journal_of(relay)
    journal.gate = gate = asyncio.Event()
    relay.says("a")
    await relay.keeper.flush()
    assert relay.log.loose
    relay.says("b")
    catching = asyncio.create_task(relay.keeper.catch_up())
    idle = asyncio.create_task(relay.keeper.idle())
    await asyncio.sleep(1_000)
    assert (False, False, []) == (catching.done(), idle.done(), journal.commits)
    journal.full = None if written else GONE
    gate.set()
    if not written:
        with pytest.raises(JournalError):
            await catching
        journal.full = None
        catching = asyncio.create_task(relay.keeper.catch_up())
    await asyncio.gather(catching, idle)
    assert ([[0], [1]] if written else [[0, 1]]) == [[one.offset for one in each.bodies] for each in journal.commits]
    await relay.end()


async def test_a_transaction_is_finished_when_its_relay_is_not_interested_any_more(relay: Relay) -> None:
    """Whoever waited for it was ended; the next one waits for it first."""
    journal = journal_of(relay)
    journal.gate = gate = asyncio.Event()
    relay.says("a")
    task = await writing(relay)
    await asyncio.sleep(1)
    await stopped(task)
    relay.says("b")
    flush, idle = asyncio.create_task(relay.keeper.flush()), asyncio.create_task(relay.keeper.idle())
    await settle()
    assert (False, []) == (idle.done(), journal.commits)
    gate.set()
    await asyncio.gather(flush, idle)
    assert [[0], [1]] == [[body.offset for body in commit.bodies] for commit in journal.commits]
    assert (relay.log.head, False) == (relay.log.settled, relay.log.loose)


async def test_a_transaction_that_nobody_waited_for_may_have_failed(relay: Relay) -> None:
    """What comes behind it would leave a hole in its place: the journal has to catch up."""
    journal = journal_of(relay)
    journal.gate = gate = asyncio.Event()
    relay.says("a")
    task = await writing(relay)
    await asyncio.sleep(1)
    await stopped(task)
    relay.says("b")
    journal.full = GONE
    gate.set()
    await relay.keeper.flush()
    journal.full = None
    assert (True, []) == (relay.log.loose, journal.commits)
    assert "nobody waited for" in relay.trouble.sentence
    await relay.keeper.catch_up()
    assert [[0, 1]] == [[body.offset for body in commit.bodies] for commit in journal.commits]


async def test_what_does_not_fit_is_below_the_floor_as_soon_as_the_rest_is_written() -> None:
    """An attempt that fails costs nobody anything; one that was given up and is written all the same does."""
    relay = await Relay.begin(catch_up_bytes=3_000)
    (first,) = relay.says("first")
    await relay.keeper.flush()
    await fallen_out(relay)
    for _ in range(9):
        relay.says("x" * 1_000)
    with pytest.raises(JournalError):
        await relay.keeper.catch_up()
    assert {} == relay.log.floors
    journal = journal_of(relay)
    journal.full, journal.gate = None, asyncio.Event()
    with pytest.raises(JournalError, match="not written within"):
        await relay.keeper.catch_up()
    assert {} == relay.log.floors
    journal.gate.set()
    await relay.keeper.catch_up()
    assert first.place < relay.log.floors["p"].place
    assert journal.commits[1].floors == relay.log.floors == journal._floors
    await relay.end()


async def test_a_slow_journal_is_not_given_up_for_being_slow_often(relay: Relay) -> None:
    """Each transaction has its own time; behind a disk that is slow the broker holds what comes."""
    journal = journal_of(relay)
    task = await writing(relay)
    for text in ("a", "b", "c"):
        journal.gate = gate = asyncio.Event()
        relay.says(text)
        await asyncio.sleep(50)
        gate.set()
        await settle()
    assert 3 == len(journal.commits)
    assert "" == relay.trouble.sentence
    await stopped(task)


async def test_a_log_that_is_the_journal_waits_and_says_so(embedded: Relay) -> None:
    """Given up in the middle, an event could be written that nobody is ever shown."""
    await embedded.keeper.commit(embedded.stage(line("in time")), [])
    await asyncio.sleep(120)
    assert [] == embedded.observer.of("journal_failed")
    journal_of(embedded).gate = gate = asyncio.Event()
    commit = asyncio.create_task(embedded.keeper.commit(embedded.stage(line("a")), []))
    await asyncio.sleep(61)
    assert not commit.done()
    assert "publishers wait" in embedded.trouble.sentence
    assert 1 == len(embedded.observer.of("journal_failed"))
    gate.set()
    await commit
    assert "" == embedded.trouble.sentence
    assert 1 == len(embedded.observer.of("journal_attached"))
    assert 2 == len(journal_of(embedded).commits)
