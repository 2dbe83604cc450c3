"""
Whether a user of Redis may do what relays do there, found out without changing anything.

Each command of the scripts is tried on keys of their kind that nobody has, in a form that does nothing to such a key:
what is checked is the real permission, of the command and of the key.
"""

import asyncio
import secrets
from typing import Any

import msgspec
from msgspec import Struct

from relayd.presence.settings import RedisSettings

try:
    from redis.asyncio import Redis
    from redis.exceptions import NoPermissionError, RedisError
except ModuleNotFoundError as error:
    raise ImportError("the library redis is not installed; install relayd[redis]") from error

__all__ = ["NEEDED", "Unwell", "Visit", "visit"]

NEEDED: dict[str, tuple[str, ...]] = {
    "TIME": (),
    "GET": ("KEY",),
    "SET": ("KEY", "x", "XX", "PX", "1"),
    "PTTL": ("KEY",),
    "PEXPIRE": ("KEY", "1"),
    "ZADD": ("KEY", "XX", "1", "x"),
    "ZREM": ("KEY", "x"),
    "ZRANGE": ("KEY", "0", "-1"),
    "ZRANGEBYSCORE": ("KEY", "-inf", "+inf"),
    "ZREMRANGEBYSCORE": ("KEY", "-inf", "0"),
    "PUBLISH": ("KEY", "x"),
}
"""What the scripts call, and arguments that change nothing: `XX` sets only what is there, and KEY is not."""

TRY = """
local refused = {}
for _, words in ipairs(cjson.decode(ARGV[1])) do
  local answer = redis.pcall(unpack(words))
  if type(answer) == 'table' and answer.err then refused[#refused + 1] = words[1] end
end
return refused
"""


class Unwell(Exception):
    """Redis can't be asked; the message is the rest of a sentence."""


class Visit(Struct, frozen=True, kw_only=True):
    """What was found."""

    ahead: float
    """Seconds by which its clock is ahead of the one that was given."""
    refused: tuple[str, ...]
    """Commands that this user may not use on our keys and channels."""
    version: str | None
    """None where the user may not ask."""
    policy: str | None
    """`maxmemory-policy`, None where the user may not ask."""


async def visit(settings: RedisSettings, *, seconds: float, now: float) -> Visit:
    """Return what is found within `seconds` at the Unix time `now`; raises Unwell."""
    try:
        async with asyncio.timeout(seconds), Redis.from_url(settings.url.get_secret_value(), protocol=2) as redis:
            return await _look(redis, settings.prefix, now)
    except TimeoutError as error:
        raise Unwell(f"no answer within {seconds:g} s") from error
    except (RedisError, OSError) as error:
        raise Unwell(str(error) or type(error).__name__) from error


async def _look(redis: Any, prefix: str, now: float) -> Visit:  # noqa: ANN401  # the library's types say less than none
    began = asyncio.get_running_loop().time()
    await redis.ping()
    key = f"{prefix}user:doctor-{secrets.token_hex(8)}"
    refused = await _refused(redis, key)
    told = {} if "TIME" in refused else {"time": await redis.time()}
    spent = asyncio.get_running_loop().time() - began
    seconds, micros = told.get("time", (now + spent, 0))
    try:
        info = await redis.info()
    except NoPermissionError:
        info = {}
    return Visit(
        ahead=seconds + micros / 1e6 - (now + spent),
        refused=refused,
        version=info.get("redis_version"),
        policy=info.get("maxmemory_policy"),
    )


async def _refused(redis: Any, key: str) -> tuple[str, ...]:  # noqa: ANN401  # as above
    words = [[name, *(key if word == "KEY" else word for word in rest)] for name, rest in NEEDED.items()]
    refused: list[str] = []
    try:
        refused += [name.decode() for name in await redis.eval(TRY, 0, msgspec.json.encode(words))]
    except NoPermissionError:
        return ("EVAL",)
    try:
        async with redis.pubsub() as channel:
            await channel.subscribe(key)
            await channel.parse_response(block=True)
    except NoPermissionError:
        refused.append("SUBSCRIBE")
    return tuple(refused)
