"""
The ways to watch: each yields messages with the cursor behind them, until its reader leaves or the relay does.

None knows more than docs/protocol.md tells: a message's `id`, an envelope's `cursor`, an SSE `id` and a poll's `cursor`
are what a viewer resumes with.  Whoever leaves a generator cuts the connection without a word.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from tests.harness.settled import Addresses, Event
from tests.harness.viewer import watch

__all__ = ["AwayError", "Heard", "RefusedError", "Way", "many", "polls", "socket", "stream"]

POLL_SECONDS = 10

LATER = {408, 429, 502, 503, 504}
"""HTTP statuses that ask to come back; who leaves without a word and comes at once may meet its own last places."""

COME_BACK = {1006, 1012, 1013, 4408, 4429, 4431}
"""Close codes that ask for the same, and what a socket is told that was cut."""

SETS = {"types", "agent"}
FILTERS = {*SETS, "level", "q"}
"""What is said for each project on a socket for several; the other words are said once, in its address."""


NOT_NOW = {"OVERLOADED", "RESTARTING"}
"""What a socket for several projects is told of one of them that may be asked for again."""

FAREWELLS = {"TOO_MANY_CONNECTIONS"}
"""What is told before a close whose code and advice count."""

ADVICE = re.compile(r"; retry_after_ms=(\d+)$")


class AwayError(Exception):
    """The relay is not there, or asks to come back, after so many seconds if it says so."""

    def __init__(self, retry_after: float = 0.0) -> None:
        super().__init__()
        self.retry_after = retry_after


class RefusedError(AssertionError):
    """The relay says no, and not for a while only."""


@dataclass(frozen=True)
class Heard:
    """One message, and the cursor behind it; without a message the cursor has moved alone."""

    message: Event | None
    cursor: str | None
    collapsed: int = 0
    """How many messages the envelope says it left out; it is said with the last one that is in it."""


@dataclass(frozen=True)
class Way:
    """What a viewer brings along, whatever the transport: a token, and what it wants to see."""

    relay: Addresses
    http: aiohttp.ClientSession
    token: str
    query: Mapping[str, str]
    narrow: bool = False


# -- WebSocket -----------------------------------------------------------------------------------------------------


async def socket(way: Way, project_id: str, after: str | None, *, legacy: bool) -> AsyncGenerator[Heard]:
    """Watch one project over a socket of its own."""
    async with connected(way, project_id, legacy=legacy, query={**way.query, "after": after}) as frames:
        async for frame in frames:
            for heard in opened(frame):
                yield heard


async def many(way: Way, after: Mapping[str, str | None]) -> AsyncGenerator[Heard]:
    """Watch the projects that `after` names, each from its cursor on, over one socket."""
    # In an address sets are written with commas, in JSON they are arrays.
    selection = {
        name: value.split(",") if name in SETS else value for name, value in way.query.items() if name in FILTERS
    }
    address = {name: value for name, value in way.query.items() if name not in FILTERS}
    commands = [
        {"type": "subscribe", "project_id": project_id, "filter": selection, **({"after": cursor} if cursor else {})}
        for project_id, cursor in after.items()
    ]
    async with connected(way, None, query=address, commands=commands) as frames:
        async for frame in frames:
            if frame["type"] == "notice" and frame["code"] not in FAREWELLS:
                raise AwayError if frame["code"] in NOT_NOW else RefusedError(frame)
            for heard in opened(frame):
                yield heard


@asynccontextmanager
async def connected(
    way: Way,
    project_id: str | None,
    *,
    legacy: bool = False,
    query: Mapping[str, Any] | None = None,
    commands: Sequence[Event] = (),
) -> AsyncIterator[AsyncIterator[Event]]:
    """Give the frames of a socket, once these commands were sent over it."""
    try:
        async with watch(
            way.relay, project_id, token=way.token, legacy=legacy, narrow=way.narrow, **(query or {})
        ) as viewer:
            for command in commands:
                await viewer.says(command)
            try:
                yield frames(viewer.socket.recv)
            finally:
                viewer.socket.transport.abort()
    except InvalidStatus as error:
        if error.response.status_code not in LATER:
            raise RefusedError(error.response.body) from error
        raise AwayError(advised(error.response.headers)) from error
    except ConnectionClosed as error:
        if (1006 if error.rcvd is None else error.rcvd.code) not in COME_BACK:
            raise RefusedError(error) from error
        advice = None if error.rcvd is None else ADVICE.search(error.rcvd.reason)
        raise AwayError(int(advice[1]) / 1_000 if advice else 0.0) from error
    except (OSError, InvalidMessage, TimeoutError) as error:
        raise AwayError from error


async def frames(receive: Callable[[], Awaitable[str | bytes]]) -> AsyncGenerator[Event]:
    """Yield the JSON frames of a socket until it is closed."""
    while True:
        frame: Event = json.loads(await receive())
        yield frame


def opened(frame: Event) -> list[Heard]:
    """Return the messages of a frame; an envelope's cursor counts behind its last message, on a socket for one."""
    if frame["type"] != "batch":
        return [] if frame["type"] == "notice" else [Heard(frame, frame.get("id") or frame.get("cursor"))]
    heard = [Heard(message, message.get("id")) for message in frame["messages"]]
    if heard and "cursors" not in frame:
        heard[-1] = Heard(heard[-1].message, frame["cursor"])
    if heard:
        heard[-1] = replace(heard[-1], collapsed=frame.get("collapsed", 0))
    return heard


