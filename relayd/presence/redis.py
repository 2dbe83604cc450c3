"""
Places per user and viewers per project, shared by all relays through Redis.

What it inherits is its own count: the places on this relay.  While Redis answers, a place is taken there first, in one
step for all relays; while it does not, the own count decides alone, and nobody waits.

Law: whenever Redis is there again, and every third of a lease, what lies there in this relay's name is made to be what
this relay holds.  So nothing that was said has to be remembered, and nobody is cut for having come in meanwhile.

What operators order goes the same way: places say who is where, `orders` what holds for all.
"""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress

from msgspec import Struct

from relayd.core.revocations import Revocation
from relayd.ports import Holder, NoPlace, Obeying, Observer, Whom
from relayd.presence.line import Away, Command, Line
from relayd.presence.memory import Evict, MemoryHold, MemoryPresence
from relayd.presence.orders import Orders, read_orders
from relayd.presence.places import Places, read_ending, read_places
from relayd.presence.settings import RedisSettings
from relayd.presence.shared_once import RedisOneUse
from relayd.protocol.disconnect import Disconnect

__all__ = ["RedisPresence"]

CHUNK = 200
"""Places in one command: Redis does nothing else meanwhile, for about three milliseconds."""


class Own(Struct, frozen=True, eq=False):
    """A place on this relay, and the text by which Redis knows it."""

    hold: MemoryHold
    text: bytes


