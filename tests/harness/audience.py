"""Viewers that write down what they are shown, for the checker, and come back with their cursor, over any transport."""

import asyncio
import math
import time
from array import array
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import Self

import aiohttp

from tests.harness.checker import GAP, Gap, Key, Report, check
from tests.harness.settled import Addresses
from tests.harness.viewer import narrow_socket
from tests.harness.ways import AwayError, Heard, Way, many, polls, socket, stream

__all__ = ["TRANSPORTS", "Audience", "Manner", "Onlooker", "Pause", "VanishedError"]

TRANSPORTS = ("websocket", "legacy", "sse", "longpoll")
"""The ways to watch one project; `many` is the socket for several."""

AGAIN_SECONDS = 0.1
"""Pause before somebody who was cut off tries again, at the least."""

TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10)

MAX_LINE = 2**20
NARROW_LINE = 2**17
"""The client's own buffer of a narrow stream; it takes lines of twice as much, and an envelope is no longer."""

Manner = Callable[[int], Awaitable[None]]
"""How somebody reads: awaited behind each message, with how many of them there were."""


class VanishedError(Exception):
    """Raised by a manner: this one goes without a word and never comes back."""


@dataclass
class Pause:
    """A time without the relay, from the cut to the next welcome."""

    began: float
    advised: float = 0.0
    """Seconds that it was told to wait before it tries, and did."""
    tries: int = 0
    ended: float | None = None

    @property
    def seconds(self) -> float:
        """How long it was; endless if it is not over."""
        return math.inf if self.ended is None else self.ended - self.began


