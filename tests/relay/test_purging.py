import asyncio

import pytest

from relayd.core.purges import Purge, Purges
from relayd.core.snapshot import read
from relayd.dialects.delivery import Item
from relayd.ports import JournalError, PurgeBook
from relayd.protocol.cursor import BadCursorError, decode
from relayd.protocol.messages import ProjectStarted
from relayd.relay.purging import MOST, NotThere, Purging, TooMany
from relayd.testing.journal_purging import FakePurgeBook
from relayd.testing.sources import FakeSource
from relayd.testing.viewers import FakeWire
from relayd.testing.world import settle
from tests.relay.stage import P, Relay, SlowJournal, line

STARTED = ProjectStarted(project_id=P, timestamp=1.0, name="bird", owner="ada", team="blue")


def purging(relay: Relay, book: PurgeBook | None = None) -> Purging:
    """Return who removes events from a relay."""
    return Purging(relay.engine, relay.keeper, book or FakePurgeBook())


def held(relay: Relay, project_id: str = P) -> list[str]:
    """Return the cursors that memory holds of a project."""
    timeline = relay.log.projects[project_id].timeline
    return [one.cursor for one in timeline.slice(timeline.base, timeline.end)]


async def test_an_event_is_removed_and_its_cursor_stays(relay: Relay) -> None:
    """Who stands at it, before it or behind it, goes on whole; nobody is told of it any more."""
    first, bird, last = [relay.says(text)[0] for text in ("first", "bird", "last")]
    await relay.commits()
    book = FakePurgeBook()
    removed = await purging(relay, book).event(bird.cursor)
    assert (1, True, []) == (removed.events, removed.lasting, list(removed.left))
    assert [first.cursor, last.cursor] == held(relay)
    assert relay.log.nbytes == relay.log.projects[P].timeline.nbytes == len(first.payload) + len(last.payload)
    assert [("purged", ({"projects": [P], "whole": False}, 1))] == relay.observer.told[-1:]
    assert [(1, 0, P)] == [(one.offset, one.item, one.project_id) for one in book.purges]
    for after, texts in ((first, ["last"]), (bird, ["last"]), (last, [])):
        viewer = await relay.watches(after=after.cursor)
        assert (["resume"], texts) == (viewer.openings(), viewer.texts())
    assert relay.journal is not None
    assert [first.cursor, last.cursor] == [one.cursor for one in await relay.journal.read(P, limit=9)]


async def test_who_is_watching_hears_what_comes_next(relay: Relay) -> None:
    """In a group, alone or over many projects: none twice, none left out, no gap."""
    bird = relay.says("first", "bird")[1]
    relay.says("last")
    live = await relay.watches()
    many = await relay.watches(None)
    await many.says({"type": "subscribe", "project_id": P})
    await purging(relay).event(bird.cursor)
    relay.says("next")
    await settle(50)
    assert ["first", "bird", "last", "next"] == live.texts()
    assert ["first", "bird", "last", "next"] == many.texts()
    assert [["tail"], ["tail"]] == [viewer.openings() for viewer in (live, many)]


async def test_who_is_held_back_by_the_pace_does_not_get_it(relay: Relay) -> None:
    """What waits in a group is not pushed any more."""
    live = await relay.watches(wire=FakeWire())
    for number in range(30):
        relay.says(f"{number}")
    group = next(iter(relay.log.projects[P].channel))
    waiting = relay.log.projects[P].timeline.end - group.index
    assert waiting > 2
    bird, last = [relay.log.projects[P].timeline.slice(30 - back, 31 - back)[0] for back in (2, 1)]
    await purging(relay).event(bird.cursor)
    await asyncio.sleep(5)
    assert [str(number) for number in range(30) if number != 28] == live.texts()
    assert last.cursor == live.messages()[-1]["id"]


