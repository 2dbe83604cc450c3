"""
How places lie in Redis, and what is done with them there, each in one step.

A place is one text, of a relay and a holder, in three sorted sets: its user's, its relay's and its project's.  Its
score is the millisecond, by the clock of Redis, at which it expires unless it is renewed; nobody else's clock counts.

A connection that has to end, because its place was taken over or its user wants it to, is marked under its id and
called over its relay's channel.  The call is quick and may be lost; the mark is found when the place would be renewed,
so that a place that was taken over never comes back.
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from relayd.ports import Holder
from relayd.presence.line import Command
from relayd.protocol.disconnect import Disconnect

__all__ = ["Place", "Places", "read_ending", "read_places"]

SCANNED = 1_000
"""Keys that Redis looks at in one go, for less than a millisecond."""

COMMON = """
local prefix, lease = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function sets(place)
  local holder = place.holder
  local keys = {prefix .. 'user:' .. holder.user, prefix .. 'relay:' .. place.relay}
  if holder.project_id ~= cjson.null then keys[3] = prefix .. 'project:' .. holder.project_id end
  return keys
end

local function hold(text, place)
  for _, key in ipairs(sets(place)) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    redis.call('ZADD', key, now + lease, text)
    -- A place with a longer lease may lie in the same set.
    if redis.call('PTTL', key) < lease then redis.call('PEXPIRE', key, lease) end
  end
end

local function free(text, place)
  for _, key in ipairs(sets(place)) do redis.call('ZREM', key, text) end
end

local function finish(text, place, ending, caller)
  local id = place.holder.connection_id
  free(text, place)
  redis.call('SET', prefix .. 'ended:' .. id, ending, 'PX', lease)
  -- Whoever calls knows it already.
  if place.relay ~= caller then
    redis.call('PUBLISH', prefix .. 'relay:' .. place.relay, id .. ' ' .. ending)
  end
end
"""

TAKE = f"""{COMMON}
local text, limit = ARGV[3], tonumber(ARGV[4])
local place = cjson.decode(text)
local user, session = sets(place)[1], place.holder.session
redis.call('ZREMRANGEBYSCORE', user, '-inf', now)
local held, taken_over = redis.call('ZRANGE', user, 0, -1), false
if session ~= cjson.null then
  for _, other in ipairs(held) do
    local theirs = cjson.decode(other)
    if theirs.holder.session == session then
      finish(other, theirs, 'REPLACED', place.relay)
      taken_over = true
    end
  end
end
if #held >= limit and not taken_over then return held end
hold(text, place)
return false
"""

KEEP = f"""{COMMON}
local ended = {{}}
for number = 3, #ARGV do
  local place = cjson.decode(ARGV[number])
  local ending = redis.call('GET', prefix .. 'ended:' .. place.holder.connection_id)
  if ending then
    ended[#ended + 1] = place.holder.connection_id .. ' ' .. ending
  else
    hold(ARGV[number], place)
  end
end
return ended
"""

FREE = f"""{COMMON}
for number = 3, #ARGV do free(ARGV[number], cjson.decode(ARGV[number])) end
return false
"""

END = f"""{COMMON}
for _, text in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'user:' .. ARGV[3], '(' .. now, '+inf')) do
  local place = cjson.decode(text)
  if place.holder.connection_id == ARGV[4] then
    finish(text, place, 'NORMAL')
    return 1
  end
end
return 0
"""

MARK = f"""{COMMON}
local marked = 0
for _, text in ipairs(redis.call('ZRANGEBYSCORE', prefix .. ARGV[4], '(' .. now, '+inf')) do
  local place = cjson.decode(text)
  if place.relay ~= ARGV[3] and (ARGV[5] == '' or ARGV[5] == place.holder.connection_id) then
    -- Its relay is called for all of them at once.
    finish(text, place, ARGV[6], place.relay)
    marked = marked + 1
  end
end
return marked
"""

LIST = f"""{COMMON}
return redis.call('ZRANGEBYSCORE', prefix .. ARGV[3], '(' .. now, '+inf')
"""


class Place(Struct, frozen=True):
    """A holder, and the relay that its connection is on."""

    relay: str
    holder: Holder


class Places:
    """What one relay says to Redis; a `text` is a place as `text` returned it."""

    def __init__(self, relay: str, *, prefix: str, lease_seconds: float) -> None:
        """Speak for a relay; `relay` is a name that no other has."""
        self.relay = relay
        self.channel = f"{prefix}relay:{relay}"
        """Where it is called."""
        self._prefix = prefix
        self._common = prefix, int(lease_seconds * 1_000)

    def text(self, holder: Holder) -> bytes:
        """Return the place as it lies in Redis."""
        return msgspec.json.encode(Place(self.relay, holder))

    def take(self, text: bytes, *, limit: int) -> Command:
        """Take a place; the answer is None, or the texts of all places of the user when there is none left."""
        return self._run(TAKE, text, limit)

    def keep(self, texts: Iterable[bytes]) -> Command:
        """Write or renew places, however many they are; the answer is an ending for each that has to end."""
        return self._run(KEEP, *texts)

    def free(self, texts: Iterable[bytes]) -> Command:
        """Give places back; one that is not there any more frees no other."""
        return self._run(FREE, *texts)

    def end(self, connection_id: str, *, user: str) -> Command:
        """Free the place of a connection and call its relay; the answer is 0 when there is none."""
        return self._run(END, user, connection_id)

    def mark(self, held_by: str, *, connection_id: str | None, ending: Disconnect) -> Command:
        """
        Free other relays' places, all in one set or that of a connection; the answer is how many there were.

        `held_by` is `user:…`, `project:…` or `relay:…`.  Relays find the mark when they would renew them.
        """
        return self._run(MARK, self.relay, held_by, connection_id or "", ending.name)

    def relays(self, position: bytes) -> Command:
        """Ask for the names of some relays' sets; the answer is where to go on, `0` at the end, and the keys."""
        return "SCAN", position, "MATCH", f"{glob(self._prefix)}relay:*", "COUNT", SCANNED

    def set_name(self, key: bytes) -> str:
        """Return the name of a set, from its key."""
        return key.decode().removeprefix(self._prefix)

    def of_user(self, user: str) -> Command:
        """Ask for the texts of a user's places."""
        return self._run(LIST, f"user:{user}")

    def of_project(self, project_id: str) -> Command:
        """Ask for the texts of a project's places."""
        return self._run(LIST, f"project:{project_id}")

    def of_relay(self) -> Command:
        """Ask for the texts of the places that lie there in this relay's name."""
        return self._run(LIST, f"relay:{self.relay}")

    def _run(self, script: str, *arguments: str | bytes | int) -> Command:
        return "EVAL", script, 0, *self._common, *arguments


def read_places(texts: Iterable[bytes]) -> list[Place]:
    """Return the places that can be read; one of another version's words counts all the same, but can't be shown."""
    places: list[Place] = []
    for text in texts:
        try:
            places.append(msgspec.json.decode(text, type=Place))
        except msgspec.MsgspecError:
            continue
    return places


def read_ending(said: bytes) -> tuple[str, Disconnect]:
    """Return which connection has to end, and why; a reason of another version's counts as the user's wish."""
    connection_id, _, name = said.decode(errors="replace").partition(" ")
    return connection_id, Disconnect.__members__.get(name, Disconnect.NORMAL)


def glob(text: str) -> str:
    """Return a pattern that matches this text alone."""
    return re.sub(r"[][*?^\\]", r"\\\g<0>", text)
