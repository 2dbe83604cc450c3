"""What memory no longer holds: who reads it, how far back, and what is never called whole."""

import asyncio
from collections.abc import Mapping

import msgspec
import pytest

from relayd.core.floor import BELOW_ALL, Floor, Verdict
from relayd.core.outage import begin_partial
from relayd.core.timeline import Entry
from relayd.ports import JournalDamaged, JournalError, Kept
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.cursor import BEGINNING, BadCursorError, Cursor, Place, decode
from relayd.relay.past import Tail
from relayd.testing.journal import FakeJournal
from relayd.testing.world import settle
from tests.relay.stage import Relay, SlowJournal, line, progress

P_ONLY = Selection(types=frozenset({"project_progress"}))


class SlowLoading(FakeJournal):
    """A journal whose loading waits for the test."""

    gate_of_load: asyncio.Event | None = None
    gate_of_answer: asyncio.Event | None = None
    loads = 0

    async def load(self, project_id: str, *, newest: int) -> Kept | None:
        self.loads += 1
        if self.gate_of_load is not None:
            await self.gate_of_load.wait()
        kept = await super().load(project_id, newest=newest)
        if self.gate_of_answer is not None:
            await self.gate_of_answer.wait()
        return kept


async def shelved(journal: FakeJournal, *, timeline_events: int = 1_000) -> Relay:
    """Return a relay that has five events of `p` in its journal and none in memory."""
    relay = await Relay.begin(journal=journal, timeline_events=timeline_events)
    for number in range(5):
        relay.says(str(number))
        await relay.commits()
    await relay.keeper.flush(everything=True)
    relay.log.unload(projects=0)
    assert {} == relay.log.projects
    return relay


# -- opening --------------------------------------------------------------------------------------------------------


async def test_a_new_project_is_opened_without_a_wait(relay: Relay) -> None:
    """Nobody has anything of it."""
    project = await relay.past.open("new")
    assert project is relay.log.projects["new"]
    assert project is await relay.past.open("new")


async def test_a_shelved_project_comes_to_memory_with_its_newest_entries() -> None:
    """And no further back than memory is meant to reach."""
    relay = await shelved(FakeJournal(), timeline_events=3)
    project = await relay.past.open("p")
    assert 3 == len(project.timeline)
    assert 5 == project.state.counts["workflow_log"]
    assert project.timeline.bottom is not None
    await relay.end()


async def test_two_who_come_at_once_get_the_same_project() -> None:
    """It is loaded once; if one of them leaves meanwhile, the other gets it all the same."""
    journal = SlowLoading()
    relay = await shelved(journal)
    journal.gate_of_load = asyncio.Event()
    first, second, third = [asyncio.create_task(relay.past.open("p")) for _ in range(3)]
    await settle()
    third.cancel()
    journal.gate_of_load.set()
    assert await first is await second
    assert 1 == journal.loads
    await relay.end()


async def test_one_that_was_shelved_again_in_between_is_loaded_again() -> None:
    """Whoever held on to the first would hear nothing for ever."""
    journal = SlowLoading()
    relay = await shelved(journal)
    journal.gate_of_load = asyncio.Event()
    opening = asyncio.create_task(relay.past.open("p"))
    await settle()
    # The project is adopted in one turn of the loop, and shelved in the same turn, before anybody else has his.
    relay.past._loading["p"].add_done_callback(lambda _: relay.log.unload(projects=0))
    journal.gate_of_load.set()
    project = await opening
    assert project is relay.log.projects["p"]
    assert 2 == journal.loads
    await relay.end()


async def test_what_the_journal_has_forgotten_is_new() -> None:
    """Its id is known no longer than its events."""
    relay = await Relay.begin()
    relay.log.shelved.add("gone")
    project = await relay.past.open("gone")
    assert project.place is None
    await relay.end()


async def test_a_journal_that_is_closed_loads_nothing() -> None:
    """Whoever asks for what only it has is asked to come again."""
    journal = SlowLoading()
    relay = await shelved(journal)
    relay.past.close()
    with pytest.raises(JournalError, match="detached"):
        await relay.past.open("p")
    assert 0 == journal.loads
    relay.past.reopen()
    assert 5 == len((await relay.past.open("p")).timeline)
    await relay.end()


