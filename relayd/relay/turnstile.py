"""
So many at a time: who comes, or comes back, must not keep those waiting who are there.

A loop runs everything that is ready before it looks at its sockets again.  A thousand handshakes that are ready at once
would be one long turn, in which no event gets through; here they become many short ones.
"""

import asyncio
from collections import deque

__all__ = ["EACH_TURN", "Turnstile"]

EACH_TURN = 4
"""Admissions in one turn of the loop: a few milliseconds of checking tokens and reading back."""


class Turnstile:
    """Lets a number of tasks through in each turn of the loop; the others wait in order."""

    def __init__(self, each_turn: int = EACH_TURN) -> None:
        """Begin with nobody waiting."""
        self._each_turn = each_turn
        self._left = each_turn
        self._turning = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Return when it is one's turn: at once, as long as few come."""
        self._turn_on()
        if self._left and not self._waiting:
            self._left -= 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _turn_on(self) -> None:
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = False
        self._left = self._each_turn
        while self._left and self._waiting:
            waiter = self._waiting.popleft()
            # Who gave up meanwhile takes nobody's turn.
            if not waiter.done():
                waiter.set_result(None)
                self._left -= 1
        if self._left < self._each_turn:
            self._turn_on()