async def test_a_viewer_that_catches_up_passes_it_over(relay: Relay) -> None:
    """What was read for it before is looked at again before it is written."""
    entries = [relay.says(f"{number} {'x' * 16_000}")[0] for number in range(60)]
    wire = FakeWire()
    # The first envelope fills the buffer; what was read behind it waits.
    wire.on_write = lambda payload: wire.fill() if b"xxx" in payload else None
    viewer = await relay.watches(after=entries[0].cursor, wire=wire)
    told = len(viewer.texts())
    assert 0 < told < 30
    gone = (told + 1, told + 3, 55)
    for number in gone:
        await purging(relay).event(entries[number].cursor)
    wire.on_write = lambda _: None
    wire.take()
    relay.says("next")
    await settle(200)
    left = [str(number) for number in range(1, 60) if number not in gone]
    assert [*left, "next"] == [text.split()[0] for text in viewer.texts()]
    assert ["resume"] == viewer.openings()


async def test_a_project_begins_anew(relay: Relay) -> None:
    """Its owner may still see it; who is watching is told what it is now."""
    before = relay.says(STARTED, line("bird"))[1]
    other = relay.says(line("sparrow", "other"))[0]
    await relay.commits()
    viewer, stranger = await relay.watches(), await relay.watches("other")
    book = FakePurgeBook()
    removed = await purging(relay, book).project(P)
    assert 2 == removed.events
    relay.says("next")
    await settle(50)
    assert (["tail", "gap"], ["bird", "next"]) == (viewer.openings(), viewer.texts())
    left = viewer.of("connection_established")[1]["snapshot"]
    assert ("ada", "blue", None) == (left["owner"], left["team"], left.get("name"))
    assert ["tail"] == stranger.openings()
    assert [other.cursor] == held(relay, "other")
    assert [("gapped", "purged")] == [told for told in relay.observer.told if told[0] == "gapped"]
    (noted,) = book.purges
    assert (1, None, P, "ada", "blue") == (noted.offset, noted.item, noted.project_id, noted.owner, noted.team)
    returned = await relay.watches(after=before.cursor)
    assert (["resume"], ["next"]) == (returned.openings(), returned.texts())
    facts = relay.log.projects[P].facts
    assert ("ada", "blue") == (facts.owner, facts.team)


async def test_how_fast_a_project_spends_is_told_of_what_is_left(relay: Relay) -> None:
    """What was used in events that are gone counts no more, neither as a sum nor a minute."""
    used = line("used")
    used.usage = {"input_tokens": 1_000}
    for _ in range(3):
        relay.says(used)
        relay.clock.advance(40)
    await relay.commits()
    project = relay.log.projects[P]
    assert "tokens_per_minute" in relay.engine.spending.shown(project, relay.clock)["spending"]
    await purging(relay).project(P)
    assert {} == relay.engine.spending.shown(project, relay.clock)
    assert project.burn is None


async def test_a_poll_that_waits_is_told_that_all_is_gone(relay: Relay) -> None:
    """And one that comes back afterwards resumes."""
    bird = relay.says("bird")[0]
    waiting = asyncio.create_task(relay.polls(after=bird.cursor, wait=30))
    await settle(30)
    await purging(relay).project(P)
    answer = await waiting
    assert ("gap", []) == (answer.opening.replay, answer.entries)
    again = await relay.polls(after=answer.cursor)
    assert ("resume", []) == (again.opening.replay, again.entries)


async def test_what_is_not_yet_written_is_never_written(relay: Relay) -> None:
    """Nor is a rejected event that waits with it."""
    bird = relay.says("bird", "sparrow")[0]
    removed = await purging(relay).event(bird.cursor)
    assert 1 == removed.events
    await relay.commits()
    assert relay.journal is not None
    assert b"bird" not in b"".join(one.payload for one in await relay.journal.read(P, limit=9))
    assert not any(b"bird" in e.payload for c in relay.journal.commits for all_ in c.entries.values() for e in all_)


