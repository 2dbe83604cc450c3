"""How a relay begins with its journal, and how it gets it back."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from relayd.core.floor import Floor
from relayd.ports import Aside, JournalDamaged, JournalError, JournalMistake, Position, Recovered
from relayd.protocol.cursor import Place
from relayd.relay.mender import FIRST_PAUSE, LONGEST_PAUSE
from relayd.testing.journal import FakeJournal
from relayd.testing.sources import FakeSource
from relayd.testing.world import settle
from tests.relay.stage import Relay, assert_hears, line, progress

FULL = JournalError("the disk is full")
ROT = JournalDamaged("it is rotten")


class Cellar(FakeJournal):
    """A journal that can't be opened, or not be moved, as a test says; it remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.shut: JournalError | None = None
        self.stuck: JournalError | None = None
        self.vanished = False
        self.opened = 0

    async def open(self, log: str, *, window: int) -> Recovered:
        self.opened += 1
        if self.shut is not None:
            raise self.shut
        return await super().open(log, window=window)

    async def set_aside(self, now: float) -> Aside | None:
        if self.stuck is not None:
            raise self.stuck
        self.shut = None if self.shut is ROT else self.shut
        moved = await super().set_aside(now)
        return None if self.vanished else moved


async def used(*texts: str, journal: FakeJournal | None = None) -> FakeJournal:
    """Return a journal that a relay has written these lines of `p` to, one a body, and closed."""
    relay = await Relay.begin(journal=journal or Cellar())
    for text in texts:
        relay.says(text)
    await relay.keeper.flush(everything=True)
    await relay.end()
    assert relay.journal is not None
    return relay.journal


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """Give a relay whose journal is looked after."""
    relay = await Relay.begin(journal=Cellar())
    task = asyncio.create_task(relay.mender.mend())
    await settle(3)
    yield relay
    task.cancel()
    await asyncio.wait({task})
    await relay.end()


def cellar(relay: Relay) -> Cellar:
    """Return the relay's journal."""
    assert isinstance(relay.journal, Cellar)
    return relay.journal


async def looked_after(relay: Relay, *, seconds: float) -> None:
    """Look after a relay's journal for a while."""
    task = asyncio.create_task(relay.mender.mend())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait({task})


# -- the beginning --------------------------------------------------------------------------------------------------


async def test_a_relay_goes_on_where_its_journal_ends() -> None:
    """Position, head, projects."""
    journal = await used("a", "b")
    relay = await Relay.begin(journal=journal)
    assert relay.keeper.position is not None
    assert (1, relay.log.end_of(1), {"p"}) == (relay.keeper.position.offset, relay.log.head, relay.log.shelved)
    assert ("", False, False) == (relay.trouble.sentence, relay.log.loose, relay.log.blind)
    await relay.end()


async def test_only_what_is_of_the_newest_log_counts() -> None:
    """Bodies and ids of one that was deleted say nothing any more."""
    first = await Relay.begin()
    first.says("old", names=["one"])
    await first.keeper.flush()
    first.breaks("recreated")
    first.says("new", names=["two"])
    await first.keeper.flush()
    await first.end()
    relay = await Relay.begin(journal=first.journal)
    assert (1, 1, 1) == (relay.log.epoch, len(relay.log.marks), len(relay.log.repeats))
    await relay.end()


async def test_without_a_journal_nothing_is_opened() -> None:
    """And nothing is written at the end."""
    relay = await Relay.begin(journaled=False)
    relay.says("a")
    await relay.mender.end()
    assert "" == relay.trouble.sentence
    await relay.end()


@pytest.mark.parametrize("replays", [True, False])
async def test_a_mistake_ends_the_start(*, replays: bool) -> None:
    """Another log's file, another process's: people mend that, and nothing else does."""
    journal = Cellar()
    journal.shut = JournalMistake("it is another log's")
    with pytest.raises(JournalMistake):
        await Relay.begin(journal=journal, source=FakeSource(replays=replays))
    assert [] == journal.aside


