"""What tokens are checked with: the keys of the configuration, and those that an issuer publishes."""

import time
from collections import Counter
from collections.abc import Iterable

from relayd.app.settings import publication_of, written_keys_of
from relayd.config import Config
from relayd.doctor.finding import Finding, bad, ok, warn
from relayd.identity.fetch import FetchFailed
from relayd.identity.jwks import KeySet, parse
from relayd.identity.keys import BadKey

__all__ = ["keys_of", "published_of"]

SLOW_SECONDS = 2.0


def keys_of(config: Config) -> Iterable[Finding]:
    """Say which keys stand in the configuration; that they can be used was checked when it was read."""
    looked_at = "token keys"
    if config.auth.mode == "disabled":
        yield warn(
            looked_at, "none are needed: everybody sees everything", mend='set auth.mode = "jwt" unless you try it'
        )
        return
    algorithms = Counter(key.algorithm for key in config.auth.keys)
    written = written_keys_of(config)
    told = [f"{count} for {algorithm}" for algorithm, count in sorted(algorithms.items())]
    told += [counted(written)] if written else []
    if told or not config.auth.jwks.url:
        yield ok(looked_at, ", ".join(told))
    if written is not None:
        yield from _left_out(looked_at, written)


async def published_of(config: Config) -> Iterable[Finding]:
    """Say what the issuer answers, if there is one."""
    publication = publication_of(config)
    if publication is None:
        return []
    looked_at, began = f"keys of {publication.url}", time.monotonic()
    try:
        keys = parse(await publication.fetch(), publication.algorithms)
    except (FetchFailed, BadKey) as error:
        mend = "correct auth.jwks, or see whether this machine may go there (deploy/systemd/jwks.conf)"
        return [bad(looked_at, str(error), mend=mend)]
    took = time.monotonic() - began
    found = f"{counted(keys)}, answered in {took * 1_000:.0f} ms"
    if took > SLOW_SECONDS:
        answer = warn(looked_at, found, mend="a start waits for it: see what makes the issuer slow")
    else:
        answer = ok(looked_at, found)
    return [answer, *_left_out(looked_at, keys)]


def counted(keys: KeySet) -> str:
    """Return how many keys there are for which algorithms."""
    algorithms = {name: len(held) for name, held in keys.ring.by_algorithm.items()}
    return ", ".join(f"{count} for {name} in a JWK set" for name, count in sorted(algorithms.items()))


def _left_out(looked_at: str, keys: KeySet) -> Iterable[Finding]:
    for sentence in keys.left_out:
        yield warn(
            looked_at, f"{sentence}; it is left out", mend="nothing, if it is for others; else auth.jwks.algorithms"
        )
