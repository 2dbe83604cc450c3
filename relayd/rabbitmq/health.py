"""How the stream is read just now, in values for the relay and a sentence for an operator."""

from collections.abc import Callable

from relayd.ports import SourceState
from relayd.rabbitmq.connection import Missing, Stalled
from relayd.rabbitmq.settings import RabbitSettings

__all__ = ["Health"]


class Health:
    """Is told what happens to the reading; `monotonic` gives seconds."""

    def __init__(self, settings: RabbitSettings, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._began = monotonic()
        self._since = self._began
        self._trouble: str | None = "not started"
        self._tried = False
        self._missing_since: float | None = None
        self.stalled = False
        """The queue handed out nothing though it held more, and nothing came since."""
        self._delivered_at: float | None = None
        self._delivered_over: dict[str, float] = {}
        self._caught_up = False
        self._end: int | None = None
        self._read: int | None = None
        self._head: int | None = None

    def begin(self) -> None:
        """A reader came."""
        self._began = self._since = self._monotonic()
        self._trouble = f"connecting to RabbitMQ at {self._settings.address}"
        self._missing_since = None
        self._tried = False

    @property
    def catching_up(self) -> bool:
        """What is read stood in the log when the subscription began, as far as is known."""
        return self._trouble is None and not self._caught_up

    @property
    def caught_up(self) -> bool:
        """All was read that stood in the log when the subscription began."""
        return self._trouble is None and self._caught_up

    def age(self) -> float:
        """Return the seconds since the reader came."""
        return self._monotonic() - self._began

    def connected(self, offset: int | None) -> None:
        """A subscription goes on behind this offset."""
        self._trouble = None
        self._missing_since = None
        self._caught_up = False
        self._end = None
        self._read = offset

    def looked(self, end: int | None) -> None:
        """The log ended there; None if there is nothing to read."""
        self._head = end if self._head is None else max(self._head, end or 0)
        if end is None:
            self._caught_up = True
        elif self._end is None:
            # The end at the time of connecting is what there is to catch up with; the log grows on meanwhile.
            self._end = end
            self._caught_up = self._caught_up or (self._read is not None and self._read >= end)
        if self._caught_up:
            self.stalled = False

    def handed_on(self, offset: int, at: float) -> None:
        """Everything up to there was handed on; the last of it came `at` that Unix time."""
        self._read = offset
        self._delivered_at = at
        self.stalled = False
        if self._end is not None and offset >= self._end:
            self._caught_up = True

    def came_over(self, exchange: str, at: float) -> None:
        """Something came over a further exchange at that Unix time."""
        self._delivered_over[exchange] = at

    def broke(self) -> None:
        """The log is another one now, or has a hole."""
        self._read = self._head = None

    def lost(self, cause: Exception) -> None:
        """The subscription ended, or none came about."""
        now = self._monotonic()
        if self._trouble is None:
            self._since = now
        self._trouble = str(cause)
        self._tried = True
        self._caught_up = False
        self.stalled = self.stalled or isinstance(cause, Stalled)
        if isinstance(cause, Missing):
            self._missing_since = now if self._missing_since is None else self._missing_since
        else:
            self._missing_since = None

    def ended(self) -> None:
        """The reader is gone."""
        self._trouble = "stopped"
        self._tried = False

    def state(self) -> SourceState:
        """Return it in words and values."""
        connected = self._trouble is None
        head = self._head if self._read is None else max(self._head or 0, self._read)
        return SourceState(
            connected=connected,
            caught_up=self.caught_up,
            detail=self._reading(head) if connected else self._failing(),
            head_offset=head,
            stalled=self.stalled,
            delivered_at=self._delivered_at,
            delivered_over=dict(self._delivered_over),
        )

    def _reading(self, head: int | None) -> str:
        queue, read = self._settings.queue, self._read
        if self.stalled:
            return f"subscribed to {queue} again, which handed out nothing though it held more; nothing came yet"
        if self._caught_up:
            return f"reading {queue} as it comes" + ("" if read is None else f", last offset {read}")
        if read is None:
            return f"reading {queue}, nothing came yet"
        if head is None or self._end is None:
            return f"reading {queue} at offset {read}"
        return f"catching up in {queue}: offset {read} of {head}"

    def _failing(self) -> str:
        if not self._tried:
            return str(self._trouble)
        where = f"RabbitMQ at {self._settings.address}"
        seconds = int(self._monotonic() - self._since)
        if self._missing_since is None:
            return f"{where}: {self._trouble}; trying again, without events since {seconds} s"
        queue = f"the queue {self._settings.queue} in vhost {self._settings.vhost}"
        if self._monotonic() - self._missing_since < self._settings.recreate_window_seconds:
            return f"{where}: {queue} is not there yet ({self._trouble}); a broker that starts says so for a while"
        return (
            f"{where}: {queue} is missing since {int(self._monotonic() - self._missing_since)} s ({self._trouble}); "
            f"restore it, or make a new one with `relayd rabbitmq setup`: a relay never does, it would hide a loss"
        )
