"""Viewers that write down what they are shown, for the checker, and come back with their cursor, over any transport."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import Self

import aiohttp

from tests.harness.checker import GAP, Gap, Key, check
from tests.harness.settled import Addresses
from tests.harness.ways import AwayError, Heard, Way, many, polls, socket, stream

__all__ = ["TRANSPORTS", "Audience", "Onlooker"]

TRANSPORTS = ("websocket", "legacy", "sse", "longpoll")
"""The ways to watch one project; `many` is the socket for several."""

AGAIN_SECONDS = 0.1
"""Pause before somebody who was cut off tries again."""

MAX_LINE = 2**20


@dataclass
class Onlooker:
    """
    One viewer until it has seen the last event of each of its projects.

    `awaits` are the keys of those last events by project; a `restless` one leaves after some messages, at a place that
    its random numbers choose, and comes back over any of its transports.
    """

    name: str
    relay: Addresses
    http: aiohttp.ClientSession
    transports: Sequence[str]
    awaits: Mapping[str, Key]
    query: Mapping[str, str] = field(default_factory=dict)
    restless: Random | None = None
    seen: dict[str, list[Key | Gap]] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)
    welcomed: set[str] = field(default_factory=set)
    legs: int = 0
    """How often it connected."""
    away: int = 0
    """How often it found nobody, or was cut off."""
    unfinished: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin with nothing seen."""
        self.unfinished = set(self.awaits)
        self.seen = {project_id: [] for project_id in self.awaits}

    @property
    def present(self) -> bool:
        """Whether it was told of every project that it is connected."""
        return self.welcomed == set(self.awaits)

    @property
    def events(self) -> int:
        """How many events it saw."""
        return sum(map(len, self.seen.values()))

    async def look(self) -> None:
        """Watch to the end, whatever cuts happen; raises RefusedError."""
        while self.unfinished:
            try:
                await self._leg()
            except AwayError:
                self.away += 1
                await asyncio.sleep(AGAIN_SECONDS)

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

    def _heard(self, transport: str) -> AsyncGenerator[Heard]:
        way = Way(self.relay, self.http, self.relay.token(self.name, projects=self.awaits), self.query)
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
            project_id = str(message["project_id"])
            if message["type"] == "connection_established":
                self.welcomed.add(project_id)
                if message["replay"] == "gap":
                    self.seen[project_id].append(GAP)
            elif "id" in message:
                key = (project_id, int(message["key"])) if "key" in message else message["id"]
                self.seen[project_id].append(key)
                if key == self.awaits[project_id]:
                    self.unfinished.discard(project_id)
        if heard.cursor:
            self.cursors[project_id] = heard.cursor


class Audience:
    """Many onlookers at once; leave the block and all of them are gone."""

    def __init__(self, relay: Addresses, *, seed: int = 0) -> None:
        """Watch a relay; `seed` decides where the restless ones leave."""
        self.relay = relay
        self.random = Random(seed)
        self.onlookers: list[Onlooker] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Open the client that all of them share."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        connector = aiohttp.TCPConnector(limit=0)
        self.http = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=MAX_LINE)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send all of them away."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.http.close()

    def admit(
        self,
        name: str,
        transports: Sequence[str],
        awaits: Mapping[str, Key],
        *,
        restless: bool = False,
        query: Mapping[str, str] | None = None,
    ) -> Onlooker:
        """Let one more watch, under a user of its own, and return it."""
        onlooker = Onlooker(
            name=name,
            relay=self.relay,
            http=self.http,
            transports=transports,
            awaits=awaits,
            query=query or {},
            restless=Random(self.random.random()) if restless else None,
        )
        self.onlookers.append(onlooker)
        self._tasks.append(asyncio.create_task(onlooker.look(), name=name))
        return onlooker

    @property
    def events(self) -> int:
        """How many events they saw, all together."""
        return sum(one.events for one in self.onlookers)

    async def until_present(self, *, seconds: float = 30) -> None:
        """Return when all of them are connected; raises what one of them raised, or AssertionError when time is up."""
        await self._until(lambda: all(one.present for one in self.onlookers), "not connected", seconds)

    async def until_seen(self, keys: int, *, seconds: float = 60) -> None:
        """Return when they saw so many events, all together; raises like `until_present`."""
        await self._until(lambda: self.events >= keys, f"{keys} events not seen", seconds)

    async def until_done(self, *, seconds: float = 60) -> None:
        """Return when all of them saw their last event; raises what one raised, or AssertionError when time is up."""
        await self._until(lambda: all(task.done() for task in self._tasks), "not done", seconds)

    def broken(self, published: Callable[[Onlooker, str], Sequence[Key]]) -> dict[str, str]:
        """
        Return what the checker says of everybody who missed something or was told a gap, by `viewer/project`.

        `published` tells what a viewer was to see of a project.
        """
        reports = {
            f"{one.name}/{project_id}": check(published(one, project_id), seen)
            for one in self.onlookers
            for project_id, seen in one.seen.items()
        }
        return {name: str(report) for name, report in reports.items() if report.verdict != "whole"}

    async def _until(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not condition():
            for task in self._tasks:
                if task.done():
                    task.result()
            late = [f"{one.name} lacks {sorted(one.unfinished)[:3]}" for one in self.onlookers if one.unfinished]
            assert loop.time() < deadline, f"{what} after {seconds:g} s: {late[:5]} of {len(late)}"
            await asyncio.sleep(0.02)
