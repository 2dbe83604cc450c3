"""What is wrong with the journal just now: what `/readyz` says of it, and who waits to mend it."""

import asyncio

from relayd.ports import Clock, JournalDamaged, JournalError, Observer

__all__ = ["Trouble"]


class Trouble:
    """One trouble at a time; a later one of the same time takes the place of the earlier."""

    def __init__(self, observer: Observer, clock: Clock) -> None:
        """Begin without."""
        self._observer = observer
        self._clock = clock
        self._began = clock.monotonic()
        self._news = asyncio.Event()
        self.sentence = ""
        """For `/readyz`; empty while all is well."""
        self.damage: JournalDamaged | None = None
        """What was found, until its file is moved away."""

    def tell(self, error: JournalError, sentence: str) -> None:
        """Take note that the journal could not do what it was asked, and of what that means."""
        self._observer.journal_failed(error)
        if not self.sentence:
            self._began = self._clock.monotonic()
        self.sentence = sentence
        self._news.set()

    def found(self, damage: JournalDamaged) -> None:
        """Take note that the file can't be trusted; whoever found it has told."""
        self.damage = damage
        self._news.set()

    def over(self) -> None:
        """Take note that all is well again."""
        if self.sentence:
            self._observer.journal_attached(self._clock.monotonic() - self._began)
        self.sentence = ""
        if self.damage is None:
            self._news.clear()

    async def wait(self) -> None:
        """Return when there is something to mend."""
        await self._news.wait()
