"""The end of a token on a live connection: its viewer is told before, and after the grace the connection ends."""

import asyncio
from typing import Protocol

from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import Notice
from relayd.relay.admission import EXPIRED, Grant
from relayd.relay.engine import Engine

__all__ = ["MAX_TIMER", "Expiry"]

EXPIRY_NOTICE = 60.0
"""Seconds before its token's expiry that a viewer is told to refresh it."""

MAX_TIMER = 86_400.0
"""A timer further off is set anew on the way; loops don't take times of years."""


class Expiring(Protocol):
    """A connection whose token will expire."""

    engine: Engine
    grant: Grant

    def notice(self, notice: Notice) -> None:
        """Tell the viewer something."""
        ...

    def close(self, disconnect: Disconnect, sentence: str = "", retry_after_ms: int | None = None) -> None:
        """End it."""
        ...


class Expiry:
    """The one timer of a connection."""

    __slots__ = ("_connection", "timer")

    def __init__(self, connection: Expiring) -> None:
        """Begin without a timer."""
        self._connection = connection
        self.timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Set the timer by the token that the connection has now."""
        self.cancel()
        delay = min(MAX_TIMER, max(0.0, self._left() - EXPIRY_NOTICE))
        self.timer = asyncio.get_running_loop().call_later(delay, self._warn)

    def cancel(self) -> None:
        """Let it be: the connection has ended."""
        if self.timer is not None:
            self.timer.cancel()

    def _left(self) -> float:
        return self._connection.grant.viewer.expires_at - self._connection.engine.clock.now()

    def _warn(self) -> None:
        left = self._left()
        if left > EXPIRY_NOTICE + 1:
            self.watch()
            return
        detail = f"the token expires in {max(0, int(left))} s; send a refresh"
        self._connection.notice(Notice(code="TOKEN_EXPIRING", detail=detail))
        delay = max(0.0, left + self._connection.engine.limits.grace_seconds)
        self.timer = asyncio.get_running_loop().call_later(delay, self._end)

    def _end(self) -> None:
        self._connection.close(Disconnect.TOKEN_EXPIRED, EXPIRED)
