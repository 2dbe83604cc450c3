"""What is written when, what waits for it, and what happens when it can't be."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relayd.core.floor import Floor
from relayd.ports import Floor as PortFloor
from relayd.ports import JournalError, Position
from relayd.protocol.cursor import BEGINNING, Place, decode
from relayd.relay.keeper import BACKLOG, Pending, row
from relayd.testing.journal import FakeJournal
from relayd.testing.sources import FakeSource
from relayd.testing.world import settle
from tests.relay.stage import Relay, SlowJournal, assert_hears, line, progress

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
    assert Place(-1, -1, -1, -1) == relay.log.settled
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
    assert Place(-1, -1, -1, -1) == relay.log.settled
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
    assert row(relay.log.open("nothing")) is None
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
    await relay.end()


def test_nothing_has_no_position() -> None:
    """Only a body has a place to resume from."""
    assert Pending().position is None


# -- when it can't be -----------------------------------------------------------------------------------------------


async def test_a_journal_that_fails_is_detached_and_service_goes_on(relay: Relay) -> None:
    """Its log can be read again: floors say where memory's past begins, and `/readyz` says why."""
    await relay.keeper.flush()
    relay.says(line("shelved", "q"))
    await relay.keeper.flush(everything=True)
    relay.log.unload(projects=0)
    assert {"q"} == relay.log.shelved
    viewer = await relay.watches()
    relay.says("a")
    journal_of(relay).failure = GONE
    await relay.keeper.flush()
    assert relay.past.journal is None
    assert relay.log.settled is None
    assert "detached" in relay.keeper.trouble
    assert "disk is full" in relay.keeper.trouble
    assert [GONE] == relay.observer.of("journal_failed")
    assert set() == relay.log.shelved
    assert relay.log.floor_of("q") is not None
    assert relay.log.floor_of("p") is None
    relay.says("b")
    assert_hears(viewer, "a", "b")
    journal_of(relay).failure = None
    await relay.keeper.flush(everything=True)
    assert 1 == len(journal_of(relay).commits)
    relay.keeper.fail(GONE)
    assert 2 == len(relay.observer.of("journal_failed"))


async def test_a_detached_journal_keeps_nobody_waiting() -> None:
    """Intake that waited for it to follow goes on."""
    relay = await Relay.begin(commit_bytes=10)
    relay.says("x" * 1_000)
    waiting = asyncio.create_task(relay.keeper.room())
    await settle()
    assert not waiting.done()
    relay.keeper.fail(GONE)
    await waiting
    assert 0 == relay.keeper._pending.nbytes
    await relay.end()


async def test_a_commit_that_ends_after_the_journal_was_given_up_changes_nothing(relay: Relay) -> None:
    """Memory is all there is by then, and must not be trimmed as if there were more."""
    journal_of(relay).gate = gate = asyncio.Event()
    relay.says("a")
    flush = asyncio.create_task(relay.keeper.flush(everything=True))
    await settle()
    relay.keeper.fail(GONE)
    gate.set()
    await flush
    assert relay.log.settled is None
    assert set() == relay.log.shelved


async def test_a_second_flush_behind_a_failed_one_writes_nothing(relay: Relay) -> None:
    """It would leave a hole where the first should stand."""
    journal_of(relay).gate = gate = asyncio.Event()
    relay.says("a")
    first = asyncio.create_task(relay.keeper.flush())
    await settle()
    relay.says("b")
    second = asyncio.create_task(relay.keeper.flush(everything=True))
    await settle()
    journal_of(relay).failure = GONE
    gate.set()
    await settle(1)
    journal_of(relay).failure = None
    await asyncio.gather(first, second)
    assert [] == journal_of(relay).commits


async def test_snapshots_of_a_log_that_is_the_journal_are_tried_again(embedded: Relay) -> None:
    """Nothing is detached: without its journal this log has nothing; a floor waits with them."""
    staging = embedded.stage(line("a"))
    await embedded.keeper.commit(staging, [])
    embedded.keeper.note(embedded.log.apply(staging))
    floor = PortFloor(Place(0, 0, 1, 1))
    embedded.keeper.raise_floor(floor)
    journal_of(embedded).failure = GONE
    await embedded.keeper.flush(everything=True)
    assert [GONE] == embedded.observer.of("journal_failed")
    assert embedded.past.journal is not None
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


