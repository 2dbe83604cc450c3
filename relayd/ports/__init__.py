"""
The few verbs that the relay needs from the world.

A port holds the fewest verbs that do.  Adapters stand in the rooms above, fakes in `relayd.testing`.
"""

from relayd.core.floor import Floor
from relayd.ports.journal import (
    Aside,
    Body,
    Commit,
    Journal,
    JournalDamaged,
    JournalError,
    JournalMistake,
    Kept,
    ProjectRow,
    Recovered,
    Rejected,
)
from relayd.ports.sources import Ingest, LogBreak, Position, Receipt, Source, SourceState, Unavailable
from relayd.ports.tickets import KEPT_SECONDS, OneUse, Opened, Sealed, Sealer, SharedOneUse, TooManyUsed
from relayd.ports.viewers import (
    AuthFailed,
    Authorizer,
    Encoding,
    Holder,
    NoKeys,
    NoPlace,
    Presence,
    Shared,
    Ticket,
    TokenVerifier,
    Wire,
)
from relayd.ports.world import Clock, Closing, Observer, Reporting

__all__ = [
    "KEPT_SECONDS",
    "Aside",
    "AuthFailed",
    "Authorizer",
    "Body",
    "Clock",
    "Closing",
    "Commit",
    "Encoding",
    "Floor",
    "Holder",
    "Ingest",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "JournalMistake",
    "Kept",
    "LogBreak",
    "NoKeys",
    "NoPlace",
    "Observer",
    "OneUse",
    "Opened",
    "Position",
    "Presence",
    "ProjectRow",
    "Receipt",
    "Recovered",
    "Rejected",
    "Reporting",
    "Sealed",
    "Sealer",
    "Shared",
    "SharedOneUse",
    "Source",
    "SourceState",
    "Ticket",
    "TokenVerifier",
    "TooManyUsed",
    "Unavailable",
    "Wire",
]
