"""The clocks, and somebody who is told what happened."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from relayd.ports.journal import Rejected
from relayd.protocol.disconnect import Disconnect

__all__ = ["Clock", "Closing", "Observer", "Reporting", "Troubled"]


class Clock(Protocol):
    """The three clocks: `now` for people (Unix seconds), `monotonic` for intervals, `spent` for work."""

    def now(self) -> float:
        """Return Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def spent(self) -> float:
        """Return the seconds of CPU that this thread has used: what neighbours use makes no load of ours."""
        ...


class Observer(Protocol):
    """Is told, in the past tense; metrics and logs are its business."""

    def ingested(self, counts: Mapping[str, int], nbytes: int) -> None:
        """Messages by type were recorded."""
        ...

    def repeated(self, count: int) -> None:
        """Events were recognised as repeats."""
        ...

    def rejected(self, item: Rejected) -> None:
        """An event could not be understood."""
        ...

    def redacted(self, counts: Mapping[str, int]) -> None:
        """Secrets in events were hidden, so many by rule."""
        ...

    def flushed(self, transport: str, *, viewers: int, events: int, nbytes: int, oldest_age: float) -> None:
        """A group was served: `events` to each of `viewers`, `nbytes` each; the oldest waited `oldest_age` seconds."""
        ...

    def replayed(self, transport: str, *, events: int, nbytes: int) -> None:
        """A viewer that was behind was sent a part of the past."""
        ...

    def fell_behind(self, transport: str) -> None:
        """A viewer took more slowly than was written, and will be caught up."""
        ...

    def admitted(self, transport: str, seconds: float) -> None:
        """A viewer came in."""
        ...

    def refused(self, transport: str, disconnect: Disconnect, reason: str) -> None:
        """Somebody was not let in; `reason` is a closed label."""
        ...

    def disconnected(self, summary: Mapping[str, Any], disconnect: Disconnect) -> None:
        """A connection ended; `summary` is its one canonical log line."""
        ...

    def rights_asked(self, outcome: str, seconds: float) -> None:
        """An authorizer asked somebody else, or could not; `outcome` is a closed label."""
        ...

    def withdrawn(self, transport: str, disconnect: Disconnect) -> None:
        """A project was taken from a viewer that had it: it may not see it any more, or nobody can tell."""
        ...

    def gapped(self, cause: str) -> None:
        """A viewer was told that its past is not whole; `cause` is a closed label."""
        ...

    def broke(self, cause: str) -> None:
        """The log did not go on where it was left."""
        ...

    def attached(self, detail: str) -> None:
        """The source's log is read from now on; `detail` is its sentence."""
        ...

    def detached(self, cause: str, detail: str) -> None:
        """The source's log is not read any more and will be tried again; `cause` is a closed label."""
        ...

    def canary_returned(self, seconds: float) -> None:
        """What a source published to see it come back came back, after so long."""
        ...

    def canary_missed(self, cause: str, detail: str) -> None:
        """It could not be published, or is not back in time; `cause` is a closed label."""
        ...

    def committed(self, *, events: int, seconds: float) -> None:
        """A transaction of the journal was written."""
        ...

    def journal_failed(self, error: Exception) -> None:
        """The journal could not do what it was asked."""
        ...

    def journal_attached(self, seconds: float) -> None:
        """The journal is written and read again, after so many seconds."""
        ...

    def journal_replaced(self, fields: Mapping[str, Any]) -> None:
        """A damaged file was moved aside, and a new one is begun."""
        ...

    def purged(self, fields: Mapping[str, Any], *, events: int) -> None:
        """Events were removed for good; `fields` say whose and how, and nothing of what they said."""
        ...

    def crossed(self, reason: str, fields: Mapping[str, Any]) -> None:
        """A project has used so many percent of its budget; `reason` is a closed label, `fields` say whose and how."""
        ...

    def noticed(self, event: str, fields: Mapping[str, Any]) -> None:
        """Something worth a log line happened."""
        ...

    def failed(self, what: str, error: BaseException) -> str:
        """Something of ours broke; return the incident id under which the log holds it."""
        ...


@runtime_checkable
class Reporting(Protocol):
    """Somebody with more to tell than how it is; asked for before it begins."""

    def report_to(self, observer: Observer) -> None:
        """Tell this observer from now on."""
        ...


@runtime_checkable
class Closing(Protocol):
    """Somebody who holds something open; told when nobody will ask any more."""

    async def close(self) -> None:
        """Let go of it, within a bounded time; raises nothing."""
        ...


@runtime_checkable
class Troubled(Protocol):
    """Somebody who knows of trouble that is no reason to send viewers to another relay."""

    @property
    def trouble(self) -> str:
        """What is amiss, as a sentence for an operator; empty while nothing is."""
        ...
