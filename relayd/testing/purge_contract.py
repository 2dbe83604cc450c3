"""What every journal promises of events that are removed for good; a part of `JournalContract`."""
# ruff: noqa: S101 - assert is how a test speaks, and it says its numbers

from collections.abc import Sequence

from msgspec.structs import replace

from relayd.core.floor import Floor
from relayd.core.timeline import Entry
from relayd.ports import Doomed, Journal, ProjectRow
from relayd.protocol.cursor import Place
from relayd.testing.journal_words import LIMITS, LOG, NOW, commit, mark, poison, refused, row, said, settle

__all__ = ["PurgeContract", "doomed"]

WINDOW = 4
FIRST, LAST = Place(-1, -1, -1, -1), Place(2**62, 0)


def same(state: ProjectRow, _: Sequence[bytes]) -> ProjectRow:
    """Return the state as it is."""
    return state


def doomed(project_id: str | None, after: Place = FIRST, before: Place = LAST, *, named: bytes = b"") -> Doomed:
    """Return what shall go."""
    return Doomed(project_id=project_id, after=after, before=before, state=same, named=named)


class PurgeContract:
    """Inherit `JournalContract`, which has these tests, too."""

    async def test_what_is_purged_is_not_read_any_more(self, journal: Journal) -> None:
        """From whatever side it is asked for, and after a restart; its neighbours and other projects stay."""
        await journal.open(LOG, window=WINDOW)
        mine = [said("a", offset, item=item) for offset in (1, 2) for item in (0, 1, 2)]
        await journal.commit(commit([*mine[:3], said("b", 1, item=7)]))
        await journal.commit(commit(mine[3:]))
        gone = await journal.purge([doomed("a", Place(0, 1, 0, 9), Place(0, 1, 3))])
        assert len(mine[1:3]) == gone
        left = [mine[0], *mine[3:]]
        for _ in range(2):
            assert left == list(await journal.read("a", limit=9))
            assert left[-3:] == list(await journal.read("a", limit=3, newest=True))
            assert left[:1] == list(await journal.read("a", before=Place(0, 2), limit=9))
            assert left[1:] == list(await journal.read("a", after=Place(0, 1, 1), limit=9))
            kept = await journal.load("a", newest=9)
            assert kept is not None
            assert (left, left) == (list(kept.newest), list(kept.since))
            assert len(await journal.read("b", limit=9)) == 1
            await journal.close()
            await journal.open(LOG, window=WINDOW)

    async def test_all_of_a_project_can_be_purged(self, journal: Journal) -> None:
        """It is still known, and goes on; the same once more purges nothing."""
        await journal.open(LOG, window=WINDOW)
        mine = [said("a", 1), said("a", 2)]
        await journal.commit(commit([*mine, said("b", 2, item=1)]))
        assert len(mine) == await journal.purge([doomed("a")])
        assert await journal.purge([doomed("a"), doomed("nobody")]) == 0
        kept = await journal.load("a", newest=9)
        assert kept is not None
        assert (list(kept.newest), list(kept.since)) == ([], [])
        await journal.commit(commit([said("a", 3)]))
        assert [one.place.offset for one in await journal.read("a", limit=9)] == [3]
        assert [one.place.offset for one in await journal.read("a", limit=9, newest=True)] == [3]

    async def test_a_purged_place_keeps_its_fingerprint_and_its_repeats(self, journal: Journal) -> None:
        """Cursors of it are whole, and its ids are recognised."""
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit([said("a", 1), said("a", 2)]))
        await journal.purge([doomed("a")])
        assert mark(0, 1) == await journal.fingerprint(0, 1)
        await journal.close()
        recovered = await journal.open(LOG, window=WINDOW)
        assert [(body.offset, [*body.repeat_keys]) for body in recovered.bodies] == [(1, [1]), (2, [2])]
        assert (recovered.floors, recovered.floor) == ({}, None)

    async def test_floors_rise_over_purged_places(self, journal: Journal) -> None:
        """Retention drops them when their time has come, as if their events were there; then the project is idle."""
        await journal.open(LOG, window=WINDOW)
        for offset in (1, 2):
            await journal.commit(commit([said("a", offset)]))
        await journal.commit(commit([said("b", 3, at=NOW + 150)]))
        await journal.purge([doomed("a")])
        assert await settle(journal, NOW) == {}
        raised = await settle(journal, NOW + LIMITS["max_age_seconds"] + 1)
        assert Floor(Place(0, 2), mark(0, 2)) == raised.get("a", raised.get(None))

    async def test_purged_places_count_as_events(self, journal: Journal) -> None:
        """So those that are left are not dropped later than others."""
        await journal.open(LOG, window=WINDOW)
        most = LIMITS["max_events_per_project"]
        for offset in range(2 * most):
            await journal.commit(commit([said("a", offset)]))
        await journal.purge([doomed("a", Place(0, most, 0, 0))])
        assert {"a": Floor(Place(0, most - 1), mark(0, most - 1))} == await settle(journal, NOW)
        assert [most] == [one.place.offset for one in await journal.read("a", limit=9)]

    async def test_the_state_of_a_project_is_brought_in_line(self, journal: Journal) -> None:
        """Told what goes, once; its owner's columns are those of the new row."""
        await journal.open(LOG, window=WINDOW)
        entries = [said("a", 1), said("a", 2)]
        await journal.commit(commit(entries, projects=[row("a", Place(0, 2)), row("b", Place(0, 2), owner="ben")]))
        told: list[list[bytes]] = []

        def state(kept: ProjectRow, payloads: Sequence[bytes]) -> ProjectRow:
            told.append([*payloads])
            return replace(kept, snapshot=b"{}", owner="cem", status="paused")

        await journal.purge([replace(doomed("a", before=Place(0, 2)), state=state)])
        assert [[entries[0].payload]] == told
        rows = {one.project_id: one for one in await journal.list_projects()}
        assert replace(row("a", Place(0, 2)), snapshot=b"{}", owner="cem", status="paused") == rows["a"]
        assert row("b", Place(0, 2), owner="ben") == rows["b"]

    async def test_rejected_events_are_purged_that_are_named(self, journal: Journal) -> None:
        """Those between the places in which the words stand, or all of them; numbers are given to nobody else."""
        await journal.open(LOG, window=WINDOW)
        mine, other = replace(poison(1), body=b'{"project": "a"}'), poison(2)
        await journal.commit(commit(position=(0, 2), rejected=[mine, other]))
        assert await journal.purge([doomed("a", before=Place(0, 1), named=b'"a"')]) == 0
        assert await journal.purge([doomed("a", named=b'"a"')]) == 1
        assert [(2, other)] == list(await journal.list_rejected(before=None, limit=9))
        assert await journal.purge([doomed(None, Place(0, 2, 0, -1), Place(0, 2, 1))]) == 1
        await journal.commit(commit(position=(0, 3), rejected=[poison(3)]))
        assert [(3, poison(3))] == list(await journal.list_rejected(before=None, limit=9))

    async def test_what_came_of_a_raw_event_is_found(self, journal: Journal) -> None:
        """In every project and epoch, or among what could not be understood."""
        await journal.open(LOG, window=WINDOW)
        wanted = [said("a", 1, item=1), said("a", 1, item=1, part=1), said("b", 1, item=1, part=2)]
        await journal.commit(commit([said("a", 1), *wanted, said("a", 1, item=2), said("a", 3)], rejected=[poison(2)]))
        anew = said("a", 1, item=1, epoch=1)
        await journal.commit(commit([anew], position=(1, 1)))
        found = await journal.find(1, 1)
        assert (by_place([*wanted, anew]), []) == (by_place(found.entries), list(found.rejected))
        found = await journal.find(2, 0)
        assert ([], [poison(2)]) == (list(found.entries), list(found.rejected))
        found = await journal.find(9, 0)
        assert (list(found.entries), list(found.rejected)) == ([], [])
        await journal.purge([doomed("a", wanted[0].place._replace(part=-1), wanted[1].place._replace(part=9))])
        assert by_place([wanted[2], anew]) == by_place((await journal.find(1, 1)).entries)

    async def test_what_was_moved_aside_is_named(self, journal: Journal) -> None:
        """Nobody looks into it; it may still hold what was purged."""
        await journal.open(LOG, window=WINDOW)
        await journal.commit(commit([said("a", 1)]))
        assert list(await journal.scour()) == []
        await journal.set_aside(NOW)
        await journal.open(LOG, window=WINDOW)
        assert len(await journal.scour()) == 1

    async def test_only_an_open_journal_purges(self, journal: Journal) -> None:
        """Neither before `open` nor after `close`."""
        for verb in (journal.find(0, 0), journal.purge([doomed("a")]), journal.scour()):
            assert "not open" in await refused(verb)


def by_place(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries in the log's order."""
    return sorted(entries, key=lambda one: one.place)