# -- HTTP ----------------------------------------------------------------------------------------------------------


async def stream(way: Way, project_id: str, after: str | None) -> AsyncGenerator[Heard]:
    """Watch one project by server-sent events."""
    async with answered(way, way.relay.project(project_id, "/stream", **way.query, after=after)) as answer:
        cursor, data, last_words = None, None, 0.0
        async for raw in answer.content:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name == "id":
                cursor = value
            elif name == "data":
                data = json.loads(value)
            elif not name and (cursor is not None or data is not None):
                if data is not None and "close_code" in (data.get("data") or {}):
                    last_words = data["data"]["retry_after_ms"] / 1_000
                    break
                if data is not None and data["type"] in {"batch", "notice"}:
                    for heard in opened(data):
                        yield heard
                else:
                    yield Heard(data, cursor)
                cursor, data = None, None
    raise AwayError(last_words)


async def polls(way: Way, project_id: str, after: str | None) -> AsyncGenerator[Heard]:
    """Watch one project by one poll after another; the first answer, and each gap, is heard as a connection is."""
    fresh = True
    while True:
        address = way.relay.project(project_id, "/events", **way.query, after=after, wait=POLL_SECONDS)
        async with answered(way, address) as answer:
            told: dict[str, Any] = await answer.json()
        if fresh or told["replay"] == "gap":
            yield Heard({"type": "connection_established", "project_id": project_id, "replay": told["replay"]}, None)
        for message in told["messages"]:
            yield Heard(message, message["id"])
        yield Heard(None, told["cursor"])
        after, fresh = told["cursor"], False
        await asyncio.sleep(told["next_poll_ms"] / 1_000)


@asynccontextmanager
async def answered(way: Way, address: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """Give an answer."""
    try:
        headers = {"Authorization": f"Bearer {way.token}"}
        async with way.http.get(address, headers=headers, ssl=way.relay.tls or True) as answer:
            if answer.status in LATER:
                raise AwayError(advised(answer.headers))
            if answer.status != 200:
                raise RefusedError(answer.status, await answer.text())
            try:
                yield answer
            finally:
                answer.close()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise AwayError from error


def advised(headers: Mapping[str, str]) -> float:
    """Return after how many seconds an answer asks to come back."""
    return float(headers.get("Retry-After", 0))