async def test_a_journal_that_cant_load_says_so_to_everybody_who_asked(relay: Relay) -> None:
    """The next attempt is a new one."""
    relay.says("a")
    await relay.keeper.flush(everything=True)
    relay.log.unload(projects=0)
    assert relay.journal is not None
    relay.journal.failure = JournalError("the disk is gone")
    with pytest.raises(JournalError):
        await relay.past.open("p")
    relay.journal.failure = None
    assert 1 == len((await relay.past.open("p")).timeline)


async def test_only_shelved_projects_are_brought_before_their_events(relay: Relay) -> None:
    """New ones are made when their events are applied."""
    relay.says("a")
    await relay.keeper.flush(everything=True)
    relay.log.unload(projects=0)
    await relay.past.open_all(["p", "new"])
    assert ["p"] == list(relay.log.projects)
    await relay.past.open_all(["p"])
    assert ["p"] == list(relay.log.projects)


# -- judging --------------------------------------------------------------------------------------------------------


async def test_the_beginning_is_whole_while_nothing_was_dropped(relay: Relay) -> None:
    """A floor ends that."""
    (entry,) = relay.says("a")
    assert Verdict("whole", place=BELOW_ALL) == await relay.past.judge("p", BEGINNING)
    relay.log.raise_floor("p", Floor(entry.place))
    assert Verdict("gap", "below_floor") == await relay.past.judge("p", BEGINNING)


async def test_a_cursor_that_memory_knows_is_whole(relay: Relay) -> None:
    """Nobody asks the journal."""
    (entry,) = relay.says("a")
    assert Verdict("whole", place=entry.place) == await relay.past.judge("p", entry.cursor)


async def test_text_that_is_no_cursor_is_refused(relay: Relay) -> None:
    """With a sentence for the viewer."""
    with pytest.raises(BadCursorError):
        await relay.past.judge("p", "nonsense")


async def test_the_journal_is_asked_for_what_memory_does_not_know() -> None:
    """A known body is whole, another body is a gap, and so is one that nobody knows."""
    relay = await Relay.begin()
    (entry,) = relay.says("a")
    await relay.commits()
    relay.says("b")
    relay.log.marks.clear()
    cursor = decode(entry.cursor)
    assert Verdict("whole", place=entry.place) == await relay.past.judge("p", entry.cursor)
    other = str(cursor._replace(fingerprint=b"others"))
    assert Verdict("gap", "other_event") == await relay.past.judge("p", other)
    relay.past.close()
    assert Verdict("gap", "unknown_event") == await relay.past.judge("p", entry.cursor)
    await relay.end()


async def test_what_stood_in_a_log_made_anew_meanwhile_proves_nothing() -> None:
    """The journal answers for the log that was there when it was asked."""

    class Slow(FakeJournal):
        async def fingerprint(self, epoch: int, offset: int) -> bytes | None:
            known = await super().fingerprint(epoch, offset)
            relay.breaks("recreated")
            relay.skips(5)
            relay.says("of the new log")
            relay.log.marks.clear()
            return known

    relay = await Relay.begin(journal=Slow())
    (entry,) = relay.says("a")
    await relay.commits()
    relay.log.marks.clear()
    assert "gap" == (await relay.past.judge("p", entry.cursor)).kind
    await relay.end()


async def test_a_cursor_that_is_whole_has_a_place(relay: Relay) -> None:
    """Behind which reading goes on; the beginning stands before everything."""
    (entry,) = relay.says("a")
    assert entry.place == relay.past.place(entry.cursor)
    assert BELOW_ALL == relay.past.place(BEGINNING)


# -- reading --------------------------------------------------------------------------------------------------------


async def test_reading_waits_for_retention_that_runs() -> None:
    """Floors are known only when it is done."""

    class Retaining(SlowJournal):
        async def retain(self, now: float) -> Mapping[str | None, Floor]:
            raised = await super().retain(now)
            await gate.wait()
            return raised

    gate = asyncio.Event()
    relay = await Relay.begin(journal=Retaining(max_events_per_project=2))
    entries = []
    for number in range(6):
        entries += relay.says(str(number))
        await relay.commits()
    project = relay.log.projects["p"]
    assert [entries[1]] == await relay.past.read(project, entries[0].place, 1)
    retention = asyncio.create_task(relay.past.retain(relay.clock.now()))
    await settle()
    reading = asyncio.create_task(relay.past.read(project, entries[0].place, 10))
    await settle()
    assert not reading.done()
    gate.set()
    assert await retention
    assert await reading is None
    assert entries[5:] == await relay.past.read(project, entries[4].place, 10)
    await relay.end()


