"""
Every metric of the relay: its name, kind, label and meaning.  Nobody else spells a metric name.

Law: a label is closed.  What is outside its set is counted as `other`, so no stranger's text becomes a series,
and there is no label for a project, user, connection, address or path.
"""

from enum import Enum

from msgspec import Struct

from relayd.core.redaction import COUNTED
from relayd.telemetry.labels import (
    AUTH_REASONS,
    BUDGET_REASONS,
    DETACHMENTS,
    ENDINGS,
    GAP_CAUSES,
    LIMITS,
    LIVENESS,
    MISSES,
    OTHER,
    REASONS,
    RIGHTS,
    STATUSES,
    TRANSPORT,
    TYPES,
    WITHDRAWALS,
)

__all__ = [
    "AGENTS",
    "AUTH_FAILURES",
    "BROKER_BYTES",
    "BROKER_CONNECTED",
    "BROKER_MESSAGES",
    "BUDGET_CROSSINGS",
    "BUILD_INFO",
    "CANARY_LAST_SUCCESS",
    "CANARY_MISSED",
    "CANARY_ROUNDTRIP",
    "CATALOGUE",
    "CONNECTIONS",
    "CONNECTIONS_REJECTED",
    "CONSUMED_OFFSET",
    "CONSUMER_UP",
    "DEDUPLICATED",
    "DELIVERIES",
    "DELIVERY_BYTES",
    "DELIVERY_LATENCY",
    "DISCONNECTS",
    "EPOCH_CHANGES",
    "EVENT_LOOP_LAG",
    "FAILURES",
    "FELL_BEHIND",
    "FLUSH_INTERVAL",
    "GAPS",
    "HANDSHAKE_DURATION",
    "HEAD_OFFSET",
    "JOURNAL_COMMIT",
    "JOURNAL_ERRORS",
    "JOURNAL_EVENTS",
    "JWKS_AGE",
    "LAST_DELIVERY",
    "LIMITS_MET",
    "MEMORY_SHORT",
    "OVER_EXCHANGE",
    "PROJECTS",
    "PURGED",
    "READY",
    "RECONNECTS",
    "REDACTIONS",
    "REDIS_UP",
    "REJECTED",
    "REPLAY_BYTES",
    "REPLAY_EVENTS",
    "REVOCATIONS",
    "RIGHTS_REQUESTS",
    "RIGHTS_SECONDS",
    "STREAM_LAG",
    "TASKS",
    "TIMELINE_BYTES",
    "TRUNCATIONS",
    "WITHDRAWN",
    "Kind",
    "Metric",
]


class Kind(Enum):
    """How a metric comes to its value."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    PULLED = "gauge"
    """Read when scraped, never counted up and down: a decrement that is missed once would be wrong for ever."""


class Metric(Struct, frozen=True, kw_only=True):
    """One metric; a label without `values` is the transport, whose names are known when the relay starts."""

    name: str
    kind: Kind
    meaning: str
    label: str = ""
    values: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


DELIVERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""The second that the delivery objective is about must be a bound, else its ratio would be a guess."""
CANARY_BUCKETS = (*DELIVERY_BUCKETS, 10.0, 30.0)
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
COMMIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


def _counter(name: str, meaning: str, label: str = "", values: tuple[str, ...] = ()) -> Metric:
    return Metric(name=name, kind=Kind.COUNTER, meaning=meaning, label=label, values=values)


def _histogram(name: str, meaning: str, buckets: tuple[float, ...], label: str = "") -> Metric:
    return Metric(name=name, kind=Kind.HISTOGRAM, meaning=meaning, label=label, buckets=buckets)


def _pulled(name: str, meaning: str, label: str = "", values: tuple[str, ...] = ()) -> Metric:
    return Metric(name=name, kind=Kind.PULLED, meaning=meaning, label=label, values=values)


# -- the way in --------------------------------------------------------------------------------------------------

