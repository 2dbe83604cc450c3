"""
Whether a subscription stands still: connected, and nothing comes though the log goes on.

Nothing else tells that from a quiet night.  So the end of the log is looked at now and then, beside the subscription,
and what is known to be there has to come.

Law 1: only what the log is known to hold counts against a subscription.  Whatever arrives ends the doubt, however
little: catching up slowly is no standing still.
Law 2: while something that arrived waits for this relay, the broker may be waiting for an acknowledgement: a slow
journal or a full intake is never blamed on the subscription.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiormq.abc import AbstractConnection

from relayd.rabbitmq.connection import Lost, Stalled, telling_lost
from relayd.rabbitmq.health import Health
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.subscription import edge

__all__ = ["Watchdog"]

EMPTY_SECONDS = 1.0
"""How long the end of a log may take to show before it counts as empty; here an error costs no event."""


class Watchdog:
    """
    Looks at the end of the log, and says when a subscription gets nothing of what is there.

    `monotonic` gives seconds; `arrived` the offset of the newest delivery, or of the position it is read from; `busy`
    tells whether something that arrived is not processed yet.
    """

    def __init__(
        self,
        settings: RabbitSettings,
        health: Health,
        *,
        monotonic: Callable[[], float],
        arrived: Callable[[], int | None],
        busy: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._health = health
        self._monotonic = monotonic
        self._arrived = arrived
        self._busy = busy
        self._past: int | None = None
        """Where the log ended when nothing of it was to be read: all of it was older than the warm-up."""
        self._since: float | None = None
        """When the log was first known to hold more than had arrived by then, which was …"""
        self._before: int | None = None
        self._news = asyncio.Event()
        self._watching = False
        self._askers: list[asyncio.Future[int | None]] = []

    async def newest(self) -> int | None:
        """Return the newest offset in the log, looked for from now on, -1 if it is empty; None if it can't be told."""
        if not self._watching:
            return None
        # Those who ask at once share a look: a thousand viewers behind a restart must not read the log's end each.
        asker: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._askers.append(asker)
        self._news.set()
        return await asker

    async def watch(self, connection: AbstractConnection) -> Lost:
        """Learn where the log ends, at once and every now and then, until the subscription stands still; say how."""
        self._since = None
        self._watching = True
        try:
            while True:
                pause = await self._look(connection)
                if (seconds := self._doubted()) >= self._settings.stalled_seconds:
                    queue, known = self._settings.queue, self._known()
                    behind = "" if known is None else f" behind offset {known}"
                    return Stalled(f"{queue} goes on{behind}, and nothing came for {seconds:.0f} s")
                await self._rest(pause)
        finally:
            self._watching = False
            self._answer(self._askers, None)

    def suspect(self) -> None:
        """Take note that by now the log holds more than arrived."""
        self._heed_arrivals()
        if self._since is None:
            self._since, self._before = self._monotonic(), self._arrived()
        self._news.set()

    async def _look(self, connection: AbstractConnection) -> float:
        """Look once, and return how long the next look may wait."""
        # Only those who asked before it: what comes into the log meanwhile may not be seen any more.
        askers, self._askers = self._askers, []
        newest: int | None = None
        try:
            with telling_lost():
                end = await edge(connection, self._settings, "last", patience=EMPTY_SECONDS)
        except Stalled:
            self.suspect()
        except Lost:
            # No answer proves nothing, and ends no doubt.
            pass
        else:
            if end is None and self._arrived() is not None:
                # There is something in it, so that was no answer.
                return EMPTY_SECONDS
            await self._learn(end)
            newest = -1 if end is None else end
        finally:
            self._answer(askers, newest)
        return self._settings.head_seconds

    @staticmethod
    def _answer(askers: list[asyncio.Future[int | None]], newest: int | None) -> None:
        for asker in askers:
            if not asker.done():
                asker.set_result(newest)

    async def _learn(self, end: int | None) -> None:
        if self._past is not None and (end is None or end < self._past):
            # Another log stands there now.
            self._past = None
        if end is not None and self._known() is None:
            # All there is may be older than the warm-up; the broker does not say so, it is silent.
            await asyncio.sleep(self._settings.silence_seconds)
            if self._known() is None:
                self._past = end
        # Who has read nothing because all of it is older is level with it, look after look.
        self._health.looked(None if end == self._past and self._arrived() is None else end)
        known = self._known()
        if end is not None and known is not None and end > known:
            self.suspect()
        else:
            self._since = None

    def _known(self) -> int | None:
        arrived = self._arrived()
        return self._past if arrived is None else arrived

    def _doubted(self) -> float:
        """Return for how many seconds nothing came though there was more, and nothing here held it back."""
        self._heed_arrivals()
        if self._since is None:
            return 0.0
        now = self._monotonic()
        if self._busy():
            self._since = now
        return now - self._since

    def _heed_arrivals(self) -> None:
        if self._before != self._arrived():
            self._since = None

    async def _rest(self, pause: float) -> None:
        """Return when it is time for the next look: after the pause, or when a doubt is old enough to be settled."""
        wake_at = self._monotonic() + pause
        while True:
            self._news.clear()
            left = wake_at - self._monotonic()
            doubted = self._doubted()
            if self._since is not None:
                left = min(left, self._settings.stalled_seconds - doubted)
            if left <= 0 or self._askers:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