@pytest.mark.parametrize("why", [FULL, ROT])
async def test_a_journal_that_is_the_log_is_needed(why: JournalError) -> None:
    """Nothing could be kept without it, and no relay throws a log away."""
    journal = await used("a")
    assert isinstance(journal, Cellar)
    journal.shut = why
    with pytest.raises(JournalError, match=str(why)):
        await Relay.begin(journal=journal, source=FakeSource(replays=False))
    assert [] == journal.aside


async def test_a_damaged_file_makes_way_for_a_new_one() -> None:
    """The relay begins as a fresh one does; which file it was, and where it is, is told."""
    journal = await used("a")
    assert isinstance(journal, Cellar)
    journal.shut = ROT
    relay = await Relay.begin(journal=journal)
    assert (None, None, set()) == (relay.keeper.position, relay.log.head, relay.log.shelved)
    assert [0] == [position.offset for position in journal.aside if position is not None]
    ((told),) = relay.observer.of("journal_replaced")
    assert ("it is rotten", f"aside-{relay.clock.now():.0f}", []) == (told["reason"], told["file"], told["removed"])
    assert [ROT] == relay.observer.of("journal_failed")
    assert "was damaged" in relay.mender.replaced
    assert ("", False, False) == (relay.trouble.sentence, relay.log.loose, relay.log.blind)
    relay.says("new")
    await relay.keeper.flush()
    assert 1 == len(journal.commits[1:])
    await relay.end()


async def test_a_damaged_file_that_can_t_be_moved_is_done_without() -> None:
    """For now: it is tried again, and told until then."""
    journal = await used("a")
    assert isinstance(journal, Cellar)
    journal.shut, journal.stuck = ROT, FULL
    relay = await Relay.begin(journal=journal)
    assert (True, True) == (relay.log.loose, relay.log.blind)
    relay.says("b")
    journal.stuck = None
    await looked_after(relay, seconds=FIRST_PAUSE + 3 * LONGEST_PAUSE)
    assert ("", False, False) == (relay.trouble.sentence, relay.log.loose, relay.log.blind)
    assert [[0]] == [[body.offset for body in commit.bodies] for commit in journal.commits[1:]]
    await relay.end()


# -- joining a file that could not be opened at the start -------------------------------------------------------------


async def started_without(journal: FakeJournal) -> Relay:
    """Return a relay that began while its journal could not be opened."""
    assert isinstance(journal, Cellar)
    journal.shut = FULL
    relay = await Relay.begin(journal=journal)
    assert (True, True) == (relay.log.loose, relay.log.blind)
    assert "detached" in relay.trouble.sentence
    journal.shut = None
    return relay


async def test_a_new_file_is_joined_with_all_that_memory_holds() -> None:
    """The disk was full at the very first start."""
    relay = await started_without(Cellar())
    viewer = await relay.watches()
    (first, *_) = relay.says("a")
    relay.says("b")
    await looked_after(relay, seconds=FIRST_PAUSE + 1)
    assert_hears(viewer, "a", "b")
    assert ("", False, False) == (relay.trouble.sentence, relay.log.loose, relay.log.blind)
    relay.says("c")
    await relay.keeper.flush()
    await relay.end()
    again = await Relay.begin(journal=relay.journal)
    assert ["b", "c"] == (await again.watches(after=first.cursor)).texts()
    await again.end()


async def test_a_file_whose_end_is_known_goes_on_from_there() -> None:
    """What memory read before that is in the file already; states are those of the file, folded forward."""
    first = await Relay.begin(journal=Cellar())
    first.says(progress(10), "a")
    first.says("b")
    await first.keeper.flush(everything=True)
    await first.end()
    relay = await started_without(first.journal or Cellar())
    # From the warm-up: the last body of the file is read again, and one more.
    relay.skips(1)
    relay.keeper.raise_floor(relay.log.begin_at(1))
    relay.says("b")
    relay.says("c")
    await looked_after(relay, seconds=FIRST_PAUSE + 1)
    assert ("", False, False) == (relay.trouble.sentence, relay.log.loose, relay.log.blind)
    assert [2] == [body.offset for body in cellar(relay).commits[-1].bodies]
    project = relay.log.projects["p"]
    assert (False, 10, {"project_progress": 1, "workflow_log": 3}) == (
        project.partial, project.state.progress, project.state.counts
    )  # fmt: skip
    assert ["a", "b", "c"] == (await relay.watches(tail=99)).texts()[-3:]
    await relay.end()


