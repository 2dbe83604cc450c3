"""
Whether this relay lives, and whether it should be given viewers.

Law: readiness never decides over life.  A broker that is away makes a relay not ready; restarting it would only
send its viewers away.
"""

from collections import Counter, deque
from collections.abc import Callable

from relayd.ports import Clock

__all__ = ["Health"]

FAILURES = 5
"""This many task failures within the window make a relay not ready: it restarts its parts and gets nowhere."""

WINDOW = 60.0
"""Seconds."""

MAX_LAG = 5.0
"""Seconds of event loop lag from which on the relay counts as stuck."""


class Health:
    """Named checks, task restarts and event loop lag behind `/readyz` and `/livez`."""

    def __init__(self, clock: Clock, *, lag: Callable[[], float], max_lag: float = MAX_LAG) -> None:
        self._clock = clock
        self._lag = lag
        self._max_lag = max_lag
        self._checks: dict[str, Callable[[], str | None]] = {}
        self._notes: dict[str, Callable[[], str]] = {}
        self._restarts: Counter[str] = Counter()
        self._recent: deque[tuple[float, str]] = deque(maxlen=FAILURES)

    def add(self, name: str, check: Callable[[], str | None]) -> None:
        """Register a readiness check, which returns None or a sentence; raises ValueError for a name twice."""
        if name in self._checks:
            raise ValueError(f"there is a check called {name} already")
        self._checks[name] = check

    def note(self, name: str, say: Callable[[], str]) -> None:
        """Register somebody who knows of what is amiss and keeps no viewer away: a sentence, or nothing."""
        self._notes[name] = say

    def notes(self) -> dict[str, str]:
        """Return what is amiss although viewers should come."""
        return {name: sentence for name, say in self._notes.items() if (sentence := say())}

    def restarted(self, task: str) -> None:
        """Take note that a supervised task failed and begins anew."""
        self._restarts[task] += 1
        self._recent.append((self._clock.monotonic(), task))

    def ready(self) -> tuple[bool, dict[str, str]]:
        """Return whether viewers should come, and for each check that says no its sentence."""
        answers = {name: check() for name, check in self._checks.items()}
        reasons = {name: sentence for name, sentence in answers.items() if sentence is not None}
        since = self._clock.monotonic() - WINDOW
        if len(self._recent) == FAILURES and self._recent[0][0] > since:
            tasks = ", ".join(sorted({task for _, task in self._recent}))
            reasons["tasks"] = (
                f"{FAILURES} failures within {WINDOW:.0f} s, in: {tasks}; the log has an incident for each"
            )
        return not reasons, reasons

    def live(self) -> tuple[bool, dict[str, object]]:
        """Return whether the event loop keeps up, with `loop_lag_seconds` and `task_restarts` (by task)."""
        lag = self._lag()
        return lag <= self._max_lag, {"loop_lag_seconds": round(lag, 6), "task_restarts": dict(self._restarts)}
