"""
What becomes of a journal that can't be used, where the log can be read again: it is tried until it can.

Rule 1: a damaged file is moved aside and a new one begun; what only the old one held is below the floors then.
Rule 2: a file that could not be opened at the start is joined where the log has come to, if it is of this log: its
position is known to memory, or lies below all that memory has.  Else its places would mean other events.
Rule 3: what hangs is waited for: two hands on one file would damage it.
"""

import asyncio

from relayd.core.outage import forsake
from relayd.core.repeats import WINDOW
from relayd.ports import (
    Clock,
    Journal,
    JournalDamaged,
    JournalError,
    JournalMistake,
    Observer,
    Position,
    Recovered,
)
from relayd.relay.keeper import Keeper
from relayd.relay.past import Past
from relayd.relay.remnants import purge_again
from relayd.relay.trouble import Trouble

__all__ = ["Mender"]

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
"""Seconds before a journal is tried again."""


class Mender:
    """Opens the journal, and mends it for as long as the relay lives."""

    def __init__(
        self,
        name: str,
        past: Past,
        keeper: Keeper,
        *,
        replays: bool,
        trouble: Trouble,
        observer: Observer,
        clock: Clock,
    ) -> None:
        """Look after the journal of the log of that name."""
        self._name = name
        self._past = past
        self._log = past.log
        self._keeper = keeper
        self._replays = replays
        self._trouble = trouble
        self._observer = observer
        self._clock = clock
        self._opened = False
        self._unseen = asyncio.Event()
        self.replaced = ""
        """A sentence, if the file that this relay was to begin with was damaged."""

    async def begin(self) -> None:
        """
        Open the journal and bring back what it remembers.

        A log that can be read again can begin without: with a new file in place of a damaged one, or with none for
        now.  Raises JournalMistake, and where the log can't be read again any JournalError.
        """
        journal = self._past.journal
        if journal is None:
            return
        try:
            recovered = await self._first(journal)
        except JournalMistake:
            raise
        except JournalError as error:
            if not self._replays:
                raise
            self._past.close()
            self._keeper.fail(error)
            return
        self._has_opened()
        position = self._keeper.position = recovered.position
        epoch = 0 if position is None else position.epoch
        self._log.restore(
            epoch=epoch,
            marks=[(body.offset, body.fingerprint) for body in recovered.bodies if body.epoch == epoch],
            keys=[key for body in recovered.bodies if body.epoch == epoch for key in body.repeat_keys],
            floors=recovered.floors,
            floor=recovered.floor,
            projects=recovered.projects,
        )

    async def look(self) -> None:
        """
        Look for damage in each file that is opened, beside all else, for ever.

        Raises JournalDamaged where the log can't be read again: nothing may be written to it any more, and people must
        mend it.
        """
        while True:
            await self._unseen.wait()
            self._unseen.clear()
            journal = self._past.journal
            assert journal is not None  # noqa: S101  # it was opened
            try:
                await journal.check()
            except JournalDamaged as damage:
                self._observer.journal_failed(damage)
                if not self._replays:
                    raise
                self._trouble.found(damage)
            except JournalError as error:
                self._observer.journal_failed(error)

    async def mend(self) -> None:
        """Mend what is told, for ever; where the log can't be read again the next commit shows whether all is well."""
        while self._replays:
            await self._trouble.wait()
            pause = FIRST_PAUSE if self._trouble.damage is None else 0.0
            while not await self._tried(after=pause):
                pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * pause))

    async def end(self) -> None:
        """Write what there is to write when the relay ends; what can't be written is read again by the next."""
        try:
            if self._opened and self._trouble.damage is None:
                await self._keeper.catch_up()
            await self._keeper.flush(everything=True)
        except JournalError as error:
            self._observer.journal_failed(error)

    async def _tried(self, *, after: float) -> bool:
        await asyncio.sleep(after)
        journal = self._past.journal
        assert journal is not None  # noqa: S101  # there is a trouble with it
        try:
            if self._trouble.damage is not None:
                await self._replace(journal, self._trouble.damage)
            if not self._opened:
                await self._join(journal)
            await purge_again(self._log, journal)
            await self._keeper.catch_up()
            await self._past.mend()
        except JournalError as error:
            self._keeper.fail(error)
            if isinstance(error, JournalDamaged):
                self._trouble.found(error)
            return False
        self._trouble.over()
        return True

    def _has_opened(self) -> None:
        self._opened = True
        self._unseen.set()

    async def _first(self, journal: Journal) -> Recovered:
        try:
            return await journal.open(self._name, window=WINDOW)
        except JournalDamaged as damage:
            if not self._replays:
                raise
            self._observer.journal_failed(damage)
            self.replaced = f"the journal was damaged, and what it held is read again as far as the log goes: {damage}"
            await self._set_aside(journal, damage)
            return await journal.open(self._name, window=WINDOW)

    async def _set_aside(self, journal: Journal, why: JournalError) -> None:
        aside = await journal.set_aside(self._clock.now())
        if aside is not None:
            self._observer.journal_replaced({"reason": str(why), "file": aside.path, "removed": list(aside.gone)})

    async def _replace(self, journal: Journal, damage: JournalDamaged) -> None:
        self._keeper.fail(damage)
        self._past.close()
        self._opened = False
        await self._keeper.idle()
        await self._set_aside(journal, damage)
        forsake(self._log)
        # The new file has none of their states.
        self._keeper.note([*self._log.projects.values()])
        self._keeper.position = None
        self._trouble.damage = None

    async def _join(self, journal: Journal) -> None:
        recovered = await journal.open(self._name, window=WINDOW)
        try:
            stranger = recovered.position is not None and not self._knows(recovered.position)
        except JournalError:
            await journal.close()
            raise
        if stranger:
            await self._set_aside(journal, JournalError("it ends in the middle of what this relay has read otherwise"))
            recovered = await journal.open(self._name, window=WINDOW)
        self._has_opened()
        log = self._log
        if recovered.floor is not None:
            log.raise_floor(None, recovered.floor)
        for project_id, floor in recovered.floors.items():
            log.raise_floor(project_id, floor)
        log.shelved |= recovered.projects
        if recovered.position is not None:
            self._keeper.reached(recovered.position)
        for project_id in recovered.projects & log.projects.keys():
            log.projects[project_id].partial = True
            log.projects[project_id].timeline.begin_above(log.settled)
        self._past.reopen()

    def _knows(self, position: Position) -> bool:
        """Tell whether the log went on behind a position; raises JournalError while it has not come so far."""
        log = self._log
        if log.head is None or (position.epoch == log.epoch and position.offset > log.head.offset):
            raise JournalError(
                f"it holds the log up to offset {position.offset}, and is joined once this relay has read so far"
            )
        if position.epoch != log.epoch:
            return False
        below = log.floor is not None and log.end_of(position.offset) < log.floor.place
        return below or log.marks.get(position.offset) == position.fingerprint