async def test_a_file_that_ends_below_all_that_memory_has_is_joined_over_the_hole() -> None:
    """The relay was away for longer than it warms up: the floor says where its past begins."""
    relay = await started_without(await used("a"))
    relay.skips(50)
    relay.keeper.raise_floor(relay.log.begin_at(50))
    relay.says("b")
    await looked_after(relay, seconds=FIRST_PAUSE + 1)
    assert [] == cellar(relay).aside
    assert (relay.log.floor, Place(0, 50, -1, -1)) == (
        cellar(relay).commits[-1].floor, getattr(relay.log.floor, "place", None)
    )  # fmt: skip
    await relay.end()


async def test_a_file_of_another_past_is_moved_aside() -> None:
    """Its places would mean other events: the log was made anew while nobody looked."""
    relay = await started_without(await used("a", "b"))
    relay.strain = b"other"
    for number in range(3):
        relay.says(f"other {number}")
    await looked_after(relay, seconds=FIRST_PAUSE + 1)
    assert 1 == len(cellar(relay).aside)
    assert ("", False, False) == (relay.trouble.sentence, relay.log.loose, relay.log.blind)
    assert [0, 1, 2] == [body.offset for body in cellar(relay).commits[-1].bodies]
    await relay.end()


async def test_a_file_of_another_epoch_is_moved_aside() -> None:
    """It counts from nought again."""
    journal = await used("a")
    journal._position = replace(journal._position or Position(0, 0, b""), epoch=3)
    relay = await started_without(journal)
    relay.says("b")
    await looked_after(relay, seconds=FIRST_PAUSE + 1)
    assert 1 == len(cellar(relay).aside)
    await relay.end()


async def test_a_file_is_not_judged_before_its_end_was_read() -> None:
    """Neither while nothing was read nor while the relay still catches up; then it is joined."""
    relay = await started_without(await used("a", "b", "c"))
    task = asyncio.create_task(relay.mender.mend())
    await asyncio.sleep(FIRST_PAUSE + 1)
    assert "joined once this relay has read so far" in relay.trouble.sentence
    for text in ("a", "b"):
        relay.says(text)
    await asyncio.sleep(3 * LONGEST_PAUSE)
    assert "joined once this relay has read so far" in relay.trouble.sentence
    relay.says("c")
    await asyncio.sleep(LONGEST_PAUSE + 1)
    assert ("", [], False) == (relay.trouble.sentence, cellar(relay).aside, relay.log.blind)
    task.cancel()
    await asyncio.wait({task})
    await relay.end()


async def test_floors_of_a_file_that_is_joined_hold() -> None:
    """What its retention dropped is not there, whatever memory began with."""
    journal = Cellar()
    first = await Relay.begin(journal=journal)
    entries = [*first.says("a"), *first.says("b")]
    await first.keeper.flush()
    journal._floors["p"] = Floor(entries[0].place)
    journal._floor = Floor(Place(0, 0, -1, -1))
    await first.end()
    relay = await started_without(journal)
    relay.says("a")
    relay.says("b")
    await looked_after(relay, seconds=FIRST_PAUSE + 1)
    assert (journal._floor, entries[0].place) == (relay.log.floor, getattr(relay.log.floor_of("p"), "place", None))
    await relay.end()


# -- full -----------------------------------------------------------------------------------------------------------