async def test_what_is_being_written_is_waited_for(relay: Relay) -> None:
    """It was made before the event was removed, and is emptied when it is there."""
    bird = relay.says("bird", "sparrow")[0]
    assert relay.journal is not None
    relay.journal.gate = asyncio.Event()
    writing = asyncio.create_task(relay.keeper.flush(everything=True))
    await settle()
    removing = asyncio.create_task(purging(relay).event(bird.cursor))
    await settle()
    relay.journal.gate.set()
    await writing
    assert 1 == (await removing).events
    assert 1 == len(await relay.journal.read(P, limit=9))


async def test_a_project_that_only_the_journal_has(relay: Relay) -> None:
    """It is brought to memory, and its state in the journal says nothing any more."""
    relay.says(STARTED, line("bird"))
    relay.says(line("x", "other"))
    await relay.keeper.flush(everything=True)
    relay.log.unload(projects=0)
    assert P not in relay.log.projects
    assert 2 == (await purging(relay).project(P)).events
    assert relay.journal is not None
    rows = {one.project_id: one.snapshot for one in await relay.journal.list_projects()}
    assert b"bird" not in rows[P]
    assert b'"ada"' in rows[P]


async def test_one_event_of_a_project_that_only_the_journal_has(relay: Relay) -> None:
    """It is found by its cursor alone."""
    bird, last = relay.says(STARTED, line("sparrow"))
    relay.says(line("x", "other"))
    await relay.keeper.flush(everything=True)
    relay.log.unload(projects=0)
    assert 1 == (await purging(relay).event(bird.cursor)).events
    assert [last.cursor] == held(relay)
    assert relay.log.projects[P].state.name is None


@pytest.mark.parametrize("verb", ["project", "event"])
async def test_what_is_not_there_is_refused(relay: Relay, verb: str) -> None:
    """Nothing changes, and nothing is noted."""
    there = relay.says("sparrow")[0]
    book = FakePurgeBook()
    nothing = str(decode(there.cursor)._replace(offset=7))
    other = str(decode(there.cursor)._replace(log=b"other"))
    forged = str(decode(there.cursor)._replace(fingerprint=b"forged"))
    for what in ["nobody"] if verb == "project" else [nothing, other, forged]:
        with pytest.raises(NotThere):
            await getattr(purging(relay, book), verb)(what)
    if verb == "event":
        with pytest.raises(BadCursorError):
            await purging(relay, book).event("nonsense")
    assert [] == list(book.purges)
    assert [there.cursor] == held(relay)
    assert "nobody" not in relay.log.projects


@pytest.mark.parametrize("verb", ["project", "event"])
async def test_once_more_is_no_mistake(relay: Relay, verb: str) -> None:
    """What broke in the middle is done again, and counts nothing twice."""
    _, bird, _ = relay.says(STARTED, line("bird"), line("finch"))
    await relay.keeper.flush(everything=True)
    what = P if verb == "project" else bird.cursor
    assert relay.journal is not None
    relay.journal.full = JournalError("the disk is full")
    with pytest.raises(JournalError, match="nobody is told of it any more, but the journal still holds it"):
        await getattr(purging(relay), verb)(what)
    counts = dict(relay.log.projects[P].state.counts)
    relay.journal.full = None
    # A state that is written in between was taken back already.
    relay.keeper.note([relay.log.projects[P]])
    await relay.keeper.flush(everything=True)
    await getattr(purging(relay), verb)(what)
    assert counts == relay.log.projects[P].state.counts
    await relay.keeper.flush(everything=True)
    (row,) = await relay.journal.list_projects()
    assert counts == read(row.snapshot).counts
    left = await relay.journal.read(P, limit=9)
    assert (0 if verb == "project" else 2) == len(left)
    assert 0 == (await getattr(purging(relay), verb)(what)).events


