"""
Events are removed for good: their places stay, and nobody is told of them any more.

Rule 1: first memory, in one step; then the purge is noted where it outlives the journal; then the journal is emptied.
Whatever breaks in between, it can be done again, and what is noted is done at the next start.
Rule 2: what a purge does to memory stands between two awaits.  A viewer that joined in the middle would keep an index
that means another event.
"""

import asyncio
from collections.abc import Callable, Sequence

from msgspec import Struct

from relayd.core.channel import moved
from relayd.core.purges import Purge, Purges
from relayd.core.purging import anew, scrub
from relayd.core.timeline import Entry
from relayd.ports import Doomed, Journal, JournalError, PurgeBook
from relayd.protocol import codec
from relayd.protocol.cursor import Cursor, Place, decode
from relayd.relay.engine import Engine
from relayd.relay.keeper import Keeper
from relayd.relay.remnants import doomed_by, purge_again
from relayd.relay.subscription import Watched

__all__ = ["MOST", "NotThere", "Purging", "Removed", "TooMany"]

MOST = 10_000
"""So many purges are remembered."""

TRUNCATED = 0xFFFF + 1
"""The item of a floor that says: retention of the stream has dropped everything up to this body."""


class NotThere(Exception):
    """There is nothing of that name, or not any more; the message is a sentence."""


class TooMany(Exception):
    """No more purges can be remembered; the message says what helps."""


class Removed(Struct, frozen=True, kw_only=True):
    """What became of a purge."""

    events: int
    """Places that were emptied, and events that could not be understood."""
    lasting: bool
    """It is remembered when the relay is started again."""
    left: Sequence[str]
    """Files that were moved aside as damaged and may still hold it."""


