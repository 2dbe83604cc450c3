"""
How operators' orders lie in Redis, and how relays call them to one another.

What was ordered about tokens is a hash, `user:…` or `token:…` → the order; beside it a sorted set says when each may be
forgotten, and both expire with the last of them.  An order takes the place of an older one only, in one step, and is
called on a channel that all relays hear.  What is to end is only called.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from relayd.core.revocations import Revocation
from relayd.ports import Whom
from relayd.presence.line import Command

__all__ = ["Orders", "Said", "read_orders"]

KEEP = """
local prefix, relay, channel = ARGV[1], ARGV[2], ARGV[3]
local orders, times = prefix .. 'revoked', prefix .. 'revoked-until'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

for _, over in ipairs(redis.call('ZRANGEBYSCORE', times, '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('HDEL', orders, over)
  redis.call('ZREM', times, over)
end

local function supersedes(one, other)
  if one.at ~= other.at then return one.at > other.at end
  local back, was_back = one.taken_back == true, other.taken_back == true
  if back ~= was_back then return was_back end
  return one['until'] > other['until']
end

local news = {}
for number = 4, #ARGV do
  local one = cjson.decode(ARGV[number])
  local subject, over = one.kind .. ':' .. one.name, math.floor(one['until'] * 1000)
  local before = redis.call('HGET', orders, subject)
  if over > now and (not before or supersedes(one, cjson.decode(before))) then
    redis.call('HSET', orders, subject, ARGV[number])
    redis.call('ZADD', times, over, subject)
    for _, key in ipairs({orders, times}) do
      if redis.call('PTTL', key) < over - now then redis.call('PEXPIRE', key, over - now) end
    end
    news[#news + 1] = ARGV[number]
  end
end
if #news > 0 then
  redis.call('PUBLISH', channel, '{"relay":"' .. relay .. '","revoked":[' .. table.concat(news, ',') .. ']}')
end
return #news
"""


class Said(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one relay calls to all."""

    relay: str
    revoked: list[Revocation] = []
    end: Whom | None = None
    sentence: str = ""


class Orders:
    """What one relay says to Redis about orders."""

    def __init__(self, relay: str, *, prefix: str, database: int) -> None:
        """Speak for a relay; `relay` is a name that no other has."""
        self._relay = relay
        self._prefix = prefix
        # Channels belong to no database, and relays of another one obey somebody else.
        self.channel = f"{prefix}orders:{database}"
        """Where all relays hear of them."""

    def keep(self, orders: Iterable[Revocation]) -> Command:
        """Keep and call those that are news there; the answer is how many are."""
        return "EVAL", KEEP, 0, self._prefix, self._relay, self.channel, *map(msgspec.json.encode, orders)

    def count(self) -> Command:
        """Ask how many are kept."""
        return "HLEN", f"{self._prefix}revoked"

    def all(self) -> Command:
        """Ask for the texts of all that are kept."""
        return "HVALS", f"{self._prefix}revoked"

    def end(self, whom: Whom, sentence: str) -> Command:
        """Call who has to end."""
        said = Said(relay=self._relay, end=whom, sentence=sentence)
        return "PUBLISH", self.channel, msgspec.json.encode(said)

    def read(self, said: bytes) -> Said | None:
        """Return what another relay called; None for one's own, and for what another version has other words for."""
        try:
            called = msgspec.json.decode(said, type=Said)
        except msgspec.MsgspecError:
            return None
        return None if called.relay == self._relay else called


def read_orders(texts: Iterable[bytes]) -> Sequence[Revocation]:
    """Return the orders that can be read."""
    orders: list[Revocation] = []
    for text in texts:
        try:
            orders.append(msgspec.json.decode(text, type=Revocation))
        except msgspec.MsgspecError:
            continue
    return orders
