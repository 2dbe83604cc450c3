"""The values that labels of metrics may have."""

from typing import get_args

from relayd.core import spending
from relayd.core.liveness import STATES
from relayd.dialects.delivery import Reason
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import Event

__all__ = [
    "AUTH_REASONS",
    "BUDGET_REASONS",
    "DETACHMENTS",
    "ENDINGS",
    "GAP_CAUSES",
    "LIMITS",
    "LIVENESS",
    "MISSES",
    "OTHER",
    "REASONS",
    "RIGHTS",
    "STATUSES",
    "TRANSPORT",
    "TYPES",
    "WITHDRAWALS",
]

OTHER = "other"
"""The value of every label that was given something outside its set."""

TRANSPORT = "transport"
TYPES = (*(kind.__struct_config__.tag for kind in get_args(Event)), OTHER)
ENDINGS = (*(disconnect.label for disconnect in Disconnect), OTHER)
REASONS = (*(reason.value for reason in Reason), OTHER)
STATUSES = ("initializing", "in_progress", "completed", "failed", "paused", OTHER)
TICKET_REASONS = ("ticket_malformed", "ticket_seal", "ticket_expired", "ticket_foreign", "ticket_used")
AUTH_REASONS = (
    "no_token",
    "too_large",
    "malformed",
    "algorithm",
    "unknown_key",
    "signature",
    "claims",
    "audience",
    "issuer",
    "not_yet",
    "expired",
    "no_keys",
    "revoked",
    *TICKET_REASONS,
    "other_user",
    "no_worker",
    "origin",
    "forbidden",
    "failed_logins",
    OTHER,
)
LIMITS = (
    "user_limit",
    "node_full",
    "admissions",
    "memory",
    "project_full",
    "rate",
    "publish_rate",
    "failed_logins",
    "subscriptions",
    "tickets_full",
    OTHER,
)
"""What a refusal says is its reason, where that is a limit."""
LIVENESS = (*STATES, OTHER)
GAP_CAUSES = (
    "other_log",
    "other_event",
    "unknown_event",
    "beyond_head",
    "below_floor",
    "lagged",
    "truncated",
    "recreated",
    "purged",
    OTHER,
)
BUDGET_REASONS = (*spending.REASONS, OTHER)
DETACHMENTS = ("connection", "missing", "unreadable", "stalled", OTHER)
MISSES = ("unconfirmed", "unroutable", "lost", "refused", "unreachable", OTHER)
RIGHTS = ("granted", "denied", "unreadable", "timeout", "unreachable", "busy", "resting", OTHER)
WITHDRAWALS = (Disconnect.FORBIDDEN.label, Disconnect.OVERLOADED.label, OTHER)
