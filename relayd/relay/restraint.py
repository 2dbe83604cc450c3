"""
Those who ask too often: users with good tokens, and addresses that bad ones come from.

Law: a good token is let in, whatever else comes from its address.  Many share one address, and an attacker among them
must not lock the others out; so every token is verified, which costs less than all else that a request costs.  What an
address loses is the answer to bad ones: it comes later, and says to wait instead of to log in.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from relayd.core.allowance import Allowance
from relayd.core.pacing import Pace
from relayd.core.patience import Patience
from relayd.protocol.disconnect import Disconnect
from relayd.relay.engine import Engine
from relayd.relay.refusal import Refused, judging

__all__ = ["FAILED_LOGINS", "Restraint"]

FAILED_LOGINS = "failed_logins"
"""Why somebody is refused: a metric label."""

GENUINE = frozenset({"no_token", "expired", "not_yet", "revoked", "ticket_expired", "ticket_used"})
"""
Why a token or ticket is refused that nobody made up: there was none, or it was signed or sealed.  Its bearer must hear
that it has to log in, however many others guess behind the same address; to whoever could make an old one a new one
would open.
"""

NAMED = Pace(rate=1 / 60, burst=1)
"""Somebody who meets a limit again and again is named in the log once a minute."""

WAITING = 1_000
"""So many refusals are told late at a time, for each holds a socket; those beyond are told at once."""


class Restraint:
    """Counts by user and by address, and says when it is too much."""

    def __init__(self, engine: Engine) -> None:
        """Go by an engine's limits and clock."""
        self._engine = engine
        self._requests, self._publishes = Allowance(), Allowance()
        self._patience = Patience()
        self._named = Allowance()
        self._waiting = 0

    def request(self, user: str) -> None:
        """Count a handshake, poll or request of a user; raises Refused."""
        pace = self._engine.limits.requests
        sentence = "ask less often, or watch over one WebSocket instead"
        self._take(self._requests, user, pace, what="requests", sentence=sentence, reason="rate")

    def publish(self, user: str) -> None:
        """Count a body that a worker sends; raises Refused."""
        pace = self._engine.limits.publishes
        sentence = "send the same body again then, and more events in one body"
        self._take(self._publishes, user, pace, what="bodies", sentence=sentence, reason="publish_rate")

    def spacing_ms(self, user: str) -> int:
        """Return how far apart a user's polls must be for all that it may have open to stay below the limit."""
        limits = self._engine.limits
        # Up to half of the burst nothing is said: what comes after quiet is answered at once.
        if 2 * self._requests.spent(user, limits.requests, self._now()) <= limits.requests.burst:
            return 0
        return ceil(1_000 * limits.connections_per_user / limits.requests.rate)

    @contextmanager
    def judging(self, remote: str) -> Iterator[None]:
        """Turn a token or ticket that does not open into a refusal, another one when it is one too many."""
        try:
            with judging():
                yield
        except Refused as refused:
            if refused.disconnect is Disconnect.AUTH_FAILED and refused.reason not in GENUINE:
                self._count_failed(remote)
            raise

    def _count_failed(self, remote: str) -> None:
        """Raise Refused if an address has had too many."""
        limits = self._engine.limits
        if wait := self._patience.failed(remote, limits.failed_logins, self._now()):
            self._name(FAILED_LOGINS, remote=remote)
            most = round(60 * limits.failed_logins.rate)
            raise Refused(
                Disconnect.RATE_EXCEEDED,
                f"more than {most} failed logins a minute from your address; get a new token, and come with it then",
                FAILED_LOGINS,
                data={"limit": most},
                retry_after_ms=ceil(1_000 * wait),
            )

    def admitted(self, remote: str) -> None:
        """Forget the refusals of an address."""
        self._patience.admitted(remote)

    async def hold_back(self, remote: str, refused: Refused) -> None:
        """Have an address wait for a refusal, once: the oftener that has been, the longer."""
        if refused.held:
            return
        refused.held = True
        seconds = self._patience.refused(remote, self._now())
        if self._waiting >= WAITING:
            return
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1

    def _take(self, allowance: Allowance, user: str, pace: Pace, *, what: str, sentence: str, reason: str) -> None:
        if wait := allowance.take(user, pace, self._now()):
            self._name(reason, user=user)
            raise Refused(
                Disconnect.RATE_EXCEEDED,
                f"more than {pace.rate:g} {what} a second by this user; {sentence}",
                reason,
                data={"limit": int(pace.rate) if pace.rate == int(pace.rate) else pace.rate},
                retry_after_ms=ceil(1_000 * wait),
            )

    def _name(self, reason: str, **who: str) -> None:
        """Tell the operator who it is: metrics name nobody."""
        if not self._named.take(f"{reason} {who}", NAMED, self._now()):
            self._engine.observer.noticed("limit_met", {"level": "warning", "reason": reason, **who})

    def _now(self) -> float:
        return self._engine.clock.monotonic()