async def test_without_a_journal_nothing_is_read_and_nothing_retained() -> None:
    """Memory is all there is."""
    relay = await Relay.begin(journaled=False)
    relay.says("a")
    assert await relay.past.read(relay.log.projects["p"], BELOW_ALL, 10) is None
    assert not await relay.past.retain(0)
    await relay.end()


async def test_while_the_journal_is_closed_memory_is_all_there_is() -> None:
    """A reader has a gap, a tail is what memory holds, and there is no list of all projects."""
    relay = await Relay.begin(timeline_events=4)
    entries = []
    for number in range(12):
        entries += relay.says(str(number))
        await relay.commits()
    project = relay.log.projects["p"]
    held = len(project.timeline)
    relay.past.close()
    assert None is await relay.past.read(project, entries[0].place, 10)
    assert ((), held) == (await relay.past.older(project, None, 10), len((await tail_of(relay, 99)).entries))
    with pytest.raises(JournalError):
        await relay.past.list_projects()
    relay.past.reopen()
    assert 10 == len(await relay.past.older(project, None, 10))
    await relay.end()


async def test_without_a_journal_there_is_nothing_older() -> None:
    """Nor a list of projects."""
    relay = await Relay.begin(journaled=False)
    relay.says("a")
    assert ((), ()) == (
        await relay.past.older(relay.log.projects["p"], None, 10), await relay.past.list_projects()
    )  # fmt: skip
    await relay.end()


# -- hanging, damaged -----------------------------------------------------------------------------------------------


async def test_nobody_waits_for_a_journal_that_hangs() -> None:
    """The first is told after a minute, the others at once and without asking, until it has answered after all."""
    journal = SlowLoading()
    relay = await shelved(journal)
    journal.gate_of_load = gate = asyncio.Event()
    opening = asyncio.create_task(relay.past.open("p"))
    await asyncio.sleep(59)
    assert (False, "", False) == (opening.done(), relay.past.sentence, relay.log.blind)
    await asyncio.sleep(2)
    with pytest.raises(JournalError, match="a project was not read within 60 s"):
        await opening
    assert "does not answer" in relay.past.sentence
    for _ in range(10):
        with pytest.raises(JournalError, match="does not answer"):
            await relay.past.open("p")
    assert 1 == journal.loads
    gate.set()
    await settle()
    assert ("", False) == (relay.past.sentence, relay.log.blind)
    assert 5 == len((await relay.past.open("p")).timeline)
    await relay.end()


async def test_an_answer_that_comes_too_late_opens_nothing_that_was_closed() -> None:
    """And a journal that is opened again is not asked while an older question hangs."""
    journal = SlowLoading()
    relay = await shelved(journal)
    journal.gate_of_load = gate = asyncio.Event()
    with pytest.raises(JournalError):
        await relay.past.open("p")
    relay.past.close()
    relay.past.reopen()
    assert relay.log.blind
    relay.past.close()
    gate.set()
    await settle()
    assert relay.log.blind
    relay.past.reopen()
    assert not relay.log.blind
    await relay.end()


async def test_retention_that_hangs_keeps_no_reader_for_ever() -> None:
    """Its floors are not known, so nothing can be told of what it may have dropped."""
    relay = await Relay.begin()
    assert isinstance(relay.journal, SlowJournal)
    (first,) = relay.says("a")
    await relay.commits()
    relay.journal.hangs = hangs = asyncio.Event()
    retention = asyncio.create_task(relay.past.retain(0))
    await settle()
    with pytest.raises(JournalError, match="what is too old was not dropped"):
        await relay.past.read(relay.log.projects["p"], first.place, 10)
    hangs.set()
    await retention
    assert [] == await relay.past.read(relay.log.projects["p"], first.place, 10)
    await relay.end()


async def test_damage_is_found_by_whoever_reads(relay: Relay) -> None:
    """It is told to who can mend it; so is what retention finds."""
    assert relay.journal is not None
    relay.says("a")
    await relay.keeper.flush(everything=True)
    relay.log.unload(projects=0)
    relay.journal.failure = rot = JournalDamaged("a row is not what was written")
    with pytest.raises(JournalDamaged):
        await relay.past.open("p")
    assert rot is relay.trouble.damage
    relay.trouble.damage = None
    assert not await relay.past.retain(0)
    assert rot is relay.trouble.damage
    relay.journal.failure = None


