from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from relayd.core.floor import Floor
from relayd.core.timeline import Entry
from relayd.ports import Aside, Commit, Recovered
from relayd.protocol.cursor import Place
from relayd.testing.journal import FakeJournal
from relayd.testing.journal_contract import JournalContract
from relayd.testing.journal_words import LIMITS


class Forgetful(FakeJournal):
    """Loses its position when it is closed."""

    async def open(self, log: str, *, window: int) -> Recovered:
        self._position = None
        return await super().open(log, window=window)


class Silent(FakeJournal):
    """Drops events and says nothing."""

    async def retain(self, now: float) -> Mapping[str | None, Floor]:
        await super().retain(now)
        return {}


class Generous(FakeJournal):
    """Serves the place that was asked for, too."""

    async def read(
        self,
        project_id: str,
        *,
        after: Place | None = None,
        before: Place | None = None,
        limit: int,
        newest: bool = False,
    ) -> Sequence[Entry]:
        after = after and after._replace(part=after.part - 1)
        return await super().read(project_id, after=after, before=before, limit=limit, newest=newest)


class Careless(FakeJournal):
    """Writes whatever comes."""

    def _refuse(self, commit: Commit) -> None:
        """Refuse nothing."""


class Sinking(FakeJournal):
    """Believes the last floor it was told."""

    def _raise(self, project_id: str, floor: Floor) -> None:
        self._floors[project_id] = floor


class Deaf(FakeJournal):
    """Hears nothing of the floors of single projects."""

    async def commit(self, commit: Commit) -> None:
        await super().commit(replace(commit, floors={}))


class Clinging(FakeJournal):
    """Moves nothing away."""

    async def set_aside(self, now: float) -> Aside | None:
        await self.close()
        return Aside(f"{now}")


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Sinking, "test_a_floor_of_one_project_rises_and_never_sinks"),
        (Deaf, "test_a_floor_of_one_project_rises_and_never_sinks"),
        (Deaf, "test_a_floor_may_be_all_there_is_of_a_project"),
        (Clinging, "test_what_was_set_aside_leaves_room_for_a_new_one"),
        (Forgetful, "test_what_was_committed_is_there_after_reopening"),
        (Silent, "test_what_is_too_old_is_dropped_and_raises_the_floor"),
        (Generous, "test_reading_between_any_two_places"),
        (Careless, "test_what_was_written_is_not_written_twice"),
    ],
)
async def test_a_journal_that_breaks_a_promise_is_caught(kind: type[FakeJournal], promise: str) -> None:
    """A contract that nobody can break holds nobody."""
    await getattr(JournalContract(), promise)(FakeJournal(**LIMITS))
    with pytest.raises(AssertionError):
        await getattr(JournalContract(), promise)(kind(**LIMITS))
