"""The names of the relay's own log events, all in the past tense; what rooms pass to `noticed` comes beside them."""

__all__ = [
    "BUDGET_CROSSED",
    "CANARY_MISSED",
    "CANARY_RETURNED",
    "CONNECTION_ENDED",
    "CONNECTION_REFUSED",
    "EVENTS",
    "EVENTS_PURGED",
    "EVENT_REJECTED",
    "GAP_DECLARED",
    "INCIDENT_HAPPENED",
    "JOURNAL_ATTACHED",
    "JOURNAL_FAILED",
    "JOURNAL_REPLACED",
    "LOG_BROKE",
    "RIGHTS_ENDED",
    "SOURCE_ATTACHED",
    "SOURCE_DETACHED",
    "VIEWER_ADMITTED",
]

BUDGET_CROSSED = "budget_crossed"
CANARY_MISSED = "canary_missed"
CANARY_RETURNED = "canary_returned"
CONNECTION_ENDED = "connection_ended"
CONNECTION_REFUSED = "connection_refused"
EVENTS_PURGED = "events_purged"
EVENT_REJECTED = "event_rejected"
GAP_DECLARED = "gap_declared"
INCIDENT_HAPPENED = "incident_happened"
JOURNAL_ATTACHED = "journal_attached"
JOURNAL_FAILED = "journal_failed"
JOURNAL_REPLACED = "journal_replaced"
LOG_BROKE = "log_broke"
RIGHTS_ENDED = "rights_ended"
SOURCE_ATTACHED = "source_attached"
SOURCE_DETACHED = "source_detached"
VIEWER_ADMITTED = "viewer_admitted"

EVENTS: frozenset[str] = frozenset(
    {
        BUDGET_CROSSED,
        CANARY_MISSED,
        CANARY_RETURNED,
        CONNECTION_ENDED,
        CONNECTION_REFUSED,
        EVENTS_PURGED,
        EVENT_REJECTED,
        GAP_DECLARED,
        INCIDENT_HAPPENED,
        JOURNAL_ATTACHED,
        JOURNAL_FAILED,
        JOURNAL_REPLACED,
        LOG_BROKE,
        RIGHTS_ENDED,
        SOURCE_ATTACHED,
        SOURCE_DETACHED,
        VIEWER_ADMITTED,
    }
)
"""All of them."""