# -- partial projects -----------------------------------------------------------------------------------------------


async def partial(journal: FakeJournal) -> Relay:
    """Return a relay with a project that had to begin without the five events in its journal."""
    relay = await shelved(journal)
    relay.past.close()
    begin_partial(relay.log, "p")
    relay.says("new")
    return relay


async def test_a_project_that_began_without_its_past_gets_it_back() -> None:
    """State and events; before that the journal's is not overwritten."""
    relay = await partial(FakeJournal())
    project = relay.log.projects["p"]
    await relay.past.mend()
    assert project.partial
    relay.past.reopen()
    await relay.past.mend()
    assert (False, 6) == (project.partial, project.state.counts["workflow_log"])
    assert ["0", "1", "2", "3", "4", "new"] == (await relay.watches()).texts()
    await relay.end()


async def test_what_memory_let_go_of_meanwhile_is_asked_for_again() -> None:
    """It was written between the question and the answer, and would be in neither."""
    journal = SlowLoading()
    relay = await partial(journal)
    relay.past.reopen()
    project = relay.log.projects["p"]
    journal.gate_of_answer = gate = asyncio.Event()
    mending = asyncio.create_task(relay.past.mend())
    await settle()
    await relay.commits()
    relay.log.trim([project], events=0, nbytes=0)
    assert 0 == len(project.timeline)
    gate.set()
    await mending
    assert project.partial
    await relay.past.mend()
    assert (False, 6) == (project.partial, project.state.counts["workflow_log"])
    await relay.end()


async def test_a_project_that_is_gone_meanwhile_needs_no_mending() -> None:
    """It comes back whole."""
    journal = SlowLoading()
    relay = await partial(journal)
    relay.past.reopen()
    journal.gate_of_load = gate = asyncio.Event()
    mending = asyncio.create_task(relay.past.mend())
    await settle()
    gone = relay.log.projects.pop("p")
    gate.set()
    await mending
    assert gone.partial
    await relay.end()


async def test_a_project_of_which_the_journal_knows_nothing_is_whole() -> None:
    """Its rows were too old meanwhile."""
    relay = await Relay.begin()
    begin_partial(relay.log, "p")
    relay.says("a")
    await relay.past.mend()
    assert (False, 1) == (relay.log.projects["p"].partial, relay.log.projects["p"].state.counts["workflow_log"])
    await relay.end()


# -- retention ------------------------------------------------------------------------------------------------------


async def test_retention_that_fails_is_told_and_drops_nothing(relay: Relay) -> None:
    """It is tried again later."""
    assert relay.journal is not None
    relay.journal.failure = JournalError("the disk is gone")
    assert not await relay.past.retain(0)
    assert 1 == len(relay.observer.of("journal_failed"))
    relay.journal.failure = None


# -- tails ----------------------------------------------------------------------------------------------------------


async def tail_of(relay: Relay, count: int, selection: Selection = EVERYTHING, *, whole: bool = False) -> Tail:
    """Return the tail of the project."""
    return await relay.past.tail(await relay.past.open("p"), count, selection, whole=whole)


async def test_a_tail_is_the_newest_that_are_wanted(relay: Relay) -> None:
    """Its cursor stands strictly before the first, what was passed behind the last, unwanted included."""
    entries = relay.says("a", progress(1), "b", progress(2), "c")
    tail = await tail_of(relay, 2)
    assert entries[3:] == list(tail.entries)
    assert entries[2].cursor == tail.before
    assert (entries[4].place, relay.log.head_cursor()) == tail.passed
    tail = await tail_of(relay, 1, P_ONLY)
    assert [entries[3]] == list(tail.entries)
    assert entries[2].cursor == tail.before
    assert entries[4].place == tail.passed.place


async def test_no_tail_stands_at_the_end(relay: Relay) -> None:
    """Neither when none is wanted nor when nothing is there."""
    empty = await tail_of(relay, 10)
    assert ((), BEGINNING, BELOW_ALL) == (tuple(empty.entries), empty.before, empty.passed.place)
    (entry,) = relay.says("a")
    none = await tail_of(relay, 0)
    assert ([], relay.log.head_cursor(), entry.place) == (none.entries, none.before, none.passed.place)