async def test_a_purged_project_that_nobody_knows_any_more(relay: Relay) -> None:
    """After the log was read anew: it is remembered, so it is no mistake."""
    book = FakePurgeBook([Purge(epoch=0, offset=3, item=None, fingerprint=b"", project_id=P, owner="ada")])
    there = purging(relay, book)
    await there.begin(book.purges)
    relay.says(line("x", "other"))
    assert 0 == (await there.project(P)).events
    viewer = await relay.watches()
    assert relay.log.projects[P].facts.owner == "ada"
    assert ["none"] == viewer.openings()


async def test_while_the_journal_is_away_nothing_is_removed(relay: Relay) -> None:
    """It would be there again when the journal is."""
    bird = relay.says("bird")[0]
    relay.keeper.fail(JournalError("the disk is full"))
    for work in (purging(relay).project(P), purging(relay).event(bird.cursor)):
        with pytest.raises(JournalError, match="away"):
            await work
    assert [bird.cursor] == held(relay)


async def test_a_project_that_is_not_whole_is_refused(relay: Relay) -> None:
    """Who owns it is not known, and would be forgotten."""
    relay.says("bird")
    relay.log.projects[P].partial = True
    with pytest.raises(JournalError, match="do it again later"):
        await purging(relay).project(P)


async def test_a_book_that_can_not_be_written_is_told(relay: Relay) -> None:
    """The journal still holds it then, and it can be done again."""
    bird = relay.says("bird")[0]
    await relay.commits()
    book = FakePurgeBook()
    book.failure = JournalError("could not be noted")
    with pytest.raises(JournalError, match="could not be noted"):
        await purging(relay, book).event(bird.cursor)
    book.failure = None
    assert 1 == (await purging(relay, book).event(bird.cursor)).events


async def test_so_many_are_remembered(relay: Relay) -> None:
    """Beyond that whole projects make room."""
    entries = relay.says(*["x"] * 2)
    relay.log.purges = Purges(
        Purge(epoch=0, offset=number, item=7, fingerprint=b"", project_id=P) for number in range(MOST)
    )
    with pytest.raises(TooMany, match="purge whole projects"):
        await purging(relay).event(entries[0].cursor)
    assert [one.cursor for one in entries] == held(relay)
    relay.says("y")
    relay.log.purges = Purges(
        Purge(epoch=0, offset=0, item=number, fingerprint=b"", project_id=P) for number in range(MOST)
    )
    await purging(relay).project(P)
    assert 1 == len(relay.log.purges)


async def test_what_retention_of_the_stream_has_passed_is_forgotten(relay: Relay) -> None:
    """It can't be read again."""
    bird = relay.says("bird")[0]
    book = FakePurgeBook()
    await purging(relay, book).event(bird.cursor)
    relay.breaks("truncated")
    relay.skips(10)
    last = relay.says("last")[0]
    await purging(relay, book).event(last.cursor)
    assert [last.place.offset] == [one.offset for one in book.purges]


async def test_what_was_removed_from_a_log_ends_with_it(relay: Relay) -> None:
    """The places mean other events now."""
    bird = relay.says("bird")[0]
    book = FakePurgeBook()
    await purging(relay, book).event(bird.cursor)
    relay.breaks("recreated")
    relay.strain = b"!"
    again = relay.says("sparrow")[0]
    assert [again.cursor] == held(relay)
    await purging(relay, book).event(again.cursor)
    assert [1] == [one.epoch for one in book.purges]


async def test_a_log_that_is_read_anew_does_not_bring_it_back() -> None:
    """Neither the event nor the project, nor what repeats it."""
    book = FakePurgeBook()
    first = await Relay.begin()
    bird = first.says("bird", names=["the bird"])[0]
    first.says(line("x", "gone"))
    await purging(first, book).event(bird.cursor)
    await purging(first, book).project("gone")
    first.says(line("behind", "gone"))
    await first.end()

    second = await Relay.begin()
    await purging(second, book).begin(book.purges)
    assert [] == second.says("bird", names=["the bird"])
    assert [] == second.says(line("x", "gone"))
    behind = second.says(line("behind", "gone"))
    assert [behind[0].cursor] == held(second, "gone")
    assert [] == second.says("bird", names=["the bird"])
    returned = await second.watches(after=bird.cursor)
    assert (["resume"], []) == (returned.openings(), returned.texts())
    await second.end()


