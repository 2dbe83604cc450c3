"""Who is held to the contract, with which tokens, and what is known of its past so far."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from relayd.client.visitor import Answer
from relayd.conformance.reading import Enough, Query, Reading, Way, greeted, read
from relayd.conformance.words import Words
from relayd.doctor.visit import Visit

__all__ = ["SPACING", "Past", "Scene"]

SPACING = 0.06
"""Least seconds between two requests: a user may have twenty a second (section 7)."""
TAIL = 60
MOST_BYTES = 512 * 1024
"""So much of the past is read again and again; a visitor reads a mebibyte."""


class Past(Struct, frozen=True):
    """The newest events of the project as a poll tells them, and what it has passed then."""

    messages: Sequence[Words]
    cursor: str

    @property
    def behind(self) -> Sequence[Words]:
        """What a viewer that has seen the first of them has missed."""
        return self.messages[1:]

    @property
    def first(self) -> str:
        """The id of the first."""
        return str(self.messages[0]["id"])

    @property
    def last(self) -> str:
        """The id of the last."""
        return str(self.messages[-1]["id"])

    @property
    def enough(self) -> bool:
        """There is something to resume from, and something behind it."""
        return len(self.messages) > 1


class Scene:
    """One visit, a request after another."""

    def __init__(
        self,
        visit: Visit,
        *,
        other: str | None = None,
        worker: str | None = None,
        publish_url: str | None = None,
        origin: str | None = None,
        idle_seconds: float = 0.0,
    ) -> None:
        """
        Visit with a viewer's token.

        `other` is a token that does not open the project; `worker` publishes at `publish_url`, or where the visit is.
        """
        self.visit = visit
        self.other = other
        self.worker = worker
        self.publish_url = publish_url or visit.base
        self.origin = origin
        self.idle_seconds = idle_seconds
        self.echoes: list[str] = []
        """In which answers a token came back."""
        self.open = False
        """It was let in, in one way at least."""
        self.spacing = SPACING
        self._past: Past | None = None
        self._next = 0.0

    def bearing(self, token: str) -> Visit:
        """Return the visit of somebody with another token."""
        return msgspec.structs.replace(self.visit, token=token)

    def patient(self) -> Visit:
        """Return a visit that waits as long as it may be idle."""
        return msgspec.structs.replace(self.visit, seconds=self.visit.seconds + self.idle_seconds)

    async def past(self) -> Past:
        """Return the newest events, read once; raises Unreachable."""
        if self._past is None:
            reading = await self.read(Way.POLL, {"tail": str(TAIL)}, greeted)
            kept: list[Words] = []
            nbytes = 0
            for message in reversed(reading.messages):
                nbytes += len(msgspec.json.encode(message))
                if kept and nbytes > MOST_BYTES:
                    break
                kept.append(message)
            self._past = Past(kept[::-1], reading.cursor)
        return self._past

    async def read(self, way: Way, query: Query, enough: Enough, *, visit: Visit | None = None) -> Reading:
        """Return what is heard in one way until it is enough; raises Unreachable before anything came."""
        await self.turn()
        who = visit or self.visit
        reading = await read(who, way, query, enough)
        self.note(who, way.value, reading.said)
        return reading

    async def ask(
        self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET", visit: Visit | None = None
    ) -> Answer:
        """Return the answer to one request, by default with the viewer's token; raises Unreachable."""
        await self.turn()
        who = visit or self.visit
        async with who.visitor() as visitor:
            answer = await visitor.get(path, {**who.bearer, **(headers or {})}, method=method)
        self.note(who, f"{method} {path.partition('?')[0]}, {answer.status}", answer.said)
        return answer

    def note(self, visit: Visit, where: str, said: bytes) -> None:
        """Note where a token came back."""
        if visit.echoed(said):
            self.echoes.append(where)

    async def turn(self) -> None:
        """Wait until the next request keeps the limit."""
        now = time.monotonic()
        self._next = max(now, self._next) + self.spacing
        await asyncio.sleep(self._next - self.spacing - now)

    async def at_peace(self) -> None:
        """Be let in once, so that refusals before are forgotten and the next is not told late; raises Unreachable."""
        await self.ask(self.visit.path("/events?wait=0&tail=0"))