async def test_a_tail_longer_than_memory_comes_from_the_journal() -> None:
    """One more is read than is told, for its cursor."""
    relay = await Relay.begin(timeline_events=4)
    entries = []
    for number in range(12):
        entries += relay.says(str(number))
        await relay.commits()
    tail = await tail_of(relay, 8)
    assert entries[4:] == list(tail.entries)
    assert entries[3].cursor == tail.before
    await relay.end()


async def test_before_the_first_event_of_all_is_the_beginning(relay: Relay) -> None:
    """Nothing was ever dropped."""
    relay.says("a")
    assert BEGINNING == (await tail_of(relay, 10)).before


async def test_before_the_first_event_above_a_floor_is_the_floor(relay: Relay) -> None:
    """It is known by its fingerprint, and exactly the floor is whole."""
    first, second = relay.says("a")[0], relay.says("b")[0]
    relay.log.raise_floor("p", Floor(first.place, decode(first.cursor).fingerprint))
    relay.log.projects["p"].timeline.drop(1)
    tail = await tail_of(relay, 10)
    assert [second] == list(tail.entries)
    assert first.cursor == tail.before
    assert Verdict("whole", place=first.place) == await relay.past.judge("p", tail.before)


async def test_before_the_first_event_above_a_hole_is_a_gap(relay: Relay) -> None:
    """What lay there was never seen, so whoever resumes from there must be told."""
    relay.says("a")
    relay.breaks("truncated")
    relay.skips(5)
    relay.says("b")
    relay.log.projects["p"].timeline.drop(1)
    tail = await tail_of(relay, 10)
    assert "gap" == (await relay.past.judge("p", tail.before)).kind
    assert Cursor(relay.log.identity, 0, 0, 0, bytes(6)) == decode(tail.before)


async def test_a_tail_in_front_of_a_hole_passes_the_hole(relay: Relay) -> None:
    """It is told as history; the viewer goes on from behind the hole and is told no second gap."""
    (entry,) = relay.says("a")
    relay.breaks("truncated")
    tail = await tail_of(relay, 10)
    assert [entry] == list(tail.entries)
    assert relay.log.floor is not None
    assert relay.log.floor.place == tail.passed.place > Place(0, 0)


@pytest.mark.parametrize("cause", ["truncated", "recreated"])
async def test_a_whole_tail_begins_behind_a_hole(relay: Relay, cause: str) -> None:
    """Who was told that something is missing is not left to guess where."""
    relay.says("a")
    relay.breaks(cause)
    assert [] == list((await tail_of(relay, 10, whole=True)).entries)
    entries = [relay.says(text)[0] for text in "bcd"]
    assert entries == list((await tail_of(relay, 10, whole=True)).entries)
    assert 4 == len((await tail_of(relay, 10)).entries)


async def test_a_whole_tail_begins_behind_a_hole_of_its_project() -> None:
    """What was let go of before it was written lies between what the journal has and what memory holds."""
    relay = await Relay.begin(timeline_events=3)
    relay.says("before")
    await relay.commits()
    relay.keeper.fail(JournalError("the disk is full"))
    for number in range(9):
        relay.says(str(number))
    await relay.keeper.catch_up()
    held = len(relay.log.projects["p"].timeline)
    assert held < 9
    whole = await tail_of(relay, 99, whole=True)
    assert [str(number) for number in range(9 - held, 9)] == [said_by(entry) for entry in whole.entries]
    assert "before" == said_by((await tail_of(relay, 99)).entries[0])
    await relay.end()


def said_by(entry: Entry) -> str:
    """Return the text of a line of log."""
    return str(msgspec.json.decode(entry.payload)["message"])


async def test_what_was_dropped_is_no_hole(relay: Relay) -> None:
    """What memory holds of it still goes on up to the newest."""
    entries = [relay.says(text)[0] for text in "abc"]
    relay.log.raise_floor(None, Floor(entries[1].place, decode(entries[1].cursor).fingerprint))
    assert entries == list((await tail_of(relay, 10, whole=True)).entries)


async def test_a_project_of_others_is_not_in_it(relay: Relay) -> None:
    """A tail is one project's."""
    relay.says(line("a"), line("b", "q"))
    assert 1 == len((await tail_of(relay, 10)).entries)
