"""What journal and memory let go of, and when they don't."""

import asyncio

from relayd.core.floor import Floor
from relayd.core.outage import begin_partial
from relayd.ports import JournalError
from relayd.protocol.cursor import BEGINNING
from relayd.relay.forgetting import RETENTION_SECONDS
from relayd.testing.journal import FakeJournal
from relayd.testing.sources import FakeSource
from relayd.testing.world import settle
from tests.relay.stage import Relay, SlowJournal, line, progress

GONE = JournalError("the disk is full")


async def stopped(*tasks: asyncio.Task[None]) -> None:
    """End tasks."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_what_is_too_old_is_forgotten_and_floors_rise() -> None:
    """In slices, every ten seconds, for ever; memory lets cold projects go, too."""
    relay = await Relay.begin(journal=FakeJournal(max_age_seconds=60), projects=1)
    relay.says(line("a", "q"))
    relay.says("b")
    await relay.keeper.flush(everything=True)
    task = asyncio.create_task(relay.forgetting.run())
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
    task = asyncio.create_task(relay.forgetting.run())
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
    tasks = [asyncio.create_task(relay.forgetting.run()), asyncio.create_task(relay.keeper.write())]
    await asyncio.sleep(21)
    assert {} == relay.log.projects
    await stopped(*tasks)
    await relay.end()


async def test_without_a_journal_memory_forgets_all_the_same() -> None:
    """Nobody fills it by asking for what there is not."""
    relay = await Relay.begin(journaled=False, projects=1)
    for number in range(10):
        await relay.past.open(f"nothing{number}")
    task = asyncio.create_task(relay.forgetting.run())
    await asyncio.sleep(1)
    assert 1 == len(relay.log.projects)
    await stopped(task)
    await relay.end()


async def test_a_journal_that_was_given_up_drops_nothing() -> None:
    """It is tried often enough by others; memory keeps its bound, and holds on to nothing that is gone."""
    relay = await Relay.begin(journal=FakeJournal(max_age_seconds=1), projects=1)
    for number in range(5):
        relay.says(line("a", f"p{number}"))
    relay.keeper.fail(GONE)
    relay.clock.advance(100)
    task = asyncio.create_task(relay.forgetting.run())
    await asyncio.sleep(3 * RETENTION_SECONDS)
    assert [GONE] == relay.observer.of("journal_failed")
    assert (["p4"], ["p4"]) == (list(relay.log.projects), list(relay.keeper._dirty))
    await stopped(task)
    await relay.end()


async def test_projects_that_began_without_their_past_are_made_whole() -> None:
    """As soon as it can be read; as long as it can't, that is told."""
    relay = await Relay.begin()
    relay.says("a")
    await relay.keeper.flush(everything=True)
    relay.log.unload(projects=0)
    begin_partial(relay.log, "p")
    relay.says("b")
    assert relay.journal is not None
    relay.journal.failure = GONE
    task = asyncio.create_task(relay.forgetting.run())
    await settle()
    assert relay.log.projects["p"].partial
    assert {GONE} == set(relay.observer.of("journal_failed"))
    relay.journal.failure = None
    await asyncio.sleep(RETENTION_SECONDS + 1)
    assert 2 == relay.log.projects["p"].state.counts["workflow_log"]
    await stopped(task)
    await relay.end()


async def test_retention_that_hangs_keeps_memory_no_larger() -> None:
    """The journal is given up, and cold projects go; what it drops late is a floor all the same."""
    journal = SlowJournal(max_events_per_project=1)
    relay = await Relay.begin(journal=journal, projects=1)
    relay.says(line("a", "q"))
    entries = [*relay.says("b"), *relay.says("c")]
    for _ in range(3):
        await relay.keeper.flush()
    entries += relay.says("d")
    await relay.keeper.flush()
    journal.hangs = hangs = asyncio.Event()
    task = asyncio.create_task(relay.forgetting.run())
    await asyncio.sleep(59)
    assert ["q", "p"] == list(relay.log.projects)
    await asyncio.sleep(2)
    assert "not dropped within 60 s" in relay.trouble.sentence
    assert ["p"] == list(relay.log.projects)
    hangs.set()
    await settle()
    assert Floor(entries[1].place) == Floor(getattr(relay.log.floor_of("p"), "place", entries[0].place))
    await stopped(task)
    await relay.end()


async def test_retention_of_a_log_that_is_the_journal_is_waited_for() -> None:
    """What it drops raises floors; unheard, a part would be called whole."""
    journal = SlowJournal()
    relay = await Relay.begin(journal=journal, source=FakeSource(replays=False))
    journal.hangs = hangs = asyncio.Event()
    task = asyncio.create_task(relay.forgetting.run())
    await asyncio.sleep(120)
    assert [] == relay.observer.of("journal_failed")
    hangs.set()
    await settle()
    assert not relay.log.loose
    await stopped(task)
    await relay.end()
