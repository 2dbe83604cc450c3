"""What all connections share."""

from collections.abc import Sequence

from msgspec import Struct

from relayd.core.access import Decision, ProjectFacts, Viewer, any_grants
from relayd.ports import Authorizer, Clock, Observer, Presence, Source, TokenVerifier
from relayd.relay.copies import Copies
from relayd.relay.fanout import Fanout
from relayd.relay.freshness import Freshness
from relayd.relay.limits import Limits
from relayd.relay.past import Past
from relayd.relay.subscription import WatchedLog
from relayd.relay.turnstile import Turnstile

__all__ = ["Engine"]


class Engine(Struct, kw_only=True):
    """The log and its way out, who may see it, and what is told about it."""

    log: WatchedLog
    past: Past
    fanout: Fanout
    source: Source
    presence: Presence
    verifier: TokenVerifier
    authorizers: Sequence[Authorizer]
    observer: Observer
    clock: Clock
    limits: Limits
    turnstile: Turnstile
    copies: Copies
    freshness: Freshness

    async def decide(self, viewer: Viewer, facts: ProjectFacts) -> Decision:
        """Say whether a viewer may see a project: any authorizer grants."""
        return any_grants([await authorizer.decide(viewer, facts) for authorizer in self.authorizers])
