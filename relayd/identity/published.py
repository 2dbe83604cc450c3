"""
The keys that an issuer publishes: read again and again, kept while nobody answers, and given up when they are too old.

Law 1: no token waits.  It is checked with the keys that are here; when its own is not among them it is refused, and the
issuer is asked meanwhile.
Law 2: one document takes the place of another whole, or not at all; a bad one is as if none had come.
Law 3: however many strangers name keys that there are not, the issuer is asked once a cooldown for all of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import uniform

from msgspec import Struct

from relayd.identity.fetch import FetchFailed
from relayd.identity.jwks import KeySet, parse
from relayd.identity.keys import BadKey, KeyRing
from relayd.ports import Clock, Observer

__all__ = ["COOLDOWN", "Publication", "PublishedKeys"]

COOLDOWN = 30.0
"""Seconds between two readings that strangers' tokens bring about."""

FIRST_RETRY, LONGEST_RETRY = 1.0, 60.0
"""Seconds before an issuer that did not answer is asked again."""

SPREAD = 0.2
"""Part by which a pause may be shorter: relays that were started together must not all ask at once for ever."""

DOUBLINGS = 16

NO_KEYS = KeyRing()


class Publication(Struct, frozen=True, kw_only=True):
    """Where keys are published, and how they are used; times in seconds."""

    url: str
    algorithms: tuple[str, ...]
    refresh: float
    max_stale: float
    fetch: Callable[[], Awaitable[bytes]]
    """Returns the document; raises FetchFailed."""


class Standing(Struct, kw_only=True):
    """How we stand with one issuer."""

    publication: Publication
    since: float
    """When its keys were read, or were first to be; the monotonic clock's seconds."""
    keys: KeySet | None = None
    read: bool = False
    """There were keys once, so where there are none they were given up."""
    failures: int = 0
    """Readings that came to nothing since the last one that did not."""
    why: str = "it has not been asked yet"


class PublishedKeys:
    """The Published of one issuer, or of none."""

    def __init__(self, publication: Publication | None, *, clock: Clock, observer: Observer) -> None:
        """Know nothing yet; `renew` and `run` do."""
        self._clock = clock
        self._observer = observer
        self._generation = 0
        self._standing: Standing | None = None
        self._due = self._next_extra = clock.monotonic()
        self._woken = asyncio.Event()
        self._expiry: asyncio.TimerHandle | None = None
        self.follow(publication)

    # -- what tokens are checked with ---------------------------------------------------------------------------

    @property
    def ring(self) -> KeyRing | None:
        """The keys that hold now; None while it is not known which do."""
        if self._standing is None:
            return NO_KEYS
        return None if self._standing.keys is None else self._standing.keys.ring

    @property
    def generation(self) -> int:
        """A number that grows whenever `ring` becomes another."""
        return self._generation

    def missed(self) -> None:
        """Ask the issuer soon, in case it has a new key."""
        at = max(self._clock.monotonic(), self._next_extra)
        if at < self._due:
            self._next_extra = at + COOLDOWN
            self._ask(at)

    # -- what operators see -------------------------------------------------------------------------------------

    def age(self) -> float | None:
        """Return the seconds since the keys were read, or since they were first to be; None without an issuer."""
        return None if self._standing is None else self._clock.monotonic() - self._standing.since

    def trouble(self) -> str | None:
        """Return why tokens can't be checked, None when they can."""
        standing = self._standing
        if standing is None or standing.keys is not None:
            return None
        url, longest = standing.publication.url, standing.publication.max_stale
        if standing.read:
            return f"the keys of {url} are older than {longest:g} s and hold no more: {standing.why}"
        return f"the keys of {url} have not been read yet: {standing.why}"

    # -- what keeps them new ------------------------------------------------------------------------------------

    def follow(self, publication: Publication | None) -> None:
        """Read from there from now on, at once; the keys stay where address and algorithms do."""
        before, held, now = self._standing, self.ring, self._clock.monotonic()
        self._standing = None if publication is None else Standing(publication=publication, since=now)
        if before and self._standing and alike(before.publication, self._standing.publication):
            self._standing.keys = before.keys
            self._standing.since = before.since
            self._standing.read = before.read
        if self.ring is not held:
            self._generation += 1
        self._watch_age()
        self._ask(now)

    async def run(self) -> None:
        """Read them whenever it is time, for ever."""
        while True:
            self._woken.clear()
            wait = None if self._standing is None else self._due - self._clock.monotonic()
            if wait is not None and wait <= 0:
                await self.renew()
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._woken.wait()

    async def renew(self) -> None:
        """Read them once; whatever comes of it is told, and nothing is raised for it."""
        standing = self._standing
        if standing is None:
            return
        try:
            keys = parse(await standing.publication.fetch(), standing.publication.algorithms)
        except (FetchFailed, BadKey) as error:
            self._fail(standing, str(error))
        else:
            self._take(standing, keys)

    def _ask(self, at: float) -> None:
        self._due = at
        self._woken.set()

    def _take(self, standing: Standing, keys: KeySet) -> None:
        if standing is not self._standing:
            # Another one is followed by now, and whose keys these are is not.
            return
        publication = standing.publication
        changed = standing.keys is None or standing.keys.keys != keys.keys
        if changed:
            standing.keys = keys
            self._generation += 1
        if changed or standing.failures:
            told = {"url": publication.url, "kids": keys.kids, "left_out": keys.left_out}
            self._observer.noticed("jwks_read", told)
        standing.read, standing.failures, standing.why = True, 0, "it has not answered since"
        standing.since = self._clock.monotonic()
        self._due = standing.since + publication.refresh * uniform(1 - SPREAD, 1)  # noqa: S311 - a pause, no secret
        self._watch_age()

    def _fail(self, standing: Standing, why: str) -> None:
        if standing is not self._standing:
            return
        publication = standing.publication
        standing.failures += 1
        standing.why = why
        pause = min(FIRST_RETRY * 2.0 ** min(standing.failures - 1, DOUBLINGS), LONGEST_RETRY, publication.refresh)
        self._due = self._clock.monotonic() + pause * uniform(1 - SPREAD, 1)  # noqa: S311 - a pause, no secret
        if standing.failures == 1:
            # Once: it is asked again every minute, and how long that lasts is in the metrics.
            self._observer.noticed("jwks_not_read", {"level": "warning", "url": publication.url, "detail": why})

    def _watch_age(self) -> None:
        """Give the keys up in time, whatever becomes of those who read them."""
        if self._expiry is not None:
            self._expiry.cancel()
        if self._standing is not None and self._standing.keys is not None:
            left = self._standing.since + self._standing.publication.max_stale - self._clock.monotonic()
            self._expiry = asyncio.get_running_loop().call_later(left, self._expire, self._standing)

    def _expire(self, standing: Standing) -> None:
        standing.keys = None
        self._generation += 1
        told = {"level": "error", "url": standing.publication.url, "detail": standing.why}
        self._observer.noticed("jwks_expired", told)


def alike(before: Publication, after: Publication) -> bool:
    """Return whether the keys of one are those of the other."""
    return (before.url, before.algorithms) == (after.url, after.algorithms)
