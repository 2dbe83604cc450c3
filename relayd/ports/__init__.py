"""
The few verbs that the relay needs from the world.

A port holds the fewest verbs that do.  Adapters stand in the rooms above, fakes in `relayd.testing`.
"""

from relayd.core.floor import Floor
from relayd.ports.journal import (
    Aside,
    Body,
    Commit,
    Doomed,
    Found,
    Journal,
    JournalDamaged,
    JournalError,
    JournalMistake,
    Kept,
    ProjectRow,
    PurgeBook,
    Recovered,
    Rejected,
)
from relayd.ports.orders import Fellows, Keeping, Obeying, Whom
from relayd.ports.sources import Ingest, LogBreak, Position, Receipt, Source, SourceState, Speaking, Unavailable
from relayd.ports.tickets import KEPT_SECONDS, OneUse, Opened, Sealed, Sealer, SharedOneUse, TooManyUsed
from relayd.ports.viewers import (
    AuthFailed,
    Authorizer,
    Encoding,
    Hold,
    Holder,
    NoKeys,
    NoPlace,
    Presence,
    Shared,
    TokenVerifier,
    Wire,
)
from relayd.ports.world import Clock, Closing, Observer, Reporting, Troubled

__all__ = [
    "KEPT_SECONDS",
    "Aside",
    "AuthFailed",
    "Authorizer",
    "Body",
    "Clock",
    "Closing",
    "Commit",
    "Doomed",
    "Encoding",
    "Fellows",
    "Floor",
    "Found",
    "Hold",
    "Holder",
    "Ingest",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "JournalMistake",
    "Keeping",
    "Kept",
    "LogBreak",
    "NoKeys",
    "NoPlace",
    "Obeying",
    "Observer",
    "OneUse",
    "Opened",
    "Position",
    "Presence",
    "ProjectRow",
    "PurgeBook",
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
    "Speaking",
    "TokenVerifier",
    "TooManyUsed",
    "Troubled",
    "Unavailable",
    "Whom",
    "Wire",
]
