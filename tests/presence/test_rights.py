import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from relayd.presence import places
from relayd.presence.rights import NEEDED, Unwell, visit
from relayd.presence.settings import RedisSettings
from tests.harness.process import free_port
from tests.harness.redis import PrivateRedis

ENOUGH = "~relayd:* &relayd:* +@read +@write +@scripting +@pubsub +@connection +time"
"""What docs/operate.md says."""


@pytest.fixture
async def admin(redis: PrivateRedis) -> AsyncIterator[Any]:
    """Somebody who may do everything; what was given to others is taken back."""
    admin: Any = Redis.from_url(redis.url)
    async with admin:
        yield admin
        await admin.execute_command("ACL", "DELUSER", "visitor")
        await admin.config_set("maxmemory-policy", "noeviction")


async def visiting(redis: PrivateRedis, admin: Any, rules: str) -> RedisSettings:  # noqa: ANN401
    """Return the settings of a user with these rights."""
    await admin.execute_command("ACL", "SETUSER", "visitor", "reset", "on", ">secret", *rules.split())
    return RedisSettings.model_validate({"url": redis.url.replace("//", "//visitor:secret@")})


def test_what_is_tried_is_what_the_scripts_call() -> None:
    """Whoever adds a command to a script finds out here that a doctor has to ask for it."""
    scripts = places.TAKE + places.KEEP + places.FREE + places.END + places.LIST
    assert set(re.findall(r"redis\.call\('(\w+)'", scripts)) == set(NEEDED)


async def test_the_rights_of_the_handbook_are_enough(redis: PrivateRedis, admin: Any) -> None:  # noqa: ANN401
    """And nothing is left behind; version and policy are not for such a user to see."""
    settings = await visiting(redis, admin, ENOUGH)
    seen = await visit(settings, seconds=10, now=time.time())
    assert ((), None, None) == (seen.refused, seen.version, seen.policy)
    assert -2 < seen.ahead < 2
    assert [] == await admin.keys("relayd:user:doctor-*")


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        (f"{ENOUGH} -zadd", ("ZADD",)),
        (f"{ENOUGH} -@pubsub", ("PUBLISH", "SUBSCRIBE")),
        (ENOUGH.replace("+@scripting", ""), ("EVAL",)),
        (ENOUGH.replace("+time", ""), ("TIME",)),
        (ENOUGH.replace("~relayd:*", "~other:*"), tuple(name for name in NEEDED if name not in {"TIME", "PUBLISH"})),
    ],
    ids=["a command", "channels", "scripts", "time", "other keys"],
)
async def test_what_is_missing_is_named(
    redis: PrivateRedis,
    admin: Any,  # noqa: ANN401
    rules: str,
    refused: tuple[str, ...],
) -> None:
    """By command, so that one knows what to give."""
    settings = await visiting(redis, admin, rules)
    assert refused == (await visit(settings, seconds=10, now=time.time())).refused


async def test_who_may_ask_sees_the_policy(redis: PrivateRedis, admin: Any) -> None:  # noqa: ANN401
    """And a clock that differs from the one that was given."""
    await admin.config_set("maxmemory-policy", "allkeys-lru")
    seen = await visit(RedisSettings.model_validate({"url": redis.url}), seconds=10, now=time.time() - 60)
    assert "allkeys-lru" == seen.policy
    assert seen.version is not None
    assert 58 < seen.ahead < 62


async def test_who_is_not_let_in_is_told(redis: PrivateRedis) -> None:
    """As Redis says it."""
    settings = RedisSettings.model_validate({"url": redis.url.replace("//", "//visitor:wrong@")})
    with pytest.raises(Unwell, match="username-password"):
        await visit(settings, seconds=10, now=0)


async def test_nobody_there_is_told() -> None:
    """In the words of the system."""
    settings = RedisSettings.model_validate({"url": f"redis://127.0.0.1:{free_port()}/0"})
    with pytest.raises(Unwell, match="Error 111"):
        await visit(settings, seconds=10, now=0)


async def test_a_frozen_one_is_not_waited_for(redis: PrivateRedis) -> None:
    """It takes connections as the kernel does for it, and keeps nobody."""
    settings = RedisSettings.model_validate({"url": redis.url})
    async with redis.frozen():
        with pytest.raises(Unwell, match=r"no answer within 0\.3 s"):
            await visit(settings, seconds=0.3, now=0)
