"""
The one who is told: turns past-tense verbs into metrics and log lines.

Law: nothing per message above debug.  A flood of events, of strangers or of poison must not become a flood of lines;
the counters tell how many, the log tells once what it was.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from structlog.stdlib import BoundLogger

from relayd.ports import Rejected
from relayd.protocol.disconnect import Disconnect
from relayd.telemetry import catalogue, events, labels
from relayd.telemetry.events import EVENTS_PURGED
from relayd.telemetry.metrics import Metrics

__all__ = ["TelemetryObserver"]

INCIDENT_BYTES = 4
"""Enough to find one line in a log, short enough to be read out on the telephone."""

REFUSED_FOR_RIGHTS = frozenset({Disconnect.AUTH_FAILED, Disconnect.TOKEN_EXPIRED, Disconnect.FORBIDDEN})
LEVELS = frozenset({"debug", "info", "warning", "error"})
RESERVED = frozenset({"event", "level", "logger", "timestamp", "exc_info", "exception", "incident", "self", "stack"})


class TelemetryObserver:
    """
    A `ports.Observer` that counts and logs.

    `out_of_memory` is called behind the line about a fault that memory was short for: it could have struck between any
    two steps, so nobody may go on from there.
    """

    def __init__(self, metrics: Metrics, log: BoundLogger, *, out_of_memory: Callable[[], None] | None = None) -> None:
        self._metrics = metrics
        self._log = log
        self._out_of_memory = out_of_memory
        self._reasons_told: set[str] = set()
        self._missed: str | None = None
        """Why canaries are missing, as long as they are."""
        self._journal_told = ""

    def ingested(self, counts: Mapping[str, int], nbytes: int) -> None:
        """Count messages by type, and the bytes they came in."""
        for kind, count in counts.items():
            self._metrics.add(catalogue.BROKER_MESSAGES, count, kind)
        self._metrics.add(catalogue.BROKER_BYTES, nbytes)

    def repeated(self, count: int) -> None:
        """Count repeats."""
        self._metrics.add(catalogue.DEDUPLICATED, count)

    def rejected(self, item: Rejected) -> None:
        """Count it; the first of each reason is a warning, what follows stands in /rejected and in debug lines."""
        self._metrics.add(catalogue.REJECTED, 1, item.reason)
        reason = item.reason if item.reason in labels.REASONS else labels.OTHER
        told = reason in self._reasons_told
        self._reasons_told.add(reason)
        tell = self._log.debug if told else self._log.warning
        tell(events.EVENT_REJECTED, reason=item.reason, detail=item.detail, cursor=item.cursor)

    def redacted(self, counts: Mapping[str, int]) -> None:
        """Count secrets that were hidden, by rule."""
        for rule, count in counts.items():
            self._metrics.add(catalogue.REDACTIONS, count, rule)

    def flushed(self, transport: str, *, viewers: int, events: int, nbytes: int, oldest_age: float) -> None:
        """Count deliveries and bytes over all viewers; one latency observation for the group."""
        self._metrics.add(catalogue.DELIVERIES, viewers * events, transport)
        self._metrics.add(catalogue.DELIVERY_BYTES, viewers * nbytes, transport)
        self._metrics.observe(catalogue.DELIVERY_LATENCY, oldest_age)

    def replayed(self, transport: str, *, events: int, nbytes: int) -> None:
        """Count what was sent of the past."""
        self._metrics.add(catalogue.REPLAY_EVENTS, events, transport)
        self._metrics.add(catalogue.REPLAY_BYTES, nbytes, transport)

    def fell_behind(self, transport: str) -> None:
        """Count it."""
        self._metrics.add(catalogue.FELL_BEHIND, 1, transport)

    def admitted(self, transport: str, seconds: float) -> None:
        """Take the handshake's duration."""
        self._metrics.observe(catalogue.HANDSHAKE_DURATION, seconds, transport)
        self._log.debug(events.VIEWER_ADMITTED, transport=transport, seconds=round(seconds, 6))

    def refused(self, transport: str, disconnect: Disconnect, reason: str) -> None:
        """Count by ending, and by reason where token, rights or a limit were at fault."""
        self._metrics.add(catalogue.CONNECTIONS_REJECTED, 1, disconnect.label)
        # A token that is told to wait has failed, too: an attack must not vanish from the figures as it grows.
        if disconnect in REFUSED_FOR_RIGHTS or reason == "failed_logins":
            self._metrics.add(catalogue.AUTH_FAILURES, 1, reason)
        if reason in labels.LIMITS:
            self._metrics.add(catalogue.LIMITS_MET, 1, reason)
        # Whoever asks too often is named once in a while; to name each time would be its flood in our log.
        tell = self._log.debug if disconnect is Disconnect.RATE_EXCEEDED else self._log.info
        tell(events.CONNECTION_REFUSED, transport=transport, ending=disconnect.label, reason=reason)

    def disconnected(self, summary: Mapping[str, Any], disconnect: Disconnect) -> None:
        """Write the connection's one line."""
        self._metrics.add(catalogue.DISCONNECTS, 1, disconnect.label)
        # The ending goes last: a summary that has an `ending` or a `code` of its own must not raise.
        fields = {**_fields(summary), "ending": disconnect.label, "code": disconnect.code}
        self._log.info(events.CONNECTION_ENDED, **fields)

    def rights_asked(self, outcome: str, seconds: float) -> None:
        """Count by outcome, and take how long it took; why it failed is told by the authorizer, once."""
        self._metrics.add(catalogue.RIGHTS_REQUESTS, 1, outcome)
        self._metrics.observe(catalogue.RIGHTS_SECONDS, seconds)

    def withdrawn(self, transport: str, disconnect: Disconnect) -> None:
        """Count by ending; where the connection ends with it, that has its own line and count."""
        self._metrics.add(catalogue.WITHDRAWN, 1, disconnect.label)
        self._log.info(events.RIGHTS_ENDED, transport=transport, ending=disconnect.label)

    def gapped(self, cause: str) -> None:
        """Count by cause."""
        self._metrics.add(catalogue.GAPS, 1, cause)
        self._log.debug(events.GAP_DECLARED, cause=cause)

    def broke(self, cause: str) -> None:
        """Count a new log, or a hole in it, and warn: cursors from before are answered with a gap."""
        self._metrics.add(catalogue.EPOCH_CHANGES if cause == "recreated" else catalogue.TRUNCATIONS)
        self._log.warning(events.LOG_BROKE, cause=cause)

    def attached(self, detail: str) -> None:
        """Write a line."""
        self._log.info(events.SOURCE_ATTACHED, detail=detail)

    def detached(self, cause: str, detail: str) -> None:
        """Count by cause, and warn."""
        self._metrics.add(catalogue.RECONNECTS, 1, cause)
        self._log.warning(events.SOURCE_DETACHED, cause=cause, detail=detail)

    def canary_returned(self, seconds: float) -> None:
        """Take how long it took; a line is written only when the one before was missing."""
        self._metrics.observe(catalogue.CANARY_ROUNDTRIP, seconds)
        tell = self._log.debug if self._missed is None else self._log.info
        self._missed = None
        tell(events.CANARY_RETURNED, seconds=round(seconds, 6))

    def canary_missed(self, cause: str, detail: str) -> None:
        """Count by cause; of those that are missing one after the other for one cause, the first is a warning."""
        self._metrics.add(catalogue.CANARY_MISSED, 1, cause)
        tell = self._log.debug if self._missed == cause else self._log.warning
        self._missed = cause
        tell(events.CANARY_MISSED, cause=cause, detail=detail)

    def committed(self, *, events: int, seconds: float) -> None:
        """Take the transaction's duration and its events."""
        self._metrics.add(catalogue.JOURNAL_EVENTS, events)
        self._metrics.observe(catalogue.JOURNAL_COMMIT, seconds)

    def journal_failed(self, error: Exception) -> None:
        """Count it, and tell why, once: whoever tries again, or comes again, meets the same."""
        self._metrics.add(catalogue.JOURNAL_ERRORS)
        reason = str(error)
        if reason != self._journal_told:
            self._journal_told = reason
            self._log.error(events.JOURNAL_FAILED, reason=reason, exc_info=error)

    def journal_attached(self, seconds: float) -> None:
        """Tell that it is over."""
        self._journal_told = ""
        self._log.warning(events.JOURNAL_ATTACHED, seconds=round(seconds, 3))

    def journal_replaced(self, fields: Mapping[str, Any]) -> None:
        """Count and tell: an operator will want to know where the old file is."""
        self._metrics.add(catalogue.JOURNAL_REPLACED)
        self._log.error(events.JOURNAL_REPLACED, **_fields(fields))

    def purged(self, fields: Mapping[str, Any], *, events: int) -> None:
        """Count them, and write a line for whoever asks one day why they are not there."""
        self._metrics.add(catalogue.PURGED, events)
        self._log.warning(EVENTS_PURGED, **_fields(fields), events=events)

    def crossed(self, reason: str, fields: Mapping[str, Any]) -> None:
        """Count by reason, and warn: it happens once for each threshold of a project's budget."""
        self._metrics.add(catalogue.BUDGET_CROSSINGS, 1, reason)
        self._log.warning(events.BUDGET_CROSSED, **_fields(fields))

    def noticed(self, event: str, fields: Mapping[str, Any]) -> None:
        """Write a line; a field `level` ("debug", "info", "warning", "error") says how loud, else it is info."""
        level = fields.get("level")
        if level in LEVELS:
            fields = {name: value for name, value in fields.items() if name != "level"}
        tell = getattr(self._log, level if level in LEVELS else "info")
        tell(event, **_fields(fields))

    def failed(self, what: str, error: BaseException) -> str:
        """Count a fault of ours, log it with its traceback, and return the id under which the log holds it."""
        try:
            incident = secrets.token_hex(INCIDENT_BYTES)
            self._metrics.add(catalogue.FAILURES)
            self._log.error(events.INCIDENT_HAPPENED, incident=incident, what=what, error=repr(error), exc_info=error)
            return incident
        finally:
            # Whether or not there was memory for the line.
            if isinstance(error, MemoryError) and self._out_of_memory is not None:
                self._out_of_memory()


def _fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    # A field that has a reserved name would replace the event itself, or raise.
    return {f"{name}_" if name in RESERVED else name: value for name, value in fields.items()}
