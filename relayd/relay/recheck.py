"""
Those who are in are asked for again: may they stay?

Law 1: each project of each connection has its turn once in an interval, spread over it, one question at a time.
Law 2: a no takes the project away at once.  That nobody can tell is no no: the viewer stays for a while, and only then
has to come back.
Law 3: an answer is about the token it was asked with; when the viewer has shown a newer one, it is about nothing.
"""

import asyncio
from collections.abc import Iterable

from relayd.core.access import Decision
from relayd.core.rounds import Rounds
from relayd.protocol.disconnect import Disconnect
from relayd.relay.engine import Engine
from relayd.relay.subscription import Subscription

__all__ = ["Recheck", "all_again"]

SHORTEST, RESTING = 0.05, 1.0
"""Seconds between two looks at whose turn it is: at least, and while nobody has any."""

NOT_ANY_MORE = "you may not see this project any more; ask its owner"

NOBODY_TELLS = "whether you may still see this project can't be told for too long; come back with your cursor"


class Recheck:
    """Turns the wheel."""

    def __init__(self, engine: Engine) -> None:
        """Ask for an engine's viewers."""
        self._engine = engine
        self._asking: set[Subscription] = set()

    async def run(self) -> None:
        """Ask for everybody once in an interval, for ever; with an interval of 0 for nobody."""
        async with asyncio.TaskGroup() as group:
            while True:
                interval = self._engine.limits.recheck_seconds
                await asyncio.sleep(max(SHORTEST, interval / Rounds.SLOTS) if interval else RESTING)
                if interval:
                    for subscription in self._engine.rounds.turn(self._engine.clock.monotonic(), interval):
                        self._visit(subscription, group)

    def _visit(self, subscription: Subscription, group: asyncio.TaskGroup) -> None:
        if subscription in self._asking:
            # It has been asked for since its last turn, and there is no answer.
            bear_with(self._engine, subscription)
            return
        self._asking.add(subscription)
        asked = group.create_task(ask_again(self._engine, subscription, anew=True))
        asked.add_done_callback(lambda _: self._asking.discard(subscription))


async def all_again(engine: Engine, subscriptions: Iterable[Subscription]) -> None:
    """Ask for all projects of a connection at once: it has shown another token."""
    await asyncio.gather(*[ask_again(engine, subscription, anew=False) for subscription in subscriptions])


async def ask_again(engine: Engine, subscription: Subscription, *, anew: bool) -> None:
    """Ask whether a viewer may still see a project, and do what follows from the answer."""
    question = subscription.follower.grant.question(subscription.project.facts, anew=anew)
    if question.viewer.expires_at <= engine.clock.now():
        # It has its own end, and a time of grace in which a new token may come.
        return
    decision = await engine.decide(question)
    if subscription.follower.grant.question(subscription.project.facts).token != question.token:
        return
    if decision is Decision.GRANTED:
        engine.rounds.confirm(subscription, engine.clock.monotonic())
    elif decision is Decision.UNKNOWN:
        bear_with(engine, subscription)
    else:
        take_away(engine, subscription, Disconnect.FORBIDDEN, NOT_ANY_MORE)


def bear_with(engine: Engine, subscription: Subscription) -> None:
    """Let a viewer stay of whom nobody can tell, unless that has been so for too long."""
    unconfirmed = engine.rounds.unconfirmed(subscription, engine.clock.monotonic())
    if unconfirmed is not None and unconfirmed >= engine.limits.stale_seconds:
        take_away(engine, subscription, Disconnect.OVERLOADED, NOBODY_TELLS)


def take_away(engine: Engine, subscription: Subscription, disconnect: Disconnect, sentence: str) -> None:
    """End what a viewer sees of a project, once."""
    if engine.rounds.unconfirmed(subscription, 0.0) is not None:
        engine.rounds.leave(subscription)
        engine.observer.withdrawn(subscription.follower.encoding.transport, disconnect)
        subscription.follower.lose(subscription, disconnect, sentence)