async def test_a_batch_that_can_t_be_written_is_refused_and_can_come_again(embedded: Relay) -> None:
    """Publishers are told; the trouble ends with the next that can be written."""
    staging = embedded.stage(line("a"))
    embedded.keeper.raise_floor(Floor(Place(0, 0)))
    journal_of(embedded).failure = GONE
    with pytest.raises(JournalError):
        await embedded.keeper.commit(staging, [])
    assert "publishers are refused" in embedded.keeper.trouble
    journal_of(embedded).failure = None
    await embedded.keeper.commit(staging, [])
    assert "" == embedded.keeper.trouble
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
    assert ("", []) == (relay.keeper.trouble, relay.observer.of("journal_failed"))
    assert relay.past.journal is not None
    await asyncio.sleep(0.5)
    assert relay.past.journal is None
    assert "detached" in relay.keeper.trouble
    assert "a transaction was not written within 60 s" in relay.keeper.trouble
    assert 1 == len(relay.observer.of("journal_failed"))
    gate.set()
    relay.says("b")
    await settle()
    assert relay.log.settled is None
    assert_hears(viewer, "a", "b")
    await stopped(task)
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
    assert "" == relay.keeper.trouble
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
    assert "publishers wait" in embedded.keeper.trouble
    assert 1 == len(embedded.observer.of("journal_failed"))
    gate.set()
    await commit
    assert "" == embedded.keeper.trouble
    assert 2 == len(journal_of(embedded).commits)


async def test_retention_that_hangs_keeps_memory_no_larger() -> None:
    """The journal is given up, and cold projects go as they do without one."""
    relay = await Relay.begin(projects=1)
    assert isinstance(relay.journal, SlowJournal)
    relay.says(line("a", "q"))
    relay.says("b")
    relay.journal.hangs = asyncio.Event()
    task = asyncio.create_task(relay.keeper.retain())
    await asyncio.sleep(59)
    assert ["q", "p"] == list(relay.log.projects)
    await asyncio.sleep(2)
    assert "not dropped within 60 s" in relay.keeper.trouble
    assert ["p"] == list(relay.log.projects)
    await stopped(task)
    await relay.end()


async def test_retention_of_a_log_that_is_the_journal_is_waited_for(embedded: Relay) -> None:
    """What it drops raises floors; unheard, a part would be called whole."""
    assert isinstance(embedded.journal, SlowJournal)
    embedded.journal.hangs = hangs = asyncio.Event()
    task = asyncio.create_task(embedded.keeper.retain())
    await asyncio.sleep(120)
    assert [] == embedded.observer.of("journal_failed")
    hangs.set()
    await settle()
    assert embedded.past.journal is not None
    await stopped(task)


# -- retention ------------------------------------------------------------------------------------------------------


async def test_what_is_too_old_is_forgotten_and_floors_rise() -> None:
    """In slices, every ten seconds, for ever; memory lets cold projects go, too."""
    relay = await Relay.begin(journal=FakeJournal(max_age_seconds=60), projects=1)
    relay.says(line("a", "q"))
    relay.says("b")
    await relay.keeper.flush(everything=True)
    task = asyncio.create_task(relay.keeper.retain())
    await asyncio.sleep(1)
    assert ["p"] == list(relay.log.projects)
    assert relay.log.floor_of("p") is None
    await asyncio.sleep(70)
    assert relay.log.floor_of("p") is not None
    assert BEGINNING != relay.log.head_cursor()
    await stopped(task)
    await relay.end()


async def test_a_clock_that_is_set_forward_drops_nothing() -> None:
    """What is dropped for its age is lost for good, so the clock is believed only as far as time has passed."""
    relay = await Relay.begin(journal=FakeJournal(max_age_seconds=3_600))
    relay.says("a")
    await relay.keeper.flush(everything=True)
    task = asyncio.create_task(relay.keeper.retain())
    relay.clock.time += 86_400
    await asyncio.sleep(60)
    assert relay.log.floor_of("p") is None
    # An hour later it is old, whatever the clock says; and a clock that is set back is believed.
    relay.clock.time -= 2 * 86_400
    await asyncio.sleep(3_600)
    assert relay.log.floor_of("p") is None
    relay.clock.time += 86_400
    await asyncio.sleep(60)
    assert relay.log.floor_of("p") is not None
    await stopped(task)
    await relay.end()


async def test_a_project_that_was_folded_forward_is_written_so_that_it_can_go() -> None:
    """Loaded after a crash it is newer than its snapshot."""
    first = await Relay.begin()
    first.says(progress(10))
    await first.keeper.flush()
    await first.end()
    relay = await Relay.begin(journal=first.journal, projects=0)
    await relay.past.open("p")
    assert relay.log.projects["p"].dirty
    tasks = [asyncio.create_task(relay.keeper.retain()), asyncio.create_task(relay.keeper.write())]
    await asyncio.sleep(21)
    assert {} == relay.log.projects
    await stopped(*tasks)
    await relay.end()


async def test_without_a_journal_memory_forgets_all_the_same() -> None:
    """Nobody fills it by asking for what there is not."""
    relay = await Relay.begin(journaled=False, projects=1)
    for number in range(10):
        await relay.past.open(f"nothing{number}")
    task = asyncio.create_task(relay.keeper.retain())
    await asyncio.sleep(1)
    assert 1 == len(relay.log.projects)
    await stopped(task)
    await relay.end()
