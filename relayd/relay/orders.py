"""
What operators order: tokens that hold no more, and connections that have to end; here, on disk and on other relays.

Law: an order holds here before anything is awaited.  Then it is told and kept, and its answer says how far that went:
nobody believes a token revoked everywhere that is so on one relay alone.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

from msgspec import Struct

from relayd.core.ageing import Ageing
from relayd.core.revocations import Kind, Revocation, Revocations
from relayd.ports import Fellows, Holder, Keeping, Shared, Whom
from relayd.protocol.disconnect import Disconnect
from relayd.relay.engine import Engine
from relayd.relay.lobby import Lobby
from relayd.relay.poll import Poll
from relayd.relay.refusal import NOT_VALID
from relayd.relay.session import Session

__all__ = ["SLACK", "Done", "Orders", "meant", "projects"]

SLACK = 60.0
"""Seconds that a revocation outlives its tokens: what is granted to clocks that differ, and more."""

ROUND_SECONDS = 60.0
"""Between two looks at which revocations are over, and before what could not be kept is tried again."""

NEVER_KEPT = "until this relay ends"
KEPT = "on disk"


class Done(Struct, frozen=True, kw_only=True):
    """How far an order went."""

    ended: int
    """Connections, on this relay."""
    elsewhere: int | None = 0
    """Places of other relays that it freed; None where that can't be told."""
    others: str
    """Whether other relays were told, as a sentence's part."""
    kept: str = ""
    """For how long it is remembered; nothing where there is nothing to be."""
    failed: str = ""
    """Why it could not be kept as it should be; empty if it is."""
    revocation: Revocation | None = None


class Orders:
    """Does what operators order on this relay, and what they order on others."""

    def __init__(
        self, engine: Engine, lobby: Lobby, revocations: Revocations, *, longest: float | None, keeping: Keeping | None
    ) -> None:
        """Begin with what is revoked already; `longest` is a token's longest life in seconds, None without tokens."""
        self.revocations = revocations
        self.longest = longest
        self._engine = engine
        self._lobby = lobby
        self._keeping = keeping
        self._fellows = engine.presence if isinstance(engine.presence, Fellows) else None
        self._ageing = Ageing(engine.clock.now(), engine.clock.monotonic())
        self._kept = revocations.generation
        """The list's generation that is kept."""
        self._writing = asyncio.Lock()
        self._news = asyncio.Event()
        self._under_way: set[asyncio.Task[Done]] = set()
        if self._fellows is not None:
            self._fellows.follow(self)

    # -- what operators order -----------------------------------------------------------------------------------

    async def revoke(self, kind: Kind, name: str, *, expires_at: float | None = None) -> Done:
        """Let a user's tokens, or one token, in no more; raises Full."""
        now = self._engine.clock.now()
        self._expire()
        until = (now + (self.longest or 0.0) if expires_at is None else expires_at) + SLACK
        order = self.revocations.order(kind, name, now=now, until=until)
        self._engine.observer.noticed("revoked", {kind: name, "until": order.until})
        return await self._see_through(self._carry_out(order))

    async def take_back(self, kind: Kind, name: str) -> Done | None:
        """Let them in again; None if they were not revoked."""
        order = self.revocations.take_back(kind, name, now=self._engine.clock.now())
        if order is None:
            return None
        self._engine.observer.noticed("revocation_taken_back", {kind: name})
        return await self._see_through(self._carry_out(order))

    async def disconnect(self, whom: Whom, sentence: str) -> Done:
        """End connections, wherever they are."""
        ended = await self._lobby.end(meant(whom), Disconnect.ENDED_BY_OPERATOR, sentence)
        elsewhere: int | None = 0
        if self._fellows is not None and not (ended and whom.connection_id):
            elsewhere = await self._fellows.end(whom, sentence)
        self._engine.observer.noticed("disconnected_by_operator", {"ended": ended, "elsewhere": elsewhere})
        return Done(ended=ended, elsewhere=elsewhere, others=self._others(told=elsewhere is not None, later=False))

    async def elsewhere(self, whom: Whom) -> Sequence[Holder]:
        """Return the places of a user, or those of a project alone, on other relays."""
        return () if self._fellows is None else await self._fellows.elsewhere(whom)

    # -- what operators order elsewhere --------------------------------------------------------------------------

    def standing(self) -> Sequence[Revocation]:
        """Return all orders about tokens that it knows of, what was taken back included."""
        return list(self.revocations)

    def heard(self, revocations: Sequence[Revocation]) -> None:
        """Take in orders about tokens."""
        news = [self.revocations.merge(one) for one in revocations]
        if any(news):
            self._news.set()
            self._lobby.see_off(self._enforce())

    def end_here(self, whom: Whom, sentence: str) -> None:
        """End connections of its own."""
        self._lobby.see_off(self._lobby.end(meant(whom), Disconnect.ENDED_BY_OPERATOR, sentence))

    # -- what keeps them in order --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep what was heard, try again what could not be kept, and drop what is over, for ever."""
        while True:
            if problem := await self._keep():
                self._engine.observer.noticed("revocations_not_kept", {"level": "error", "detail": problem})
                await asyncio.sleep(ROUND_SECONDS)
                continue
            try:
                async with asyncio.timeout(ROUND_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                self._expire()
            self._news.clear()

    def _expire(self) -> None:
        clock = self._engine.clock
        # A clock that was set forward by mistake must not let anybody in.
        self.revocations.expire(self._ageing.now(clock.now(), clock.monotonic()))

    async def _enforce(self) -> int:
        """End at once whom the list shuts out; whoever is just coming in is looked at with the next sign of life."""
        if self.longest is None:
            # Whoever is in has no token.
            return 0
        return await self._lobby.end(
            lambda one: self.revocations.revokes(one.grant.viewer), Disconnect.AUTH_FAILED, NOT_VALID
        )

    async def _see_through(self, work: Coroutine[Any, Any, Done]) -> Done:
        """Return how far an order went; it goes as far when the operator does not wait for the answer."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _carry_out(self, order: Revocation) -> Done:
        ended = await self._enforce()
        told = self._fellows is not None and await self._fellows.spread([order])
        failed = await self._keep()
        return Done(
            ended=ended,
            others=self._others(told=told, later=True),
            kept=NEVER_KEPT if failed or self._keeping is None else KEPT,
            failed=failed,
            revocation=order,
        )

    async def _keep(self) -> str:
        """Write the list down if it is not, and return why that can't be done."""
        async with self._writing:
            generation = self.revocations.generation
            if self._keeping is None or generation == self._kept:
                return ""
            try:
                await self._keeping.write(self.standing())
            except OSError as error:
                return str(error)
            self._kept = generation
            return ""

    def _others(self, *, told: bool, later: bool) -> str:
        if self._fellows is None:
            return "none"
        if told:
            return "told"
        trouble = self._fellows.trouble if isinstance(self._fellows, Shared) else "out of reach"
        return f"{'told when they can be' if later else 'not told'}: {trouble}"


def meant(whom: Whom) -> Callable[[Session | Poll], bool]:
    """Return who tells whether a connection is meant."""
    if whom.connection_id is not None:
        return lambda one: one.grant.connection_id == whom.connection_id
    if whom.user is not None:
        return lambda one: one.grant.viewer.user == whom.user
    return lambda one: whom.project_id in projects(one)


def projects(one: Session | Poll) -> Collection[str]:
    """Return the projects that a connection watches."""
    if isinstance(one, Session):
        return one.subscriptions.keys()
    return () if one.grant.project_id is None else (one.grant.project_id,)