BROKER_MESSAGES = _counter("relayd_broker_messages_total", "Messages recorded from the source.", "type", TYPES)
BROKER_BYTES = _counter("relayd_broker_bytes_total", "Bytes of the bodies they came in.")
REJECTED = _counter(
    "relayd_messages_rejected_total", "Events that could not be understood, kept for /rejected.", "reason", REASONS
)
REDACTIONS = _counter(
    "relayd_redactions_total", "Secrets in events that were hidden before anybody saw them.", "rule", (*COUNTED, OTHER)
)
DEDUPLICATED = _counter("relayd_messages_deduplicated_total", "Events that were recognised as repeats.")
BUDGET_CROSSINGS = _counter(
    "relayd_budget_crossings_total",
    "Times that a project had used 80 or 100 % of its budget; which one stands in the log, as `budget_crossed`.",
    "reason",
    BUDGET_REASONS,
)
BROKER_CONNECTED = _pulled("relayd_broker_connected", "1 while the source is connected, else 0.")
CONSUMED_OFFSET = _pulled("relayd_stream_consumed_offset", "Offset of the last body that was processed.")
HEAD_OFFSET = _pulled("relayd_stream_head_offset", "Newest offset known to be in the log; absent while unknown.")
STREAM_LAG = _pulled(
    "relayd_stream_lag_seconds",
    "How long this relay has not been level with the log's newest body; it grows while the source is away or stalled.",
)
CONSUMER_UP = _pulled("relayd_consumer_up", "1 while the source is subscribed to and gives what it has, else 0.")
LAST_DELIVERY = _pulled(
    "relayd_stream_last_delivery_timestamp_seconds", "When a body last came out of the log, canaries included."
)
OVER_EXCHANGE = _pulled(
    "relayd_exchange_last_delivery_timestamp_seconds",
    "When a body last came over an exchange of `sources.rabbitmq.bindings`; absent until one does.",
    "exchange",
)
RECONNECTS = _counter(
    "relayd_reconnects_total", "Times that reading the source ended and was begun anew, by cause.", "cause", DETACHMENTS
)
CANARY_ROUNDTRIP = _histogram(
    "relayd_canary_roundtrip_seconds",
    "From publishing a canary until this relay has read it and served what came before it.",
    CANARY_BUCKETS,
)
CANARY_LAST_SUCCESS = _pulled(
    "relayd_canary_last_success_timestamp_seconds",
    "When a canary last came back, before that when the first was sent; absent where none are sent.",
)
CANARY_MISSED = _counter(
    "relayd_canary_missed_total",
    "Canaries that were not published or not back in time, by cause; `unconfirmed` is what an alarm looks like.",
    "cause",
    MISSES,
)
EPOCH_CHANGES = _counter("relayd_stream_epoch_changes_total", "Times that the log was deleted and made anew.")
TRUNCATIONS = _counter("relayd_stream_truncations_total", "Times that retention dropped bodies before they were read.")

# -- the way out -------------------------------------------------------------------------------------------------

DELIVERIES = _counter("relayd_deliveries_total", "Live messages times the viewers they were written to.", TRANSPORT)
DELIVERY_BYTES = _counter("relayd_delivery_bytes_total", "Bytes of live frames, over all viewers.", TRANSPORT)
DELIVERY_LATENCY = _histogram(
    "relayd_delivery_latency_seconds",
    "From receiving the oldest event of a flush to writing it to the sockets; once per group and flush.",
    DELIVERY_BUCKETS,
)
REPLAY_EVENTS = _counter("relayd_replay_events_total", "Past messages sent to viewers that were behind.", TRANSPORT)
REPLAY_BYTES = _counter("relayd_replay_bytes_total", "Bytes of the past sent to viewers that were behind.", TRANSPORT)
FELL_BEHIND = _counter(
    "relayd_fell_behind_total",
    "Times that a viewer took more slowly than was written, and was caught up; who takes nothing ends as `stuck`.",
    TRANSPORT,
)
GAPS = _counter("relayd_gaps_total", "Times a viewer was told that its past is not whole.", "cause", GAP_CAUSES)
FLUSH_INTERVAL = _pulled("relayd_flush_interval_seconds", "Least time between two frames of a group; grows under load.")

# -- viewers -----------------------------------------------------------------------------------------------------

