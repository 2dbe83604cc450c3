"""
Who gets as far as being asked for a token: nobody while the node can't take more, and a few at a time.

Everybody is refused here before any upgrade, so that a proxy can ask a peer.
"""

from collections.abc import Callable, Mapping

from relayd.core.allowance import Allowance
from relayd.protocol.disconnect import Disconnect
from relayd.relay.engine import Engine
from relayd.relay.refusal import Refused

__all__ = ["Door"]


class Door:
    """The way to the handshake, the same for all transports."""

    def __init__(self, engine: Engine, *, memory_short: Callable[[], bool] = lambda: False) -> None:
        """Go by an engine's limits; `memory_short` tells whether the process has no memory for more viewers."""
        self.draining = False
        self._engine = engine
        self._memory_short = memory_short
        self._admissions = Allowance(1)
        self._waiting = 0

    async def enter(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Return when it is one's turn; `counts` tells how many are in, by transport; raises Refused."""
        # Those who wait hold a socket, too.
        self._look(sum(counts().values()) + self._waiting)
        self._keep_pace()
        # Behind what costs nothing to refuse, and before all that costs something.
        self._waiting += 1
        try:
            await self._engine.turnstile.enter()
        finally:
            self._waiting -= 1
        self._look(sum(counts().values()))

    def _look(self, connections: int) -> None:
        if self.draining:
            raise Refused(Disconnect.RESTARTING, "this relay is restarting; try again", "draining")
        if self._memory_short():
            raise Refused(Disconnect.OVERLOADED, "this relay has no memory for more viewers; try again", "memory")
        if connections >= self._engine.limits.max_connections:
            raise Refused(Disconnect.OVERLOADED, "this relay is full; try again", "node_full")

    def _keep_pace(self) -> None:
        pace = self._engine.limits.admissions
        if pace is not None and self._admissions.take("", pace, self._engine.clock.monotonic()):
            sentence = "more come to this relay than it lets in a second; try again"
            # All of them would come again when there is one admission; the ending's own time spreads them.
            raise Refused(Disconnect.OVERLOADED, sentence, "admissions")