class RedisPresence(MemoryPresence):
    """The Presence port for relays that count together, each alone while it has to."""

    Settings = RedisSettings

    def __init__(self, settings: RedisSettings, observer: Observer) -> None:
        """Begin alone; `run` finds the others."""
        super().__init__()
        self._places = Places(secrets.token_hex(8), prefix=settings.prefix, lease_seconds=settings.lease_seconds)
        self._orders = Orders(self._places.relay, prefix=settings.prefix, database=settings.database)
        self._relay: Obeying | None = None
        self._line = Line(settings, observer)
        self.one_use = RedisOneUse(self._line, prefix=settings.prefix)
        """Which tickets have been used, here or at another relay."""
        self._renew_seconds = settings.lease_seconds / 3
        self._own: dict[str, Own] = {}
        """By connection id."""
        self._freed: list[bytes] = []
        """Texts of places that are held no more, to be taken out there."""
        self._stir = asyncio.Event()

    # -- as a presence ------------------------------------------------------------------------------------------

    async def take(self, holder: Holder, *, evict: Evict) -> MemoryHold:
        """Take a place, that of an older holder of the same session on whatever relay; raises NoPlace."""
        text = self._places.text(holder)
        held = await self._take_there(text)
        if held is not None:
            raise NoPlace(held)
        try:
            hold = await super().take(holder, evict=evict)
        except BaseException:
            self._give_back(text)
            raise
        self._own[holder.connection_id] = Own(hold, text)
        return hold

    def discard(self, hold: MemoryHold) -> None:
        """Free the ticket's place if it still has one, here at once and in Redis soon."""
        super().discard(hold)
        connection_id = hold.holder.connection_id
        own = self._own.get(connection_id)
        if own is None or own.hold is not hold:
            return
        del self._own[connection_id]
        self._give_back(own.text)

    async def of_user(self, user: str) -> Sequence[Holder]:
        """Return the places a user holds on all relays, the oldest first."""
        others = await self._of_others(self._places.of_user(user))
        return in_order([*await super().of_user(user), *others])

    async def of_project(self, project_id: str) -> Sequence[Holder]:
        """Return who watches a project on all relays, the oldest first."""
        others = await self._of_others(self._places.of_project(project_id))
        return in_order([*await super().of_project(project_id), *others])

    async def evict(self, connection_id: str, *, user: str) -> bool:
        """End a connection of that user, on whatever relay it is; False when there is none."""
        if await super().evict(connection_id, user=user):
            return True
        with suppress(Away):
            return bool(await self._line.ask(self._places.end(connection_id, user=user)))
        return False

    # -- as one of several --------------------------------------------------------------------------------------

    @property
    def trouble(self) -> str:
        """Why this relay counts alone; empty while it does not."""
        alone = "places per user are counted, and used tickets known, on this relay alone"
        return f"{self._line.trouble}; {alone}" if self._line.trouble else ""

    async def run(self) -> None:
        """Count together with the others whenever Redis is there, for ever."""
        await self._line.run(self)

    async def close(self) -> None:
        """Give back all places of this relay, so that nobody has to wait until they expire; raises nothing."""
        for own in list(self._own.values()):
            own.hold.release()
        with suppress(Away):
            self._send_freed()
            # In order: when this is answered, the places are free.
            await self._line.ask(("PING",))

    # -- as a tenant of the line --------------------------------------------------------------------------------

    @property
    def channels(self) -> Sequence[str]:
        """Where other relays say which connection has to end, and what operators ordered."""
        return self._places.channel, self._orders.channel

    async def settle(self) -> None:
        """Put in order what may be wrong after a time apart; raises Away."""
        # First who may not be here at all.
        await self._agree()
        await self._put_in_order()

    async def tend(self) -> None:
        """Give back what is freed, at once, and renew all leases in good time; raises Away."""
        loop = asyncio.get_running_loop()
        renewal = loop.time() + self._renew_seconds
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(renewal):
                    await self._stir.wait()
            self._stir.clear()
            self._send_freed()
            if loop.time() >= renewal:
                await self._put_in_order()
                if await self._line.ask(self._orders.count()) < len(self._standing()):
                    # Somebody emptied it.
                    await self._agree()
                renewal = loop.time() + self._renew_seconds

    def heed(self, channel: str, said: bytes) -> None:
        """End the connection that another relay has taken the place of, or its user or an operator wants to end."""
        if channel == self._places.channel:
            self._end(*read_ending(said))
        elif self._relay is not None and (called := self._orders.read(said)) is not None:
            self._relay.heard(called.revoked)
            if called.end is not None:
                self._relay.end_here(called.end, called.sentence)

    # -- as one of several that obey the same orders -------------------------------------------------------------------

    def follow(self, relay: Obeying) -> None:
        """Speak for a relay, from before `run` on."""
        self._relay = relay

    async def spread(self, revocations: Sequence[Revocation]) -> bool:
        """Tell all others; False when Redis is away, and then they are told when it is back."""
        with suppress(Away):
            await self._line.ask(self._orders.keep(revocations))
            return True
        return False

    async def end(self, whom: Whom, sentence: str) -> int | None:
        """End connections on other relays, and return how many places that frees; None when Redis is away."""
        with suppress(Away):
            freed = 0
            # Before they are called: a relay that does not hear it finds the mark, and what it frees can't be counted.
            for held_by in await self._sets(whom):
                ending = Disconnect.ENDED_BY_OPERATOR
                freed += await self._line.ask(
                    self._places.mark(held_by, connection_id=whom.connection_id, ending=ending)
                )
            await self._line.ask(self._orders.end(whom, sentence))
            return freed
        return None

    async def elsewhere(self, whom: Whom) -> Sequence[Holder]:
        """Return the places of a user, or those of a project alone, on other relays, the oldest first."""
        if whom.user is not None:
            return in_order(await self._of_others(self._places.of_user(whom.user)))
        return in_order(await self._of_others(self._places.of_project(whom.project_id or "")))

    # -- what goes over the line --------------------------------------------------------------------------------

    async def _take_there(self, text: bytes) -> Sequence[Holder] | None:
        """Take a place in Redis; return who holds all of them when there is none left, None as well when it is away."""
        try:
            # First those that were given back before: the viewer may have made room for itself.
            self._send_freed()
            held = await self._line.ask(self._places.take(text, limit=self.limit))
        except Away:
            return None
        except asyncio.CancelledError:
            # The viewer left while Redis was asked, and may have been given a place all the same.
            self._give_back(text)
            raise
        return None if held is None else in_order(place.holder for place in read_places(held))

    async def _of_others(self, command: Command) -> list[Holder]:
        """Return the holders on other relays; of this one's its own count knows best."""
        with suppress(Away):
            places = read_places(await self._line.ask(command))
            return [place.holder for place in places if place.relay != self._places.relay]
        return []

    async def _put_in_order(self) -> None:
        """Make what lies in Redis in this relay's name what this relay holds, with a new lease."""
        there = await self._line.ask(self._places.of_relay())
        # Answers come in the order of asking: whoever was given a place before this one is among the own by now.
        held = {own.text for own in self._own.values()}
        self._freed.extend(text for text in there if text not in held)
        self._send_freed()
        ids = list(self._own)
        for first in range(0, len(ids), CHUNK):
            texts = [self._own[one].text for one in ids[first : first + CHUNK] if one in self._own]
            for said in await self._line.ask(self._places.keep(texts)):
                self._end(*read_ending(said))

    def _standing(self) -> Sequence[Revocation]:
        return () if self._relay is None else self._relay.standing()

    async def _agree(self) -> None:
        """Hear all that was ordered elsewhere, and tell what is not known there."""
        there = read_orders(await self._line.ask(self._orders.all()))
        if self._relay is None:
            return
        self._relay.heard(there)
        known = set(there)
        news = [one for one in self._standing() if one not in known]
        for first in range(0, len(news), CHUNK):
            await self._line.ask(self._orders.keep(news[first : first + CHUNK]))

    async def _sets(self, whom: Whom) -> list[str]:
        """Return the names of the sets in which their places lie; a connection's may be any relay's."""
        if whom.user is not None:
            return [f"user:{whom.user}"]
        if whom.project_id is not None:
            return [f"project:{whom.project_id}"]
        found: set[str] = set()
        position = b"0"
        while True:
            position, keys = await self._line.ask(self._places.relays(position))
            found.update(map(self._places.set_name, keys))
            if position == b"0":
                return sorted(found)

    def _give_back(self, text: bytes) -> None:
        # With nobody to tell it to, it is found when somebody is there again.
        if self._line.open:
            self._freed.append(text)
            self._stir.set()

    def _send_freed(self) -> None:
        freed, self._freed = self._freed, []
        for first in range(0, len(freed), CHUNK):
            self._line.tell(self._places.free(freed[first : first + CHUNK]))

    def _end(self, connection_id: str, disconnect: Disconnect) -> None:
        """End a connection whose place Redis has given away; it may have ended by itself."""
        own = self._own.get(connection_id)
        if own is not None:
            # Freed before its owner hears of it: should the callback fail, the place is not renewed for ever.
            self.discard(own.hold)
            own.hold.evict(disconnect)


def in_order(holders: Iterable[Holder]) -> list[Holder]:
    """Return them, the oldest first, as far as the clocks of their relays agree."""
    return sorted(holders, key=lambda holder: holder.since)
