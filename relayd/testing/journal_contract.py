"""What every journal promises, as tests: inherit, and give a fixture `journal` that is not open yet, with `LIMITS`."""
# ruff: noqa: S101 - assert is how a test speaks, and it says its numbers

from msgspec.structs import replace

from relayd.core.floor import Floor
from relayd.ports import Journal
from relayd.protocol.cursor import Place
from relayd.testing.journal_words import LIMITS, LOG, NOW, between, commit, mark, poison, refused, row, said, settle
from relayd.testing.purge_contract import PurgeContract

__all__ = ["JournalContract"]

WINDOW = 4
TOO_OLD = LIMITS["max_age_seconds"] + 1
"""So many seconds later it is dropped."""


class JournalContract(PurgeContract):
    """Inherit it as `Test…` with a fixture `journal`."""

    async def test_a_new_journal_knows_nothing(self, journal: Journal) -> None:
        """There is no position to resume from, and no project."""
        recovered = await journal.open(LOG, window=WINDOW)
        assert (recovered.position, list(recovered.bodies), recovered.floors, recovered.floor) == (None, [], {}, None)
        assert frozenset() == recovered.projects
        assert await journal.load("a", newest=5) is None
        assert list(await journal.read("a", limit=5)) == []
        assert await journal.fingerprint(0, 0) is None

    async def test_what_was_committed_is_there_after_reopening(self, journal: Journal) -> None:
        """Position, bodies and projects come back."""
        await journal.open(LOG, window=WINDOW)
        wanted = commit([said("a", 3), said("b", 7, item=2, part=1)])
        await journal.commit(wanted)
        await journal.close()
        recovered = await journal.open(LOG, window=WINDOW)
        assert wanted.position == recovered.position
        bodies = [(body.epoch, body.offset, body.fingerprint, [*body.repeat_keys]) for body in recovered.bodies]
        assert [(0, 3, mark(0, 3), [3]), (0, 7, mark(0, 7), [7])] == bodies
        assert {"a", "b"} == recovered.projects

    async def test_the_newest_bodies_hold_the_window_of_repeats(self, journal: Journal) -> None:
        """A restart recognises the repeats that it recognised before, and the last body is the position's."""
        await journal.open(LOG, window=WINDOW)
        for first in range(0, 30, 3):
            await journal.commit(commit([said("a", first + i) for i in range(3)]))
        await journal.commit(commit(position=(0, 40)))
        await settle(journal, NOW)
        await journal.close()
        bodies = (await journal.open(LOG, window=WINDOW)).bodies
        assert [key for body in bodies for key in body.repeat_keys][-WINDOW:] == [26, 27, 28, 29]
        assert sorted(body.offset for body in bodies) == [body.offset for body in bodies]
        assert (40, mark(0, 40)) == (bodies[-1].offset, bodies[-1].fingerprint)

    async def test_reading_between_any_two_places(self, journal: Journal) -> None:
        """Strictly between, from either end, never another project's."""
        await journal.open(LOG, window=WINDOW)
        mine = [said("a", offset, item=item) for offset in (1, 2, 5) for item in (0, 1)]
        for offset in (1, 2, 5):
            at = [one for one in mine if one.place.offset == offset]
            await journal.commit(commit([at[0], said("b", offset, item=7), at[1]]))
        places = [None, Place(0, 0), *(one.place for one in mine), Place(0, 3), Place(0, 5, 0, -1), Place(9, 0)]
        for after in places:
            for before in places:
                wanted = between(mine, after, before)
                assert wanted[:2] == list(await journal.read("a", after=after, before=before, limit=2))
                assert wanted[-2:] == list(await journal.read("a", after=after, before=before, limit=2, newest=True))
                assert wanted == list(await journal.read("a", after=after, before=before, limit=99, newest=True))

    async def test_a_body_larger_than_any_chunk_reads_as_one(self, journal: Journal) -> None:
        """Where the journal cuts is nobody's business."""
        await journal.open(LOG, window=WINDOW)
        mine = [said("a", 1, item=item, text=f"{item}" * 16_384) for item in range(10)]
        mine += [said("a", 1, item=item, text="x" * 16_000) for item in range(10, 150)]
        await journal.commit(commit([*mine, said("a", 2)]))
        middle = mine[70].place
        assert mine[71:73] == list(await journal.read("a", after=middle, limit=2))
        assert mine[68:70] == list(await journal.read("a", before=middle, limit=2, newest=True))
        assert mine == list(await journal.read("a", before=Place(0, 2), limit=999, newest=True))

    async def test_a_project_is_loaded_with_what_came_after_its_snapshot(self, journal: Journal) -> None:
        """The snapshot may be seconds old; the entries behind it bring it up to date."""
        await journal.open(LOG, window=WINDOW)
        mine = [said("a", offset) for offset in range(6)]
        await journal.commit(commit(mine[:3]))
        kept = await journal.load("a", newest=2)
        assert kept is not None
        assert (None, mine[:3], mine[1:3]) == (kept.row, list(kept.since), list(kept.newest))
        state = row("a", mine[3].place)
        await journal.commit(commit(mine[3:], projects=[state]))
        for newest in (0, 1, 2, 5, 99):
            kept = await journal.load("a", newest=newest)
            assert kept is not None
            assert (state, mine[4:], mine[6 - min(6, newest) :]) == (kept.row, list(kept.since), list(kept.newest))

    async def test_the_newest_row_of_a_project_stands(self, journal: Journal) -> None:
        """A position may be told again when it brings no events, only state."""
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit([said("a", 1)], projects=[row("a", Place(0, 1))]))
        final = row("a", Place(0, 1), status="completed")
        await journal.commit(commit(position=(0, 1), projects=[final, row("b", Place(0, 1))]))
        listed = {one.project_id: one for one in await journal.list_projects()}
        assert {"a": final, "b": row("b", Place(0, 1))} == listed

    async def test_what_was_written_is_not_written_twice(self, journal: Journal) -> None:
        """A commit that goes back, or brings events at the position, is refused whole."""
        await journal.open(LOG, window=WINDOW)
        first = commit([said("a", 4), said("a", 5)])
        await journal.commit(first)
        again = commit([said("a", 5), said("b", 6)])
        for wrong in (first, commit(position=(0, 4)), again):
            assert "already holds" in await refused(journal.commit(wrong))
        assert [one.place.offset for one in await journal.read("a", limit=9)] == [4, 5]
        assert await journal.load("b", newest=1) is None

    async def test_a_log_that_was_made_anew_begins_again(self, journal: Journal) -> None:
        """Offsets begin again in the next epoch; the old past stays readable, before the new one."""
        await journal.open(LOG, window=WINDOW)
        old, new = [said("a", 8), said("a", 9)], [said("a", 0, epoch=1), said("a", 9, epoch=1)]
        floor = Floor(Place(1, -1, -1, -1))
        await journal.commit(commit(old))
        await journal.commit(commit(new, floor=floor))
        assert [*old, *new] == list(await journal.read("a", limit=9))
        assert new == list(await journal.read("a", after=floor.place, limit=9))
        assert [mark(0, 9), mark(1, 9)] == [await journal.fingerprint(epoch, 9) for epoch in (0, 1)]
        assert "already holds" in await refused(journal.commit(commit([said("a", 10)])))
        await journal.close()
        assert floor == (await journal.open(LOG, window=WINDOW)).floor

    async def test_a_floor_for_all_rises_and_never_sinks(self, journal: Journal) -> None:
        """A hole in the log stays a hole."""
        await journal.open(LOG, window=WINDOW)
        high, low = Floor(Place(0, 5, 65_536)), Floor(Place(0, 2), mark(0, 2))
        await journal.commit(commit([said("a", 6)], floor=high))
        await journal.commit(commit([said("a", 7)], floor=low))
        await journal.close()
        assert high == (await journal.open(LOG, window=WINDOW)).floor

    async def test_a_floor_of_one_project_rises_and_never_sinks(self, journal: Journal) -> None:
        """Also when what lies below it is dropped later."""
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit([said("a", 1)]))
        high, low = Floor(Place(0, 5), mark(0, 5)), Floor(Place(0, 2), mark(0, 2))
        await journal.commit(commit([said("a", 6, at=NOW + 50)], floors={"a": high}))
        await journal.commit(commit(position=(0, 7), floors={"a": low}))
        wanted = {"a": high}
        assert wanted == await settle(journal, NOW + TOO_OLD)
        await journal.close()
        recovered = await journal.open(LOG, window=WINDOW)
        assert (wanted, None) == (recovered.floors, recovered.floor)
        assert [one.place.offset for one in await journal.read("a", limit=9)] == [6]

    async def test_a_floor_may_be_all_there_is_of_a_project(self, journal: Journal) -> None:
        """Its events were lost with another file; it is known until it is too old, then the floor is everybody's."""
        await journal.open(LOG, window=WINDOW)
        floor = Floor(Place(0, 1), mark(0, 1))
        await journal.commit(commit([said("b", 3, at=NOW + TOO_OLD)], floors={"a": floor}))
        await journal.close()
        recovered = await journal.open(LOG, window=WINDOW)
        assert (floor, frozenset({"a", "b"})) == (recovered.floors.get("a"), recovered.projects)
        kept = await journal.load("a", newest=5)
        assert kept is not None
        assert (kept.row, len(kept.since), len(kept.newest)) == (None, 0, 0)
        assert {None: floor} == await settle(journal, NOW + TOO_OLD)
        assert await journal.load("a", newest=5) is None

    async def test_what_is_too_old_is_dropped_and_raises_the_floor(self, journal: Journal) -> None:
        """The floor is the last event dropped, with its fingerprint; what is young stays whole."""
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit([said("a", 1), said("b", 2), said("a", 3, item=1)]))
        young = [said("a", 4, at=NOW + 50), said("a", 5, at=NOW + 50)]
        await journal.commit(commit(young, projects=[row("b", Place(0, 2), updated_at=NOW + 60)]))
        assert await settle(journal, NOW + TOO_OLD - 2) == {}
        wanted = {"a": Floor(Place(0, 3, 1), mark(0, 3)), "b": Floor(Place(0, 2), mark(0, 2))}
        assert wanted == await settle(journal, NOW + TOO_OLD)
        assert young == list(await journal.read("a", limit=9))
        assert await settle(journal, NOW + TOO_OLD) == {}
        await journal.close()
        recovered = await journal.open(LOG, window=WINDOW)
        assert (wanted, None, frozenset({"a", "b"})) == (recovered.floors, recovered.floor, recovered.projects)

    async def test_a_project_without_events_is_forgotten_when_it_is_too_old(self, journal: Journal) -> None:
        """Its floor becomes everybody's: the cursor `0` must not be called whole again."""
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit([said("a", 1)], projects=[row("a", Place(0, 1), updated_at=NOW + 50)]))
        await journal.commit(commit([said("b", 2, at=NOW + 200)]))
        floor = Floor(Place(0, 1), mark(0, 1))
        assert {"a": floor} == await settle(journal, NOW + TOO_OLD)
        assert await journal.load("a", newest=1) is not None
        assert {None: floor} == await settle(journal, NOW + 50 + TOO_OLD)
        assert await journal.load("a", newest=1) is None
        assert list(await journal.list_projects()) == []
        await journal.commit(commit([said("a", 3, at=NOW + 200)]))
        await journal.close()
        recovered = await journal.open(LOG, window=WINDOW)
        assert (floor, {}, frozenset({"a", "b"})) == (recovered.floor, recovered.floors, recovered.projects)

    async def test_a_project_that_speaks_again_is_not_forgotten(self, journal: Journal) -> None:
        """Its floor stays its own."""
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit([said("a", 1)]))
        old = NOW + TOO_OLD
        # Its one event goes, and with it the project, unless it has spoken in between.
        await journal.commit(commit([said("a", 2, at=old)]))
        assert {"a": Floor(Place(0, 1), mark(0, 1))} == await settle(journal, old)
        assert await settle(journal, old + 1) == {}
        assert [one.place.offset for one in await journal.read("a", limit=9)] == [2]

    async def test_the_newest_events_of_a_project_stay(self, journal: Journal) -> None:
        """At least the bound, at most one commit more; other projects lose nothing."""
        await journal.open(LOG, window=WINDOW)
        most = LIMITS["max_events_per_project"]
        mine = [said("a", offset) for offset in range(3 * most)]
        await journal.commit(commit([said("b", 0), *mine[:1]]))
        for first in range(1, len(mine), 4):
            await journal.commit(commit(mine[first : first + 4]))
        raised = await settle(journal, NOW)
        kept = list(await journal.read("a", limit=99))
        assert most <= len(kept) < most + 4
        assert mine[-len(kept) :] == kept
        assert {"a": Floor(mine[-len(kept) - 1].place, mark(0, mine[-len(kept) - 1].place.offset))} == raised
        assert len(await journal.read("b", limit=9)) == 1

    async def test_rejected_events_come_back_as_they_were(self, journal: Journal) -> None:
        """Newest first and page by page, poison included."""
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit(position=(0, 1), rejected=[poison(0), poison(1)]))
        await journal.commit(commit(position=(0, 2), rejected=[replace(poison(2), truncated=True)]))
        wanted = [(3, replace(poison(2), truncated=True)), (2, poison(1)), (1, poison(0))]
        assert wanted == list(await journal.list_rejected(before=None, limit=9))
        assert wanted[1:2] == list(await journal.list_rejected(before=3, limit=1))
        assert poison(1) == await journal.show_rejected(2)
        assert await journal.show_rejected(9) is None

    async def test_a_rejected_event_is_marked_when_it_was_published_again(self, journal: Journal) -> None:
        """One that is not there is a mistake."""
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit(position=(0, 0), rejected=[poison(0)]))
        await journal.mark_replayed(1, NOW + 5)
        assert replace(poison(0), replayed_at=NOW + 5) == await journal.show_rejected(1)
        assert "rejected event 2" in await refused(journal.mark_replayed(2, NOW))

    async def test_the_newest_rejected_events_stay(self, journal: Journal) -> None:
        """The oldest make room."""
        await journal.open(LOG, window=WINDOW)
        for offset in range(5):
            await journal.commit(commit(position=(0, offset), rejected=[poison(offset)]))
        assert [number for number, _ in await journal.list_rejected(before=None, limit=9)] == [5, 4, 3]

    async def test_a_payload_of_two_lines_is_refused(self, journal: Journal) -> None:
        """It would come back as two entries."""
        await journal.open(LOG, window=WINDOW)
        wrong = said("a", 1)
        attempt = journal.commit(commit([replace(wrong, payload=wrong.payload.replace(b":", b":\n", 1))]))
        assert "line feed" in await refused(attempt)
        assert await journal.load("a", newest=1) is None

    async def test_it_serves_one_log(self, journal: Journal) -> None:
        """Another log's places mean other events."""
        await journal.open(LOG, window=WINDOW)
        await journal.close()
        sentence = await refused(journal.open("other", window=WINDOW))
        assert LOG in sentence
        assert "other" in sentence
        await journal.open(LOG, window=WINDOW)

    async def test_it_must_be_open_once(self, journal: Journal) -> None:
        """Neither before `open` nor after `close` does it do anything, and closing twice is no mistake."""
        assert "not open" in await refused(journal.read("a", limit=1))
        await journal.open(LOG, window=WINDOW)
        assert "open already" in await refused(journal.open(LOG, window=WINDOW))
        await journal.close()
        await journal.close()
        assert "not open" in await refused(journal.commit(commit(position=(0, 0))))

    async def test_what_is_sound_is_found_sound(self, journal: Journal) -> None:
        """Open, and after a stop in order."""
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit([said("a", 1)]))
        await journal.check()
        await journal.close()
        assert "not open" in await refused(journal.check())
        await journal.open(LOG, window=WINDOW)
        await journal.check()

    async def test_what_was_set_aside_leaves_room_for_a_new_one(self, journal: Journal) -> None:
        """It may be another log's, begins with nothing, and where the old one is, is told; open or closed."""
        assert await journal.set_aside(NOW) is None
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit([said("a", 1)]))
        first = getattr(await journal.set_aside(NOW), "path", None)
        assert "not open" in await refused(journal.read("a", limit=1))
        recovered = await journal.open("other", window=WINDOW)
        assert (None, frozenset()) == (recovered.position, recovered.projects)
        await journal.close()
        assert getattr(await journal.set_aside(NOW + 1), "path", None) not in {None, first}
        assert (await journal.open(LOG, window=WINDOW)).position is None
