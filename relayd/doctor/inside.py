"""The round from inside: with the configuration, on the machine of the relay."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from relayd.config import Config
from relayd.doctor.broker import binding_of, bound_of, broker_of, rabbit_of
from relayd.doctor.finding import Finding, ok, skipped
from relayd.doctor.journal import disk_of, file_of, folder_of, journal_at, use_of
from relayd.doctor.places import places_of, shared_of
from relayd.doctor.round import Check, Look
from relayd.doctor.running import admin_url, ask, files_of, listener_of
from relayd.doctor.secrecy import secrets_of, user_of
from relayd.doctor.tokens import keys_of, published_of

__all__ = ["inside"]

ASK_SECONDS = 5.0
CONNECTS = 3
"""A broker is connected to, looked at, and left, each of which may take as long as a connection."""


async def inside(config: Config, path: Path | None, environ: Mapping[str, str]) -> list[Check]:
    """Return the checks of a configuration that could be loaded; the relay is asked, and its journal read, first."""
    running = await ask(admin_url(config), seconds=ASK_SECONDS)
    journal = await asyncio.to_thread(journal_at, Path(config.journal.path)) if config.journal.path else None
    rabbit, redis = rabbit_of(config), shared_of(config)
    checks = [
        Check("configuration", _told([ok("configuration", f"{path or 'the environment'} can be used")])),
        Check("user", _done(lambda: user_of(config))),
        Check("secrets", _done(lambda: secrets_of(path, config, environ))),
        Check("token keys", _done(lambda: keys_of(config))),
        Check("published keys", lambda: published_of(config), seconds=config.auth.jwks.timeout_seconds + ASK_SECONDS),
        Check("admin listener", _done(lambda: listener_of(running))),
        Check("open files", _done(lambda: files_of(running, config))),
    ]
    if journal is None:
        checks.append(
            Check("journal", _told([skipped("journal", "none is configured: the past ends with the process")]))
        )
    else:
        checks += [
            Check("journal's folder", _done(lambda: [folder_of(journal.path)])),
            Check("journal's disk", _done(lambda: [disk_of(config, journal)])),
            Check("journal", _done(lambda: [file_of(journal, now=time.time()), use_of(journal, running)])),
        ]
    if rabbit is None:
        source = config.source.use
        checks.append(Check("RabbitMQ", _told([skipped("RabbitMQ", f'source.use is "{source}"')])))
    else:
        position = journal.inspection.position if journal is not None and journal.inspection is not None else None
        seconds = CONNECTS * rabbit.connect_seconds
        looked_at = f"RabbitMQ at {rabbit.address}"
        checks.append(Check(looked_at, lambda: broker_of(rabbit, running, position), seconds=seconds))
        checks.append(Check("binding", _done(lambda: [binding_of(rabbit, running, now=time.time())])))
        checks.append(Check("bindings", _done(lambda: bound_of(rabbit, running, now=time.time()))))
    if redis is None:
        why = "each relay counts for itself, and there is no other clock to compare with (--url does)"
        checks.append(Check("Redis", _told([skipped("Redis, clock", why)])))
    else:
        checks.append(Check(f"Redis at {redis.address}", lambda: places_of(redis)))
    return checks


def _told(findings: Iterable[Finding]) -> Look:
    return _done(lambda: findings)


def _done(look: Callable[[], Iterable[Finding]]) -> Look:
    """Return the same look, in a thread: files may lie on a disk that hangs."""

    async def later() -> Iterable[Finding]:
        return await asyncio.to_thread(lambda: list(look()))

    return later
