"""A clock that a test moves, a loop that lives by it, and somebody who remembers what happened."""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any

from relayd.ports import Rejected
from relayd.protocol.disconnect import Disconnect

__all__ = ["FakeClock", "HandLoop", "RecordingObserver", "settle"]

TURNS = 100
"""More than any chain of tasks in the relay needs until all of them wait."""


LATE = 1e-6
"""Seconds."""


class FakeClock:
    """All clocks; they stand still until the test moves them, or a loop that lives by them has nothing else to do."""

    def __init__(self, *, now: float = 1_700_000_000.0, monotonic: float = 1_000.0) -> None:
        self.time = now
        self.ticks = monotonic

    def now(self) -> float:
        """Return Unix seconds."""
        return self.time

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self.ticks

    def spent(self) -> float:
        """Return the seconds that passed: whoever lets time pass here has worked all the while."""
        return self.ticks

    def advance(self, seconds: float) -> None:
        """Let time pass on all."""
        self.time += seconds
        self.ticks += seconds


class HandSelector(selectors.DefaultSelector):
    """Waits for sockets as ever; where it would only wait for time, time passes at once."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; raises RuntimeError where nothing could ever become so."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits for what nobody will do: no timer is set, no socket is ready")
        # A little late, as real loops are; never early, where a timer could be set anew for ever.
        self._clock.advance(timeout + LATE)
        return ready


class HandLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers follow a `FakeClock`, so that an hour's wait takes no time and comes in order."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        super().__init__(HandSelector(self.clock))

    def time(self) -> float:
        """Return the clock's seconds."""
        return self.clock.monotonic()


async def settle(turns: int = TURNS) -> None:
    """Give the loop so many turns, and no time: whoever can go on goes on until it waits."""
    for _ in range(turns):
        await asyncio.sleep(0)


class RecordingObserver:
    """Remembers all it is told as (verb, what), in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def of(self, verb: str) -> list[Any]:
        """Return what was told with a verb, the oldest first."""
        return [what for name, what in self.told if name == verb]

    def ingested(self, counts: Mapping[str, int], nbytes: int) -> None:
        """Remember it."""
        self.told.append(("ingested", (dict(counts), nbytes)))

    def repeated(self, count: int) -> None:
        """Remember it."""
        self.told.append(("repeated", count))

    def redacted(self, counts: Mapping[str, int]) -> None:
        """Remember it."""
        self.told.append(("redacted", dict(counts)))

    def rejected(self, item: Rejected) -> None:
        """Remember it."""
        self.told.append(("rejected", item))

    def flushed(self, transport: str, *, viewers: int, events: int, nbytes: int, oldest_age: float) -> None:
        """Remember it."""
        self.told.append(("flushed", (transport, viewers, events, nbytes, oldest_age)))

    def replayed(self, transport: str, *, events: int, nbytes: int) -> None:
        """Remember it."""
        self.told.append(("replayed", (transport, events, nbytes)))

    def fell_behind(self, transport: str) -> None:
        """Remember it."""
        self.told.append(("fell_behind", transport))

    def admitted(self, transport: str, seconds: float) -> None:
        """Remember it."""
        self.told.append(("admitted", (transport, seconds)))

    def refused(self, transport: str, disconnect: Disconnect, reason: str) -> None:
        """Remember it."""
        self.told.append(("refused", (transport, disconnect, reason)))

    def disconnected(self, summary: Mapping[str, Any], disconnect: Disconnect) -> None:
        """Remember it."""
        self.told.append(("disconnected", (dict(summary), disconnect)))

    def rights_asked(self, outcome: str, seconds: float) -> None:
        """Remember it."""
        self.told.append(("rights_asked", (outcome, seconds)))

    def withdrawn(self, transport: str, disconnect: Disconnect) -> None:
        """Remember it."""
        self.told.append(("withdrawn", (transport, disconnect)))

    def gapped(self, cause: str) -> None:
        """Remember it."""
        self.told.append(("gapped", cause))

    def broke(self, cause: str) -> None:
        """Remember it."""
        self.told.append(("broke", cause))

    def attached(self, detail: str) -> None:
        """Remember it."""
        self.told.append(("attached", detail))

    def detached(self, cause: str, detail: str) -> None:
        """Remember it."""
        self.told.append(("detached", (cause, detail)))

    def canary_returned(self, seconds: float) -> None:
        """Remember it."""
        self.told.append(("canary_returned", seconds))

    def canary_missed(self, cause: str, detail: str) -> None:
        """Remember it."""
        self.told.append(("canary_missed", (cause, detail)))

    def committed(self, *, events: int, seconds: float) -> None:
        """Remember it."""
        self.told.append(("committed", (events, seconds)))

    def journal_failed(self, error: Exception) -> None:
        """Remember it."""
        self.told.append(("journal_failed", error))

    def journal_attached(self, seconds: float) -> None:
        """Remember it."""
        self.told.append(("journal_attached", seconds))

    def journal_replaced(self, fields: Mapping[str, Any]) -> None:
        """Remember it."""
        self.told.append(("journal_replaced", dict(fields)))

    def purged(self, fields: Mapping[str, Any], *, events: int) -> None:
        """Remember it."""
        self.told.append(("purged", (dict(fields), events)))

    def crossed(self, reason: str, fields: Mapping[str, Any]) -> None:
        """Remember it."""
        self.told.append(("crossed", (reason, dict(fields))))

    def noticed(self, event: str, fields: Mapping[str, Any]) -> None:
        """Remember it."""
        self.told.append(("noticed", (event, dict(fields))))

    def failed(self, what: str, error: BaseException) -> str:
        """Remember it, and return an incident that says which it was."""
        self.told.append(("failed", (what, error)))
        return f"incident-{len(self.of('failed'))}"