async def test_a_journal_is_tried_again_and_again_with_pauses_that_grow(relay: Relay) -> None:
    """From five seconds to a minute; each failure is counted, and the end tells how long it was."""
    relay.says("a")
    cellar(relay).full = FULL
    await relay.keeper.flush()
    began, pauses = relay.clock.monotonic(), []
    known = len(relay.observer.of("journal_failed"))
    while relay.clock.monotonic() < began + 300:
        await asyncio.sleep(0.5)
        if len(relay.observer.of("journal_failed")) > known:
            known += 1
            pauses.append(relay.clock.monotonic() - began)
    steps = [round(later - sooner) for sooner, later in zip([0, *pauses], pauses, strict=False)]
    assert [5, 10, 20, 40, 60, 60] == steps[:6]
    assert "detached" in relay.trouble.sentence
    cellar(relay).full = None
    relay.says("b")
    await asyncio.sleep(LONGEST_PAUSE)
    assert ("", False) == (relay.trouble.sentence, relay.log.loose)
    assert [[0, 1]] == [[body.offset for body in commit.bodies] for commit in cellar(relay).commits]
    assert 300 < relay.observer.of("journal_attached")[0] < 400


async def test_the_next_trouble_is_mended_like_the_first(relay: Relay) -> None:
    """And begins with a short pause again."""
    for text in ("a", "b"):
        relay.says(text)
        cellar(relay).full = FULL
        await relay.keeper.flush()
        cellar(relay).full = None
        await asyncio.sleep(FIRST_PAUSE + 1)
        assert not relay.log.loose
    assert 2 == len(cellar(relay).commits)


async def test_where_the_log_can_t_be_read_again_nobody_mends() -> None:
    """The next commit shows whether all is well."""
    relay = await Relay.begin(journal=Cellar(), source=FakeSource(replays=False))
    await asyncio.wait_for(relay.mender.mend(), 1)
    await relay.end()


# -- damaged --------------------------------------------------------------------------------------------------------


async def test_damage_that_is_found_while_running_makes_way_for_a_new_file(relay: Relay) -> None:
    """What memory holds is written to it and stays whole; what only the old one held is a gap from then on."""
    relay.says(line("cold", "q"))
    await relay.keeper.flush(everything=True)
    relay.log.unload(projects=0)
    entries = [*relay.says("a"), *relay.says("b")]
    viewer = await relay.watches()
    relay.trouble.found(ROT)
    await settle()
    assert ("", False, False) == (relay.trouble.sentence, relay.log.loose, relay.log.blind)
    assert [ROT] == relay.observer.of("journal_failed")
    assert [0] == [position.offset for position in cellar(relay).aside if position is not None]
    relay.says("c")
    await relay.keeper.flush()
    assert_hears(viewer, "a", "b", "c")
    assert ["gap"] == (await relay.watches("q", after="0")).openings()
    await relay.end()
    again = await Relay.begin(journal=relay.journal)
    viewer = await again.watches(after=entries[0].cursor)
    assert (["resume"], ["b", "c"]) == (viewer.openings(), viewer.texts())
    assert ["gap"] == (await again.watches("q", after=entries[0].cursor)).openings()
    await again.end()


async def test_a_new_file_gets_the_states_of_all_who_are_in_memory(relay: Relay) -> None:
    """Those that were written to the old one, too; their events are not all there any more to fold them from."""
    relay.says(*[progress(number) for number in range(10)])
    await relay.keeper.flush(everything=True)
    assert not relay.log.projects["p"].dirty
    relay.trouble.found(ROT)
    await settle()
    assert ["p"] == [row.project_id for row in cellar(relay).commits[-1].projects]


async def test_a_transaction_under_way_ends_before_its_file_is_moved(relay: Relay) -> None:
    """However long that takes."""
    cellar(relay).gate = gate = asyncio.Event()
    relay.says("a")
    await relay.keeper.flush()
    relay.trouble.found(ROT)
    await asyncio.sleep(1_000)
    assert ([], True, True) == (cellar(relay).aside, relay.log.loose, relay.log.blind)
    cellar(relay).gate = None
    gate.set()
    await settle()
    assert (1, "") == (len(cellar(relay).aside), relay.trouble.sentence)


async def test_damage_that_shows_when_it_is_written_again_is_damage(relay: Relay) -> None:
    """A disk that was full may have been worse."""
    relay.says("a")
    cellar(relay).full = ROT
    await relay.keeper.flush()
    await asyncio.sleep(FIRST_PAUSE + 1)
    assert ROT is relay.trouble.damage
    cellar(relay).full = None
    await asyncio.sleep(2 * FIRST_PAUSE + 1)
    assert (1, "") == (len(cellar(relay).aside), relay.trouble.sentence)
    assert relay.trouble.damage is None