CONNECTIONS = _pulled("relayd_connections", "Connections that hold a place.", TRANSPORT)
HANDSHAKE_DURATION = _histogram(
    "relayd_handshake_duration_seconds", "From the request to a place in the relay.", DELIVERY_BUCKETS, TRANSPORT
)
CONNECTIONS_REJECTED = _counter("relayd_connections_rejected_total", "Viewers refused, by ending.", "reason", ENDINGS)
DISCONNECTS = _counter("relayd_disconnects_total", "Connections that ended, by ending.", "reason", ENDINGS)
RIGHTS_REQUESTS = _counter(
    "relayd_rights_requests_total",
    "Questions to the product's API whether a viewer may see a project, by outcome: two answers, three that are none, "
    "`busy` (no turn in time) and `resting` (not sent, because it gives no answers at present).",
    "outcome",
    RIGHTS,
)
RIGHTS_SECONDS = _histogram(
    "relayd_rights_request_seconds", "How long such a question took, waiting for its turn included.", DELIVERY_BUCKETS
)
WITHDRAWN = _counter(
    "relayd_projects_withdrawn_total",
    "Projects taken from live viewers because they may not see them any more (`forbidden`), or nobody can tell "
    "(`overloaded`), by ending.",
    "reason",
    WITHDRAWALS,
)
REDIS_UP = _pulled(
    "relayd_redis_up",
    "1 while places are counted with the other relays, 0 while this one counts alone; absent where nothing is shared.",
)
AUTH_FAILURES = _counter(
    "relayd_auth_failures_total",
    "Viewers refused for their token or rights; they are never told why.",
    "reason",
    AUTH_REASONS,
)
LIMITS_MET = _counter(
    "relayd_limits_met_total",
    "Times that somebody was refused for a limit; docs/operate.md lists them.",
    "reason",
    LIMITS,
)
MEMORY_SHORT = _pulled(
    "relayd_memory_short", "1 while nobody new is let in for want of memory, else 0; absent without a bound."
)
JWKS_AGE = _pulled(
    "relayd_jwks_age_seconds",
    "Since the issuer's keys were read, or were first to be; absent without auth.jwks.url.",
)
REVOCATIONS = _pulled("relayd_revocations", "Users and tokens that are revoked.")

# -- the relay itself --------------------------------------------------------------------------------------------

JOURNAL_ERRORS = _counter("relayd_journal_errors_total", "Times that the journal could not do what it was asked.")
JOURNAL_ATTACHED = _pulled(
    "relayd_journal_attached", "1 while the journal is written and read, else 0; absent where none is configured."
)
JOURNAL_REPLACED = _counter(
    "relayd_journal_replacements_total", "Times that a damaged journal was moved aside and a new one begun."
)
JOURNAL_COMMIT = _histogram("relayd_journal_commit_seconds", "Duration of a transaction.", COMMIT_BUCKETS)
JOURNAL_EVENTS = _counter("relayd_journal_events_total", "Events written to the journal.")
PURGED = _counter("relayd_purged_events_total", "Events that were removed for good.")
READY = _pulled("relayd_ready", "1 while `/readyz` says that viewers should come, else 0.")
PROJECTS = _pulled("relayd_projects", "Projects in memory.", "status", STATUSES)
AGENTS = _pulled(
    "relayd_agents",
    "Agents that should be at work, of projects in memory, by how they seemed to be when they were last looked at: "
    "two seconds ago where somebody watches, half a minute else.",
    "liveness",
    LIVENESS,
)
TIMELINE_BYTES = _pulled("relayd_timeline_bytes", "Encoded events held in memory.")
EVENT_LOOP_LAG = _histogram("relayd_event_loop_lag_seconds", "How late the event loop ran a timer.", LAG_BUCKETS)
TASKS = _pulled("relayd_tasks", "Tasks of the event loop: they come and go with connections, and stay level otherwise.")
FAILURES = _counter("relayd_failures_total", "Faults of the relay's own; each has an incident id in the log.")
BUILD_INFO = _pulled("relayd_build_info", "Always 1; the label is the version that runs.", "version")

CATALOGUE: tuple[Metric, ...] = tuple(metric for metric in vars().copy().values() if isinstance(metric, Metric))
"""All of them, in the order in which they stand here and docs/metrics.md lists them."""
