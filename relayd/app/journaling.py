"""Those who have to do with the journal, each knowing what it must of the others."""

from msgspec import Struct

from relayd.app.clock import SystemClock
from relayd.app.settings import journal_of
from relayd.config import Config
from relayd.ports import Observer, Source
from relayd.relay.forgetting import Forgetting
from relayd.relay.keeper import Keeper
from relayd.relay.limits import Limits
from relayd.relay.mender import Mender
from relayd.relay.past import Past
from relayd.relay.subscription import WatchedLog
from relayd.relay.trouble import Trouble

__all__ = ["Journaling", "journaling"]

NEWEST = 1_000
"""So many events come back to memory with a project: its tail, and what most who return have missed."""


class Journaling(Struct, frozen=True, kw_only=True):
    """Who reads, writes, mends and clears it."""

    past: Past
    keeper: Keeper
    mender: Mender
    forgetting: Forgetting
    trouble: Trouble
    source: Source

    def trouble_now(self) -> str | None:
        """Return what keeps the relay from being ready, None if nothing does."""
        if self.mender.replaced and self.source.state().caught_up:
            # What could be read again has been.
            self.mender.replaced = ""
        return self.trouble.sentence or self.past.sentence or self.mender.replaced or None

    def attached(self) -> float | None:
        """Return 1 while the journal is written and read, else 0; None if there is none."""
        if self.past.journal is None:
            return None
        return float(not (self.trouble.sentence or self.past.log.loose or self.past.log.blind))


def journaling(
    config: Config, source: Source, log: WatchedLog, *, observer: Observer, clock: SystemClock, limits: Limits
) -> Journaling:
    """Return them, with the journal not yet open; raises PluginError."""
    trouble, replays = Trouble(observer, clock), source.replays
    past = Past(
        log,
        journal_of(config, source),
        trouble=trouble,
        observer=observer,
        newest=min(NEWEST, limits.timeline_events),
        patience=limits.journal_patience_seconds,
    )
    keeper = Keeper(past, replays=replays, trouble=trouble, observer=observer, clock=clock, limits=limits)
    return Journaling(
        past=past,
        keeper=keeper,
        mender=Mender(source.log, past, keeper, replays=replays, trouble=trouble, observer=observer, clock=clock),
        forgetting=Forgetting(past, keeper, replays=replays, observer=observer, clock=clock, limits=limits),
        trouble=trouble,
        source=source,
    )
