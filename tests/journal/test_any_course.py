"""Whatever happens in whatever order: found by hypothesis, which tells the shortest course that goes wrong."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from relayd.core.floor import Floor
from relayd.core.timeline import Entry
from relayd.journal.sqlite import SqliteJournal
from relayd.ports import Commit, Journal
from relayd.protocol.cursor import Place
from relayd.testing.journal import FakeJournal
from relayd.testing.journal_words import LIMITS, LOG, NOW, Limits, commit, mark, row, said, settle


def on_disk(folder: Path, limits: Limits = LIMITS) -> SqliteJournal:
    """Return a journal in a folder."""
    return SqliteJournal(folder / "journal.db", synchronous="normal", **limits)


PROJECTS = ("a", "b", "c")
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.lists(st.tuples(st.sampled_from(PROJECTS), st.integers(0, 2)), max_size=12)),
        st.tuples(st.just("state"), st.sampled_from(PROJECTS)),
        st.tuples(st.just("hole"), st.integers(1, 5)),
        st.tuples(st.just("anew"), st.none()),
        st.tuples(st.just("let go"), st.sampled_from(PROJECTS)),
        st.tuples(st.just("retain"), st.floats(0, 70)),
        st.tuples(st.just("reopen"), st.none()),
    ),
    max_size=25,
)
TIGHT: Limits = {**LIMITS, "max_bytes": 70_000}


class Course:
    """Where a log made of actions has come to."""

    def __init__(self) -> None:
        self.now = NOW
        self.epoch = 0
        self.offset = 0
        self.said: dict[str, list[Entry]] = {project: [] for project in PROJECTS}

    def commit(self, action: str, value: object) -> Commit:
        """Return what the log says next."""
        if action == "anew":
            self.epoch, self.offset = self.epoch + 1, 0
            return commit(position=(self.epoch, 0), floor=Floor(Place(self.epoch, -1, -1, -1)))
        if action == "hole" and isinstance(value, int):
            floor = Floor(Place(self.epoch, self.offset, 65_536))
            self.offset += value
            return commit(position=(self.epoch, self.offset), floor=floor)
        at = (self.epoch, self.offset)
        if action == "let go" and isinstance(value, str):
            # Said, and never written: a floor stands above it.
            self.offset += 1
            gone = said(value, self.offset, epoch=self.epoch, at=self.now)
            self.said[value] = [gone]
            floors = {value: Floor(gone.place, mark(self.epoch, self.offset))}
            return commit(position=(self.epoch, self.offset), floors=floors)
        if action == "state" and isinstance(value, str):
            return commit(position=at, projects=[row(value, Place(*at), updated_at=self.now)])
        entries = []
        assert isinstance(value, list)
        for project, step in value:
            self.offset += 1 + step
            entries.append(said(project, self.offset, epoch=self.epoch, at=self.now, text="x" * 2_000))
            self.said[project].append(entries[-1])
        return commit(entries, position=(self.epoch, self.offset))


async def view(journal: Journal) -> dict[str, object]:
    """Return all that a journal says of its projects."""
    return {project: await journal.load(project, newest=5) for project in PROJECTS} | {
        f"{project}'s events": list(await journal.read(project, limit=10_000)) for project in PROJECTS
    }


async def same(actions: Sequence[tuple[str, object]], folder: Path) -> None:
    """Let both journals go through the same, and fail where they differ."""
    course, disk, fake = Course(), on_disk(folder), FakeJournal(**LIMITS)
    assert await disk.open(LOG, window=3) == await fake.open(LOG, window=3)
    try:
        for action, value in actions:
            if action == "retain" and isinstance(value, float):
                course.now += value
                assert await settle(fake, course.now) == await settle(disk, course.now)
            elif action == "reopen":
                await disk.close()
                await fake.close()
                mine, wanted = await disk.open(LOG, window=3), await fake.open(LOG, window=3)
                assert (wanted.position, wanted.floors, wanted.floor, wanted.projects) == (
                    mine.position, mine.floors, mine.floor, mine.projects
                )  # fmt: skip
            else:
                told = course.commit(action, value)
                await fake.commit(told)
                await disk.commit(told)
            assert await view(fake) == await view(disk)
    finally:
        await disk.close()


@settings(max_examples=25, deadline=None)
@given(ACTIONS)
def test_it_says_what_a_journal_in_memory_says(actions: list[tuple[str, object]]) -> None:
    """Commits, holes, new logs, retention and restarts in any order: no event and no floor is different."""
    with TemporaryDirectory() as folder:
        asyncio.run(same(actions, Path(folder)))


async def whole(actions: Sequence[tuple[str, object]], folder: Path) -> None:
    """Go through the actions and fail where an event above the floor is missing, or a floor sinks."""
    course, journal = Course(), on_disk(folder, TIGHT)
    recovered = await journal.open(LOG, window=3)
    floors, common = dict(recovered.floors), recovered.floor
    try:
        for action, value in actions:
            raised: dict[str | None, Floor] = {}
            if action == "retain" and isinstance(value, float):
                course.now += value
                raised = await settle(journal, course.now)
            elif action == "reopen":
                await journal.close()
                recovered = await journal.open(LOG, window=3)
                assert common == recovered.floor
                raised.update(recovered.floors.items())
            else:
                told = course.commit(action, value)
                await journal.commit(told)
                common = told.floor or common
                raised.update(told.floors.items())
            if None in raised:
                assert common is None or common.place < raised[None].place
                common = raised.pop(None)
            for project, floor in raised.items():
                assert project is not None
                assert project not in floors or floors[project].place <= floor.place
                floors[project] = floor
            for project in PROJECTS:
                bottom = max((one.place for one in (floors.get(project), common) if one), default=Place(-1, 0))
                held = [one for one in await journal.read(project, limit=10_000) if one.place > bottom]
                assert held == [one for one in course.said[project] if one.place > bottom]
    finally:
        await journal.close()


@settings(max_examples=25, deadline=None)
@given(ACTIONS)
def test_nothing_above_the_floor_is_lost(actions: list[tuple[str, object]]) -> None:
    """With a file that is always too small, too: what is read is in order, without holes, and floors only rise."""
    with TemporaryDirectory() as folder:
        asyncio.run(whole(actions, Path(folder)))
