"""Redis, where relays count places together."""

import time
from collections.abc import Iterable

from relayd.config import Config
from relayd.doctor.clock import clock_of
from relayd.doctor.finding import Finding, bad, ok, skipped
from relayd.presence.settings import RedisSettings

__all__ = ["places_of", "shared_of"]

SECONDS = 5.0
SAFE = "noeviction"


def shared_of(config: Config) -> RedisSettings | None:
    """Return where relays count together, None where each counts alone."""
    settings = config.presence_settings
    return settings if isinstance(settings, RedisSettings) else None


async def places_of(settings: RedisSettings) -> Iterable[Finding]:
    """Say whether Redis is there, lets the relay do what it does, and keeps what it is given."""
    # Here and not at the top: the library is an extra that a relay without Redis does not need.
    from relayd.presence.rights import Unwell, visit  # noqa: PLC0415

    looked_at = f"Redis at {settings.address}"
    try:
        seen = await visit(settings, seconds=SECONDS, now=time.time())
    except Unwell as error:
        mend = "see whether it runs, and correct the url of [presence.redis] or the credential redis_url"
        return [bad(looked_at, str(error), mend=mend)]
    findings = [ok(looked_at, f"{f'Redis {seen.version}' if seen.version else 'it'} answers, logged in")]
    if seen.refused:
        found = f"this user may not use {', '.join(seen.refused)} on {settings.prefix}…"
        findings.append(bad("Redis, rights", found, mend="`ACL SETUSER` as docs/operate.md shows it"))
    else:
        findings.append(ok("Redis, rights", f"all that the scripts call, on {settings.prefix}…"))
    if seen.policy is None:
        mend = "`redis-cli config get maxmemory-policy` must say noeviction"
        findings.append(skipped("Redis, maxmemory-policy", "this user may not see it, and need not", mend))
    elif seen.policy == SAFE:
        findings.append(ok("Redis, maxmemory-policy", seen.policy))
    else:
        mend = "`CONFIG SET maxmemory-policy noeviction`: a place that is dropped is one that a user has too many"
        findings.append(bad("Redis, maxmemory-policy", f"{seen.policy} drops places when memory is short", mend=mend))
    return [*findings, clock_of(seen.ahead, f"that of Redis at {settings.address}")]