class Purging:
    """Removes one event, or all of a project up to now; one purge at a time."""

    def __init__(self, engine: Engine, keeper: Keeper, book: PurgeBook) -> None:
        """Remove from the log of an engine, and note it in a book."""
        self._engine = engine
        self._log = engine.log
        self._keeper = keeper
        self._book = book
        self._turn = asyncio.Lock()

    @property
    def replays(self) -> bool:
        """The log can be read again, so it still holds what is removed here."""
        return self._engine.source.replays

    async def begin(self, noted: Sequence[Purge]) -> None:
        """Take over what was noted, as far as it is of the log that is there; raises JournalError."""
        position, replays = self._keeper.position, self.replays
        end = None if replays else -1 if position is None else position.offset
        self._log.purges = Purges(noted).of_log(self._log.epoch, known=position is not None, end=end)
        if list(self._log.purges.all()) != list(noted):
            await self._book.write(self._engine.source.log, self._log.purges.all())
        journal = self._engine.past.journal
        if journal is None or self._log.loose or self._log.blind:
            return
        try:
            await purge_again(self._log, journal)
        except JournalError as error:
            if not replays:
                raise
            self._keeper.fail(error)

    async def project(self, project_id: str) -> Removed:
        """Remove all of a project up to now; raises NotThere, TooMany, JournalError."""
        async with self._turn:
            project = await self._open(project_id)
            known = self._log.purges.of(project_id)
            if project.place is None:
                self._log.forget_empty(project_id)
                if known is None:
                    raise NotThere(f"there is no project {project_id!r}")
                return await self._finish([known], {}, lambda _: None)
            # A log that was made anew and is empty still has what the old one said.
            end = -1 if self._log.head is None else self._log.head.offset
            purge = Purge(
                epoch=self._log.epoch,
                offset=end,
                item=None,
                fingerprint=self._log.marks.get(end) or b"",
                project_id=project_id,
                owner=project.state.owner,
                team=project.state.team,
            )
            return await self._finish([purge], {project_id: project}, self._begin_anew)

    def _begin_anew(self, project: Watched) -> None:
        project.state = anew(project.state)
        # How fast it uses what it uses would count for minutes what has been removed.
        project.burn = None
        # Nothing older is left, so nobody needs to ask the journal.
        project.timeline.bottom = None
        self._engine.fanout.give_up(project, "purged")
        for member in project.channel.behind:
            member.gap = "purged"

    async def event(self, text: str) -> Removed:
        """Remove what came of the raw event at a cursor; raises BadCursorError, NotThere, TooMany, JournalError."""
        cursor = decode(text)
        async with self._turn:
            if cursor.log != self._log.identity:
                raise NotThere("this cursor is of another log")
            entries, epochs = await self._find(cursor)
            said = {one.cursor: (codec.decode_event(one.payload).project_id, one) for one in entries}
            before = self._log.purges.at(cursor.offset, cursor.item, cursor.fingerprint)
            projects = {name: await self._open(name) for name in sorted({name for name, _ in said.values()})}
            purges = [
                Purge(
                    epoch=epoch,
                    offset=cursor.offset,
                    item=cursor.item,
                    fingerprint=cursor.fingerprint,
                    project_id=name,
                )
                for epoch in sorted(epochs)
                for name in projects or (None,)
            ]
            if not purges and not before:
                raise NotThere("there is no event at this cursor, or not any more")

            def take_back(project: Watched) -> None:
                scrub(project.state, [one for name, one in said.values() if name == project.id])

            # Done once already, it must not be counted again.
            fresh = [one for one in purges if one not in before]
            return await self._finish([*fresh, *before], projects, take_back if fresh else lambda _: None)

    async def _open(self, project_id: str) -> Watched:
        project = await self._engine.past.open(project_id)
        if project.partial:
            raise JournalError(f"the journal was away, and what {project_id!r} is can't be told yet; do it again later")
        return project

    async def _find(self, cursor: Cursor) -> tuple[list[Entry], set[int]]:
        """Return the entries of a raw event, and the epochs in which it stands."""
        journal, log = self._journal(), self._log
        # Memory and journal may still hold what a log said that was made anew since.
        spans = [span_of(epoch, cursor) for epoch in range(log.epoch + 1)]
        held = [one for project in log.projects.values() for span in spans for one in project.timeline.between(*span)]
        rejected: set[int] = set()
        if journal is not None:
            found = await journal.find(cursor.offset, cursor.item)
            known = {one.cursor for one in held}
            held += [one for one in found.entries if one.cursor not in known]
            rejected = {
                one.place.epoch for one in found.rejected if decode(one.cursor).fingerprint == cursor.fingerprint
            }
        entries = [one for one in held if decode(one.cursor).fingerprint == cursor.fingerprint]
        return entries, rejected | {one.place.epoch for one in entries}

    def _journal(self) -> Journal | None:
        """Return the journal, None where there is none; raises JournalError while it is away."""
        if self._log.blind or (self._engine.past.journal is not None and self._log.loose):
            raise JournalError("the journal is away: do it again when /readyz is content")
        return self._engine.past.journal

    async def _finish(
        self, purges: Sequence[Purge], projects: dict[str, Watched], change: Callable[[Watched], None]
    ) -> Removed:
        remembered = self._remember(purges)
        journal, doomed = self._journal(), [doomed_by(one) for one in purges]
        # No await from here to the next: memory is changed in one step.
        self._log.purges = remembered
        held = 0
        for project in projects.values():
            held += sum(self._remove(project, one.after, one.before) for one in purges)
            change(project)
            project.dirty = True
        unwritten = sum(map(self._keeper.purge, doomed))
        self._engine.copies.forget()
        await self._book.write(self._engine.source.log, remembered.all())
        left: Sequence[str] = ()
        if journal is not None:
            # What is being written now was made before that step, and is there afterwards.
            await self._keeper.idle()
            written, left = await emptied(journal, doomed)
            held = max(held, unwritten + written)
            # A state that was written meanwhile may have been taken back twice.
            there = [one for one in projects.values() if self._log.projects.get(one.id) is one]
            for project in there:
                project.dirty = True
            self._keeper.note(there)
        self._engine.observer.purged(
            {"projects": sorted({one.project_id or "" for one in purges}), "whole": purges[0].item is None},
            events=held,
        )
        return Removed(events=held, lasting=self._book.lasting, left=left)

    def _remember(self, purges: Sequence[Purge]) -> Purges:
        """Return what is to be remembered from now on; raises TooMany."""
        log = self._log
        kept = log.purges.of_log(log.epoch, known=True, end=None)
        if log.floor is not None and log.floor.place.item == TRUNCATED:
            kept = kept.behind(log.floor.place)
        for one in purges:
            kept.add(one)
        if len(kept) > MOST:
            raise TooMany(
                f"{MOST:,} purges are remembered, and no more can be: purge whole projects in place of events"
            )
        return kept

    def _remove(self, project: Watched, after: Place, before: Place) -> int:
        """Take events out of memory and return how many there were; readers keep their places."""
        first, gone = project.timeline.remove(after, before)
        self._log.nbytes -= sum(len(one.payload) for one in gone)
        project.channel.move_up(first, len(gone))
        for member in (*project.channel.alone, *project.channel.behind):
            if member.index is not None:
                member.index = moved(member.index, first, len(gone))
        return len(gone)


async def emptied(journal: Journal, doomed: Sequence[Doomed]) -> tuple[int, Sequence[str]]:
    """Return how many events a journal holds no more, and which files may still; raises JournalError."""
    try:
        return await journal.purge(doomed), await journal.scour()
    except JournalError as error:
        raise type(error)(
            f"nobody is told of it any more, but the journal still holds it; do it again: {error}"
        ) from error


def span_of(epoch: int, cursor: Cursor) -> tuple[Place, Place]:
    """Return the places strictly between which a raw event stands."""
    return Place(epoch, cursor.offset, cursor.item, -1), Place(epoch, cursor.offset, cursor.item + 1, -1)
