"""
Follow one project for ever: over a WebSocket, by long poll where there is none, resumed after every cut.

The cursor is the only state.  It is moved before a message is handed out, so that inside the loop
`watcher.cursor` is always the place to go on from.
"""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from enum import Enum

from aiohttp import ClientSession, ClientTimeout

from relayd.client.address import Address
from relayd.client.backoff import PATIENCE, Backoff
from relayd.client.ending import Dropped, NoUpgrade, WatchEnded
from relayd.client.frames import Foreign, Frame, Heard, Received
from relayd.client.poll import poll
from relayd.client.socket import HEARTBEAT, listen
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import ConnectionEstablished, Notice

__all__ = ["Link", "Token", "WatchEnded", "Watcher"]

Token = str | Callable[[], Awaitable[str]] | None
"""A token, or who gives one: asked before each connection, so also when one has expired or was refused."""

RENEWABLE = frozenset({Disconnect.AUTH_FAILED, Disconnect.TOKEN_EXPIRED})
"""Endings behind which another token helps."""

CONNECT_SECONDS = 10.0
STEADY_SECONDS = 10.0
"""A connection that stood this long was a good one: the next cut is a new one, not one more of the same."""


class Link(Enum):
    """How the watcher stands to the relay."""

    CONNECTING = "connecting"
    LIVE = "live"
    POLLING = "polling"
    WAITING = "waiting"


class Watcher:
    """
    An async iterator over what is heard of one project; raises WatchEnded when coming back is pointless.

    `link`, `detail` (a sentence about the last cut) and `heard_at` (monotonic seconds) tell how it goes meanwhile.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        project_id: str,
        *,
        after: str | None = None,
        tail: int | None = None,
        selection: Selection = EVERYTHING,
        backoff: Backoff = PATIENCE,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        """Take the relay's base address; `after` resumes, `tail` is the history of a fresh start; raises ValueError."""
        address = Address.parse(url)
        self.socket_url = address.socket(project_id)
        self.poll_url = address.events(project_id)
        self.project_id = project_id
        self.cursor = after
        self.link = Link.CONNECTING
        self.detail = ""
        self.heard_at: float | None = None
        self.cuts = 0
        self._token = token
        self._stream: AsyncGenerator[Received] | None = None
        self._tail = tail
        self._backoff = backoff
        self._heartbeat = heartbeat
        # With a session a return takes over the place of a connection that the relay still believes in.
        self._constant = selection_query(selection) | {"session": secrets.token_urlsafe(12)}

    async def __aiter__(self) -> AsyncIterator[Heard]:
        """Iterate over messages."""
        async with aclosing(self.received()) as self._stream:
            async for each in self._stream:
                yield each.message

    async def close(self) -> None:
        """Let go of the connection of an iteration that was left; one that goes on elsewhere ends there."""
        if self._stream is not None:
            # Where another task is in the middle of it, that task ends it.
            with suppress(RuntimeError):
                await self._stream.aclose()

    async def received(self) -> AsyncGenerator[Received]:
        """Yield messages together with their bytes; returns when the relay is done (1000)."""
        attempt = 0
        refused = False
        while True:
            self.link = Link.CONNECTING
            opened = time.monotonic()
            try:
                async with self._session() as http, aclosing(self._frames(http)) as frames:
                    async for frame in frames:
                        self.heard_at = time.monotonic()
                        refused = False
                        for each in self._passed(frame):
                            yield each
                return
            except WatchEnded as ended:
                # Asked for another token once: whoever hands out the refused one again would be asked for ever.
                if not callable(self._token) or refused or ended.disconnect not in RENEWABLE:
                    raise
                refused = True
            except Dropped as dropped:
                steady = time.monotonic() - opened > STEADY_SECONDS
                attempt = 1 if steady else attempt + 1
                await self._wait(attempt, dropped)

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[ClientSession]:
        token = await self._token() if callable(self._token) else self._token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with ClientSession(headers=headers, timeout=ClientTimeout(total=None, connect=CONNECT_SECONDS)) as http:
            yield http

    async def _frames(self, http: ClientSession) -> AsyncGenerator[Frame]:
        """Yield the frames of one connection, by socket if that is possible."""
        try:
            async with aclosing(listen(http, self.socket_url, self._query(), heartbeat=self._heartbeat)) as frames:
                async for frame in frames:
                    self.link = Link.LIVE
                    yield frame
            return
        except NoUpgrade as reason:
            self.detail = f"{reason}; going on by long poll"
        async with aclosing(poll(http, self.poll_url, self.project_id, self._query())) as frames:
            async for frame in frames:
                self.link = Link.POLLING
                yield frame

    def _query(self) -> dict[str, str]:
        """Return the query of the next connection: resume where there is a cursor, history where there is none."""
        if self.cursor is not None:
            return self._constant | {"after": self.cursor}
        return self._constant | ({} if self._tail is None else {"tail": str(self._tail)})

    def _passed(self, frame: Frame) -> Iterator[Received]:
        """Yield the messages of a frame, the cursor moved along."""
        last = len(frame.received) - 1
        for number, each in enumerate(frame.received):
            place = frame.cursor if number == last else None
            self.cursor = place or place_of(each.message) or self.cursor
            yield each
        if not frame.received and frame.cursor is not None:
            self.cursor = frame.cursor

    async def _wait(self, attempt: int, dropped: Dropped) -> None:
        """Let the back-off pass, and say so."""
        # Jitter against a herd, no secret: a guessable random number is good enough.
        delay = self._backoff.delay(attempt, retry_after=dropped.retry_after, chance=random.random())  # noqa: S311
        self.cuts += 1
        self.link = Link.WAITING
        self.detail = f"{dropped}; again in {delay:.1f} s"
        await asyncio.sleep(delay)


def place_of(message: Heard) -> str | None:
    """Return the cursor that a message brings; a notice's cursor speaks of something else and moves nothing."""
    if isinstance(message, ConnectionEstablished):
        return message.cursor
    return None if isinstance(message, Notice | Foreign) else message.id


def selection_query(selection: Selection) -> dict[str, str]:
    """Return a selection as query parameters; sets are written with commas."""
    query: dict[str, str] = {}
    if selection.types is not None:
        query["types"] = ",".join(sorted(selection.types))
    if selection.level is not None:
        query["level"] = selection.level
    if selection.agent is not None:
        query["agent"] = ",".join(sorted(selection.agent))
    if selection.q is not None:
        query["q"] = selection.q
    return query
