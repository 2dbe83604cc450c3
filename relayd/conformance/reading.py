"""A project, read in one of the four ways, and all that was heard meanwhile."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from enum import Enum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import msgspec

from relayd.client.http import Unreachable
from relayd.client.visitor import Answer, Closed
from relayd.conformance.stream import Block, blocks
from relayd.conformance.words import Words
from relayd.doctor.visit import Visit

__all__ = ["Enough", "Query", "Reading", "Way", "greeted", "has", "read", "told"]

Query = Mapping[str, str]


class Way(Enum):
    """How a viewer watches; a legacy one offers no sub-protocol."""

    MODERN = "WebSocket"
    LEGACY = "legacy WebSocket"
    STREAM = "event stream"
    POLL = "long poll"


class Reading:
    """What was heard, in order."""

    def __init__(self, way: Way) -> None:
        """Begin with nothing."""
        self.way = way
        self.frames: list[bytes] = []
        """Each as it came."""
        self.heard: list[Words] = []
        """The same, read; what is no object is left out."""
        self.messages: list[Words] = []
        """Events of the log, envelopes opened."""
        self.beside: list[Words] = []
        """Messages that are in no log: the greeting, the state told to legacy viewers."""
        self.blocks: list[Block] = []
        """Of an event stream."""
        self.greeting: Words = {}
        """The first thing heard; of a long poll the first answer."""
        self.cursor = ""
        self.trouble = ""
        """Why it ended before there was enough."""
        self.said = b""
        """All of it that a token could stand in."""

    @property
    def ids(self) -> list[str]:
        """The ids of the events."""
        return [str(message.get("id")) for message in self.messages]

    def take(self, raw: bytes) -> None:
        """Note a frame."""
        self.frames.append(raw)
        self.said += raw
        frame = told(raw)
        if not frame:
            return
        self.greeting = self.greeting or frame
        self.heard.append(frame)
        if frame.get("type") == "batch":
            for message in frame.get("messages") or ():
                self._note(message)
        elif frame.get("type") not in {"notice", "pong"}:
            self._note(frame)
        self.cursor = frame.get("cursor") or frame.get("id") or self.cursor

    def take_answer(self, answer: Answer) -> None:
        """Note what a poll was answered."""
        self.said += answer.said
        body = told(answer.body)
        if not body.get("cursor"):
            self.trouble = "an answer that is no poll's"
            return
        self.greeting = self.greeting or body
        self.heard.append(body)
        self.cursor = str(body["cursor"])
        for message in body.get("messages") or ():
            self.frames.append(msgspec.json.encode(message))
            self._note(message)

    def _note(self, message: Words) -> None:
        (self.messages if "id" in message else self.beside).append(message)


Enough = Callable[[Reading], bool]


def greeted(reading: Reading) -> bool:
    """Return whether the first message came."""
    return bool(reading.greeting)


def has(last: str) -> Enough:
    """Return whether an event came, by its id."""
    return lambda reading: any(message.get("id") == last for message in reading.messages)


def told(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that it is, an empty one for anything else."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


async def read(visit: Visit, way: Way, query: Query, enough: Enough) -> Reading:
    """Return what is heard until it is enough, or as much as came in time; raises Unreachable before anything came."""
    reading = Reading(way)
    reader = {Way.POLL: _poll, Way.STREAM: _stream}.get(way, _socket)
    try:
        async with asyncio.timeout(visit.seconds):
            await reader(visit, reading, query, enough)
    except TimeoutError:
        reading.trouble = f"nothing more within {visit.seconds:g} s, {len(reading.messages)} events so far"
    except Unreachable as error:
        if not reading.said:
            raise
        reading.trouble = f"{len(reading.messages)} events so far, then: {error}"
    return reading


async def _socket(visit: Visit, reading: Reading, query: Query, enough: Enough) -> None:
    modern = reading.way is Way.MODERN
    protocols = visit.protocols if modern else ()
    path = _asked(visit.socket, query)
    async with (
        visit.visitor() as visitor,
        visitor.shake(path, protocols=protocols, headers=None if modern else visit.bearer) as shaken,
    ):
        reading.said += "\n".join(shaken.headers.values()).encode()
        if shaken.socket is None:
            reading.trouble = f"refused with HTTP {shaken.status}"
            return
        while not enough(reading):
            heard = await shaken.hear(visit.seconds)
            if isinstance(heard, Closed):
                reading.said += heard.reason.encode()
                reading.trouble = f"closed with {heard.code} {heard.reason}".rstrip()
                return
            if heard is not None:
                reading.take(heard.encode())


async def _stream(visit: Visit, reading: Reading, query: Query, enough: Enough) -> None:
    headers = dict(visit.bearer)
    asked = dict(query)
    # As a browser comes back.
    if (after := asked.pop("after", None)) is not None:
        headers["Last-Event-ID"] = after
    path = _asked(visit.path("/stream"), asked)
    async with visit.visitor() as visitor, aclosing(visitor.watch(path, headers)) as parts:
        async for answer in parts:
            if answer.status != HTTPStatus.OK:
                reading.said = answer.said
                reading.trouble = f"refused with HTTP {answer.status}"
                return
            fresh = list(blocks(answer.body))[len(reading.blocks) :]
            reading.blocks += fresh
            for block in fresh:
                if block.data is not None:
                    reading.take(block.data.encode())
                reading.cursor = block.id or reading.cursor
            reading.said = answer.said
            if enough(reading):
                return
    reading.trouble = "it ended"


async def _poll(visit: Visit, reading: Reading, query: Query, enough: Enough) -> None:
    asked = {"wait": "0", **query}
    async with visit.visitor() as visitor:
        while True:
            answer = await visitor.get(_asked(visit.path("/events"), asked), visit.bearer)
            if answer.status != HTTPStatus.OK:
                reading.said += answer.said
                reading.trouble = f"refused with HTTP {answer.status}"
                return
            before = len(reading.messages)
            reading.take_answer(answer)
            if reading.trouble or enough(reading):
                return
            if len(reading.messages) == before:
                reading.trouble = f"no more events, {before} so far"
                return
            asked = {name: value for name, value in asked.items() if name != "tail"} | {"after": reading.cursor}


def _asked(path: str, query: Query) -> str:
    return f"{path}?{urlencode(query)}" if query else path