@dataclass
class Onlooker:
    """
    One viewer until it has seen the last event of each of its projects.

    `awaits` are the keys of those last events by project; a `restless` one leaves after some messages, at a place that
    its random numbers choose, and comes back over any of its transports.  An `obedient` one waits until it may come
    back.
    """

    name: str
    relay: Addresses
    http: aiohttp.ClientSession
    transports: Sequence[str]
    awaits: Mapping[str, Key]
    query: Mapping[str, str] = field(default_factory=dict)
    restless: Random | None = None
    manner: Manner | None = None
    obedient: bool = False
    seen: dict[str, list[Key | Gap]] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)
    welcomed: set[str] = field(default_factory=set)
    legs: int = 0
    """How often it connected."""
    away: int = 0
    """How often it found nobody, or was cut off."""
    pauses: list[Pause] = field(default_factory=list)
    heard: int = 0
    """How many messages came, whatever they were."""
    folds: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """By project: how many events it had seen by an envelope's end, and how many that one said it left out."""
    delays: "array[float]" = field(default_factory=lambda: array("d"))
    """Seconds from the relay's having an event to its being seen."""
    unfinished: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin with nothing seen."""
        self.unfinished = set(self.awaits)
        self.seen = {project_id: [] for project_id in self.awaits}
        self.folds = {project_id: [] for project_id in self.awaits}

    @property
    def present(self) -> bool:
        """Whether it was told of every project that it is connected."""
        return self.welcomed == set(self.awaits)

    @property
    def events(self) -> int:
        """How many events it saw."""
        return sum(map(len, self.seen.values()))

    @property
    def gaps(self) -> int:
        """How many gaps it was told."""
        return sum(keys.count(GAP) for keys in self.seen.values())

    async def look(self) -> None:
        """Watch to the end, whatever cuts happen; raises RefusedError."""
        while self.unfinished:
            try:
                await self._leg()
            except VanishedError:
                return
            except AwayError as away:
                self.away += 1
                await self._pause(away)

    async def _leg(self) -> None:
        transport = self.transports[0] if self.restless is None else self.restless.choice(self.transports)
        left = None if self.restless is None else self.restless.randint(1, 60)
        self.legs += 1
        async with aclosing(self._heard(transport)) as heard:
            async for each in heard:
                self._note(each)
                if each.message is not None and left is not None:
                    left -= 1
                if not self.unfinished or left == 0:
                    return
                if self.manner is not None:
                    await self.manner(self.heard)

    async def _pause(self, away: AwayError) -> None:
        if not self.pauses or self.pauses[-1].ended is not None:
            self.pauses.append(Pause(time.monotonic()))
        wait = max(AGAIN_SECONDS, away.retry_after if self.obedient else 0.0)
        self.pauses[-1].advised += wait
        self.pauses[-1].tries += 1
        await asyncio.sleep(wait)

    def _heard(self, transport: str) -> AsyncGenerator[Heard]:
        token = self.relay.token(self.name, projects=self.awaits)
        way = Way(self.relay, self.http, token, self.query, narrow=self.manner is not None)
        if transport == "many":
            return many(way, {project_id: self.cursors.get(project_id) for project_id in self.awaits})
        (project_id,) = self.awaits
        after = self.cursors.get(project_id)
        if transport == "sse":
            return stream(way, project_id, after)
        if transport == "longpoll":
            return polls(way, project_id, after)
        return socket(way, project_id, after, legacy=transport == "legacy")

    def _note(self, heard: Heard) -> None:
        message = heard.message
        if message is None:
            (project_id,) = self.awaits
        else:
            self.heard += 1
            project_id = str(message["project_id"])
            if message["type"] == "connection_established":
                self.welcomed.add(project_id)
                if self.pauses and self.pauses[-1].ended is None:
                    self.pauses[-1].ended = time.monotonic()
                if message["replay"] == "gap":
                    self.seen[project_id].append(GAP)
            elif "id" in message:
                key = (project_id, int(message["key"])) if "key" in message else message["id"]
                self.seen[project_id].append(key)
                self.delays.append(time.time() - message["received_at"])
                if key == self.awaits[project_id]:
                    self.unfinished.discard(project_id)
        if heard.collapsed:
            self.folds[project_id].append((len(self.seen[project_id]), heard.collapsed))
        if heard.cursor:
            self.cursors[project_id] = heard.cursor


Published = Callable[[Onlooker, str], Sequence[Key]]
"""Tells what a viewer was to see of a project."""


class Audience:
    """Many onlookers at once; leave the block and all of them are gone."""

    def __init__(self, relay: Addresses, *, seed: int = 0, obedient: bool = False) -> None:
        """Watch a relay; `seed` decides where the restless ones leave."""
        self.relay = relay
        self.obedient = obedient
        self.random = Random(seed)
        self.onlookers: list[Onlooker] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._http: dict[str | None, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        """Open the clients that all of them share."""
        self.http = self._client(None)
        connector = aiohttp.TCPConnector(limit=0, socket_factory=lambda _: narrow_socket())
        self.narrow_http = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, read_bufsize=NARROW_LINE)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send all of them away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for http in (self.narrow_http, *self._http.values()):
            await http.close()

    def admit(
        self,
        name: str,
        transports: Sequence[str],
        awaits: Mapping[str, Key],
        *,
        restless: bool = False,
        manner: Manner | None = None,
        query: Mapping[str, str] | None = None,
        relay: Addresses | None = None,
    ) -> Onlooker:
        """Let one more watch, by a way in of its own if one is given, under a user of its own, and return it."""
        relay = relay or self.relay
        onlooker = Onlooker(
            name=name,
            relay=relay,
            http=self._client(relay.comes_from) if manner is None else self.narrow_http,
            transports=transports,
            awaits=awaits,
            query=query or {},
            restless=Random(self.random.random()) if restless else None,
            manner=manner,
            obedient=self.obedient,
        )
        self.onlookers.append(onlooker)
        self._tasks.append(asyncio.create_task(onlooker.look(), name=name))
        return onlooker

    def _client(self, comes_from: str | None) -> aiohttp.ClientSession:
        """Return the client of those who come from an address; they share it."""
        if comes_from not in self._http:
            address = None if comes_from is None else (comes_from, 0)
            connector = aiohttp.TCPConnector(limit=0, local_addr=address)
            self._http[comes_from] = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, read_bufsize=MAX_LINE)
        return self._http[comes_from]

    @property
    def events(self) -> int:
        """How many events they saw, all together."""
        return sum(one.events for one in self.onlookers)

    async def until_present(self, *, seconds: float = 30) -> None:
        """Return when all of them are connected; raises what one of them raised, or AssertionError when time is up."""
        await self.until(lambda: all(one.present for one in self.onlookers), "not connected", seconds)

    async def until_seen(self, keys: int, *, seconds: float = 60) -> None:
        """Return when they saw so many events, all together; raises like `until_present`."""
        await self.until(lambda: self.events >= keys, f"{keys} events not seen", seconds)

    async def until_done(self, *, seconds: float = 60) -> None:
        """Return when all of them saw their last event; raises what one raised, or AssertionError when time is up."""
        await self.until(lambda: all(task.done() for task in self._tasks), "not done", seconds)
        self.ask()

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Return when a condition holds; raises what one of them raised, or AssertionError when time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not condition():
            self.ask()
            late = [
                f"{one.name} lacks {sorted(one.unfinished)[:3]}"
                for one, task in zip(self.onlookers, self._tasks, strict=True)
                if not task.done()
            ]
            assert loop.time() < deadline, f"{what} after {seconds:g} s: {late[:5]} of {len(late)}"
            await asyncio.sleep(0.02)

    def ask(self) -> None:
        """Raise what one of them raised, if one did."""
        for task in self._tasks:
            if task.done():
                task.result()

    def broken(self, published: Published) -> dict[str, str]:
        """Return what the checker says of everybody who missed something or was told a gap, by `viewer/project`."""
        reports = self.reports(published, self.onlookers)
        return {name: str(report) for name, report in reports.items() if report.verdict != "whole"}

    @staticmethod
    def reports(published: Published, onlookers: Iterable[Onlooker]) -> dict[str, Report]:
        """Return what the checker says of these, by `viewer/project`."""
        return {
            f"{one.name}/{project_id}": check(published(one, project_id), seen)
            for one in onlookers
            for project_id, seen in one.seen.items()
        }