async def test_what_was_noted_and_not_done_is_done_at_the_start() -> None:
    """The relay broke between the two."""
    journal = SlowJournal()
    first = await Relay.begin(journal=journal)
    bird = first.says("bird", "sparrow")[0]
    await first.keeper.flush(everything=True)
    await first.end()
    noted = [Purge(epoch=0, offset=0, item=0, fingerprint=decode(bird.cursor).fingerprint, project_id=P)]
    second = await Relay.begin(journal=journal)
    await purging(second).begin(noted)
    assert ["sparrow"] == (await second.watches()).texts()
    assert 1 == len(await journal.read(P, limit=9))
    await second.end()


@pytest.mark.parametrize("replays", [True, False])
async def test_a_journal_that_can_not_be_emptied_at_the_start(*, replays: bool) -> None:
    """One that is the log keeps the relay from starting; another is detached, and emptied once it is mended."""
    journal = SlowJournal()
    first = await Relay.begin(journal=journal)
    bird = first.says("bird", "sparrow")[0]
    await first.keeper.flush(everything=True)
    await first.end()
    source = FakeSource()
    source.replays = replays
    second = await Relay.begin(journal=journal, source=source)
    book = FakePurgeBook([Purge(epoch=0, offset=0, item=0, fingerprint=decode(bird.cursor).fingerprint, project_id=P)])
    journal.full = JournalError("the disk is full")
    if not replays:
        with pytest.raises(JournalError, match="full"):
            await purging(second, book).begin(book.purges)
        await second.end()
        return
    await purging(second, book).begin(book.purges)
    # What the journal still holds is passed over.
    assert ["sparrow"] == (await second.watches()).texts()
    mending = asyncio.create_task(second.mender.mend())
    journal.full = None
    await asyncio.sleep(120)
    assert 1 == len(await journal.read(P, limit=9))
    mending.cancel()
    await second.end()


async def test_a_log_that_can_not_be_read_again_and_begins_anew_has_no_purges() -> None:
    """Its journal is another one: what is written from here on was never removed."""
    source = FakeSource()
    source.replays = False
    relay = await Relay.begin(source=source)
    book = FakePurgeBook([Purge(epoch=0, offset=9, item=None, fingerprint=b"", project_id=P)])
    await purging(relay, book).begin(book.purges)
    assert ([], 0) == (list(book.purges), len(relay.log.purges))
    assert not purging(relay).replays
    await relay.end()


async def test_without_a_journal_memory_is_all_there_is() -> None:
    """It is gone from there, and counted."""
    relay = await Relay.begin(journaled=False)
    bird = relay.says("bird", "sparrow")[0]
    await purging(relay).begin([])
    assert 1 == (await purging(relay).event(bird.cursor)).events
    assert 1 == (await purging(relay).project(P)).events
    assert [] == held(relay)
    await relay.end()


async def test_one_raw_event_that_spoke_for_two_projects(relay: Relay) -> None:
    """It goes from both, wherever they are."""
    staging = relay.log.stage()
    said = Item(messages=[line("bird"), line("bird", "other"), line("bird", "other")])
    body = staging.add(0, b"123456", relay.clock.now(), [said])
    relay.records(staging)
    await relay.keeper.flush(everything=True)
    relay.log.unload(projects=1)
    book = FakePurgeBook()
    assert 3 == (await purging(relay, book).event(body.entries[1][1].cursor)).events
    assert ([], []) == (held(relay), held(relay, "other"))
    assert [P, "other"] == sorted(str(one.project_id) for one in book.purges)[::-1]


