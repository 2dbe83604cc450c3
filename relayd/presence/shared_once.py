"""
Which tickets have been used, shared by all relays through Redis.

What it inherits is its own memory, which is asked first: what was used here is used, whatever Redis says.  While Redis
is away it decides alone.
"""

from relayd.ports import KEPT_SECONDS
from relayd.presence.line import Away, Line
from relayd.presence.once import MemoryOneUse

__all__ = ["RedisOneUse"]

KEPT_MS = int(KEPT_SECONDS * 1_000)


class RedisOneUse(MemoryOneUse):
    """The OneUse port for relays that know of each other's tickets."""

    def __init__(self, line: Line, *, prefix: str) -> None:
        """Ask over a line that somebody else holds."""
        super().__init__()
        self._line = line
        self._prefix = f"{prefix}ticket:"

    async def use(self, name: bytes, *, now: float) -> bool:
        """Return whether this is its first use at any relay, as far as Redis can be asked; raises TooManyUsed."""
        if not await super().use(name, now=now):
            return False
        try:
            noted = await self._line.ask(("SET", self._prefix + name.hex(), 1, "NX", "PX", KEPT_MS))
        except Away:
            return True
        return noted is not None