async def test_a_new_file_that_can_t_be_made_is_made_later(relay: Relay) -> None:
    """The damaged one is moved away once; until then nothing can be read."""
    relay.says("a")
    await relay.keeper.flush()
    cellar(relay).shut = FULL
    relay.trouble.found(ROT)
    await asyncio.sleep(60)
    assert (1, True, True) == (len(cellar(relay).aside), relay.log.loose, relay.log.blind)
    assert "disk is full" in relay.trouble.sentence
    cellar(relay).shut = None
    await asyncio.sleep(LONGEST_PAUSE)
    assert (1, "", False) == (len(cellar(relay).aside), relay.trouble.sentence, relay.log.blind)


async def test_a_damaged_file_that_somebody_took_away_needs_not_be_moved(relay: Relay) -> None:
    """There is nothing to tell of it; the new one is begun all the same."""
    relay.says("a")
    await relay.keeper.flush()
    cellar(relay).vanished = True
    relay.trouble.found(ROT)
    await settle()
    assert ([], "") == (relay.observer.of("journal_replaced"), relay.trouble.sentence)
    assert relay.keeper.position is not None
    assert 0 == relay.keeper.position.offset


# -- the look -------------------------------------------------------------------------------------------------------


async def test_every_file_that_is_opened_is_looked_through() -> None:
    """The first, and the one that takes its place; damage makes way for a new one."""
    journal = await used("a")
    relay = await Relay.begin(journal=journal)
    tasks = [asyncio.create_task(relay.mender.look()), asyncio.create_task(relay.mender.mend())]
    await settle()
    assert [] == relay.observer.of("journal_failed")
    for times in (1, 2):
        journal.damage = ROT
        relay.mender._unseen.set()
        await settle()
        assert (times, "") == (len(journal.aside), relay.trouble.sentence)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await relay.end()


async def test_a_look_that_fails_is_told() -> None:
    """It is no damage; the next file is looked through all the same."""
    relay = await Relay.begin(journal=await used("a"))
    assert relay.journal is not None
    relay.journal.failure = FULL
    task = asyncio.create_task(relay.mender.look())
    await settle()
    assert ([FULL], None) == (relay.observer.of("journal_failed"), relay.trouble.damage)
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})
    relay.journal.failure = None
    await relay.end()


async def test_damage_of_a_journal_that_is_the_log_ends_the_look() -> None:
    """Nothing may be written to it any more, and no relay throws a log away."""
    journal = await used("a")
    journal.damage = ROT
    relay = await Relay.begin(journal=journal, source=FakeSource(replays=False))
    with pytest.raises(JournalDamaged):
        await relay.mender.look()
    assert ([ROT], []) == (relay.observer.of("journal_failed"), journal.aside)
    await relay.end()


# -- the end --------------------------------------------------------------------------------------------------------


async def test_a_relay_that_ends_writes_what_it_can() -> None:
    """Also to a journal that was given up, if it can be written by now."""
    relay = await Relay.begin()
    relay.says("a")
    relay.keeper.fail(FULL)
    relay.says("b")
    await relay.mender.end()
    assert relay.journal is not None
    (commit,) = relay.journal.commits
    assert ([0, 1], 1) == ([body.offset for body in commit.bodies], len(commit.projects))
    await relay.end()


async def test_what_can_t_be_written_at_the_end_is_read_again_by_the_next() -> None:
    """It is told, and the relay ends."""
    relay = await Relay.begin()
    relay.says("a")
    assert relay.journal is not None
    relay.journal.full = FULL
    await relay.mender.end()
    await relay.mender.end()
    assert {FULL} == set(relay.observer.of("journal_failed"))
    relay.trouble.found(ROT)
    relay.journal.full = None
    await relay.mender.end()
    assert [] == relay.journal.commits
    await relay.end()