async def test_a_project_of_a_log_that_was_made_anew(relay: Relay) -> None:
    """While the new one is empty there is still what the old one said, and what comes next is new."""
    relay.says("bird", "bird", "bird")
    await relay.commits()
    relay.breaks("recreated")
    relay.strain = b"!"
    assert 3 == (await purging(relay).project(P)).events
    assert [] == held(relay)
    first = relay.says("sparrow")[0]
    assert [first.cursor] == held(relay)
    # Those of the old log may stand at higher offsets.
    assert 1 == (await purging(relay).project(P)).events


async def test_what_is_removed_while_a_viewer_is_told_the_tail() -> None:
    """It was read from the journal before, and the state was taken before: both are taken once more."""
    journal = SlowJournal()
    relay = await Relay.begin(journal=journal, timeline_events=4)
    entries = relay.says(STARTED, *[line(f"line {number}") for number in range(20)])
    await relay.commits()
    relay.says("last")
    journal.before_read, journal.after_read = asyncio.Event(), asyncio.Event()
    journal.before_read.set()
    viewer = await relay.watches()
    assert [] == viewer.openings()
    await purging(relay).event(entries[0].cursor)
    await purging(relay).event(entries[3].cursor)
    journal.after_read.set()
    await settle(50)
    assert [*(f"line {number}" for number in range(20) if number != 2), "last"] == viewer.texts()
    (opened,) = viewer.of("connection_established")
    assert "bird" not in str(opened)
    await relay.end()


async def test_what_the_journal_still_holds_is_passed_over(relay: Relay) -> None:
    """A page of nothing else is not the end: what comes behind it is read."""
    entries = relay.says("bird", "bird", "bird", "sparrow")
    await relay.commits()
    project = relay.log.projects[P]
    relay.log.purges = Purges(
        Purge(epoch=0, offset=0, item=number, fingerprint=b"", project_id=P) for number in range(3)
    )
    page = await relay.past.read(project, entries[0].place._replace(part=-1), 1)
    assert page is not None
    assert [entries[3].cursor] == [one.cursor for one in page]
    assert [] == await relay.past.read(project, entries[3].place, 1)


async def test_who_catches_up_in_a_project_that_is_removed_is_told_so(relay: Relay) -> None:
    """It would keep a state that is no more; what waits for it is not written."""
    entries = [relay.says(f"{number} {'x' * 16_000}")[0] for number in range(60)]
    wire = FakeWire()
    wire.on_write = lambda payload: wire.fill() if b"xxx" in payload else None
    viewer = await relay.watches(after=entries[0].cursor, wire=wire)
    told = len(viewer.texts())
    await purging(relay).project(P)
    wire.on_write = lambda _: None
    wire.take()
    relay.says("next")
    await settle(100)
    assert ["resume", "gap"] == viewer.openings()
    assert ["next"] == viewer.texts()[told:]


async def test_nobody_asks_the_journal_for_what_is_not_there() -> None:
    """Of a project that was removed memory has all there is."""
    journal = SlowJournal()
    relay = await Relay.begin(journal=journal, timeline_events=4)
    first = relay.says(*["bird"] * 20)[0]
    await relay.commits()
    relay.says("last")
    await relay.commits()
    await purging(relay).project(P)
    before = journal.reads
    viewer = await relay.watches(after=first.cursor)
    assert ["resume"] == viewer.openings()
    assert before == journal.reads
    await relay.end()


async def test_who_owns_a_project_that_is_read_anew_is_known_from_its_first_event() -> None:
    """What named the owner was removed; a second start takes nothing over."""
    relay = await Relay.begin()
    noted = [Purge(epoch=0, offset=0, item=None, fingerprint=b"", project_id=P, owner="ada")]
    await purging(relay, FakePurgeBook(noted)).begin(noted)
    assert [] == relay.says(STARTED)
    relay.says(ProjectStarted(project_id=P, timestamp=1.0, owner="eve"))
    assert "ada" == relay.log.projects[P].facts.owner
    await relay.end()
