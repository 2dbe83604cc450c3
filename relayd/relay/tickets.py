"""The booth: a token becomes a ticket, and the ticket becomes that token again, once."""

from relayd.ports import AuthFailed, Clock, OneUse, Opened, Sealed, Sealer, TooManyUsed
from relayd.protocol.disconnect import Disconnect
from relayd.relay.refusal import Refused

__all__ = ["USED", "Tickets"]

USED = "ticket_used"
"""Why the second one who comes with a ticket is refused."""

EXPIRED = "ticket_expired"


class Tickets:
    """Makes tickets and uses them up."""

    def __init__(self, sealer: Sealer, one_use: OneUse, clock: Clock) -> None:
        """Seal with one, ask another which have been used."""
        self.sealer = sealer
        """Another one takes its place when the key changes."""
        self._one_use = one_use
        self._clock = clock

    def issue(self, token: str, *, project_id: str | None, origin: str | None, until: float) -> Sealed:
        """Return a ticket for a token that was verified and expires at `until` (Unix seconds); raises AuthFailed."""
        sealed = self.sealer.seal(token, project_id=project_id, origin=origin, now=self._clock.now())
        # This is told; what is sealed stays, for whoever opens it asks the token itself, which has a leeway of its own.
        return Sealed(text=sealed.text, expires_at=min(sealed.expires_at, until))

    def open(self, ticket: str, *, project_id: str | None, origin: str | None) -> Opened:
        """Return what is in a ticket that is right; it stays as good as it was; raises AuthFailed."""
        return self.sealer.open(ticket, project_id=project_id, origin=origin, now=self._clock.now())

    async def use_up(self, opened: Opened) -> None:
        """Let nobody else come with it; raises AuthFailed where somebody has, Refused where that can't be known."""
        # Again: it may have waited since it was opened, for longer than it is remembered that others came with it.
        if self._clock.now() >= opened.expires_at:
            raise AuthFailed(EXPIRED)
        try:
            first = await self._one_use.use(opened.name, now=self._clock.monotonic())
        except TooManyUsed as error:
            sentence = "this relay can take no more tickets at present; try again, or come with a token"
            raise Refused(Disconnect.OVERLOADED, sentence, "tickets_full") from error
        if not first:
            raise AuthFailed(USED)
