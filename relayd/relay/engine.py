"""What all connections share."""

from collections.abc import Sequence

from msgspec import Struct, field

from relayd.core.access import Decision, Question
from relayd.core.rounds import Rounds
from relayd.ports import Authorizer, Clock, Observer, Presence, Source, TokenVerifier
from relayd.relay.copies import Copies
from relayd.relay.fanout import Fanout
from relayd.relay.freshness import Freshness
from relayd.relay.limits import Limits
from relayd.relay.past import Past
from relayd.relay.spending import Spending
from relayd.relay.subscription import Subscription, WatchedLog
from relayd.relay.turnstile import Turnstile
from relayd.relay.vigil import Vigil

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
    vigil: Vigil
    spending: Spending = field(default_factory=Spending)
    rounds: Rounds[Subscription] = field(default_factory=Rounds)
    """What is asked for again."""

    async def decide(self, question: Question) -> Decision:
        """Say whether a viewer may see a project: any authorizer grants, else one that can't tell holds a no back."""
        answer = Decision.DENIED
        for authorizer in self.authorizers:
            try:
                decision = await authorizer.decide(question)
            except Exception as error:  # noqa: BLE001  # the net for one question: an authorizer's fault is nobody's no
                self.observer.failed("authorizer", error)
                decision = Decision.UNKNOWN
            if decision is Decision.GRANTED:
                # Those behind need not be asked: they may be slow, and have nothing to add.
                return decision
            if decision is Decision.UNKNOWN:
                answer = decision
        return answer
