"""What is let go of: by the journal what is too old or too much, by memory what is cold."""

import asyncio

from relayd.core.ageing import Ageing
from relayd.ports import Clock, JournalError, Observer
from relayd.relay.deadline import in_time
from relayd.relay.keeper import Keeper
from relayd.relay.limits import Limits
from relayd.relay.past import Past

__all__ = ["Forgetting"]

RETENTION_SECONDS = 10.0


class Forgetting:
    """Keeps journal and memory within their bounds."""

    def __init__(
        self, past: Past, keeper: Keeper, *, replays: bool, observer: Observer, clock: Clock, limits: Limits
    ) -> None:
        """Let go of what a past holds too much."""
        self._past = past
        self._log = past.log
        self._keeper = keeper
        self._replays = replays
        self._observer = observer
        self._clock = clock
        self._limits = limits
        self._ageing = Ageing(clock.now(), clock.monotonic())

    async def run(self) -> None:
        """Let the journal forget what is too old, and memory what is cold, for ever."""
        while True:
            while await self._retain():  # noqa: ASYNC110  # work in slices, no waiting
                await asyncio.sleep(0)
            await self._mend()
            # One that was folded forward when it was loaded is dirty, too; unwritten it could never be unloaded.
            if self._past.journal is not None:
                self._keeper.note([project for project in self._log.projects.values() if project.dirty])
            self._log.unload(projects=self._limits.projects)
            self._keeper.forget_gone()
            await asyncio.sleep(RETENTION_SECONDS)

    async def _retain(self) -> bool:
        if self._log.loose:
            # Nothing is dropped by one that can't be written; it is tried often enough.
            return False
        work = asyncio.ensure_future(self._past.retain(self._ageing.now(self._clock.now(), self._clock.monotonic())))
        if not self._replays:
            return await work  # What it drops must be known: a floor that was missed would call a part whole.
        try:
            # The same here; but others go on meanwhile, and it takes note of what it dropped whenever it ends.
            return await in_time(work, self._limits.journal_patience_seconds, "what is too old was not dropped")
        except JournalError as error:
            self._keeper.fail(error)
            return False

    async def _mend(self) -> None:
        try:
            await self._past.mend()
        except JournalError as error:
            self._observer.journal_failed(error)
