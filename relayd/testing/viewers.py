"""Viewers without sockets: a wire whose buffer the test fills, tokens and answers that the test gives out."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from relayd.core.access import Decision, Question, Viewer
from relayd.core.timeline import Entry
from relayd.ports import AuthFailed, Encoding, NoKeys
from relayd.protocol import codec
from relayd.protocol.disconnect import Disconnect

__all__ = ["FakeAuthorizer", "FakeEncoding", "FakeVerifier", "FakeWire"]

HIGH_WATER = 64 * 1024
"""A wire with more than this waiting refuses a push."""


class FakeEncoding(Struct, frozen=True):
    """Plain JSON; a legacy viewer gets a line for each message, a modern one an envelope."""

    legacy: bool = False
    pace_ms: int = 0
    collapses: bool = False
    transport: str = "fake"
    restates: bool = False

    @property
    def envelope(self) -> bool:
        """Many messages travel as one."""
        return not self.legacy

    @property
    def modern(self) -> bool:
        """It reads notices and snapshots."""
        return not self.legacy

    def frame(
        self,
        entries: Sequence[Entry],
        cursor: str,
        sent_at: float,
        cursors: Mapping[str, str] | None = None,
        collapsed: int = 0,
    ) -> bytes:
        """Return an envelope, or a line for each message."""
        payloads = [entry.payload for entry in entries]
        return b"\n".join(payloads) if self.legacy else codec.envelope(payloads, cursor, sent_at, cursors, collapsed)

    def say(self, payload: bytes, cursor: str | None = None) -> bytes:  # noqa: ARG002  # the port's verb
        """Return the message as it is."""
        return payload

    def beat(self, cursor: str) -> bytes:
        """Return a beat that tells the cursor."""
        return msgspec.json.encode({"type": "beat", "cursor": cursor})


class FakeWire:
    """
    A socket whose kernel takes all at once, until the test fills its buffer; then it takes what the test says.

    `sent` holds all that was written, in order, taken or not.
    """

    def __init__(self, encoding: FakeEncoding | None = None, *, answers: bool = True) -> None:
        self.encoding: Encoding = encoding or FakeEncoding()
        self.answers = answers
        self.sent: list[bytes] = []
        self.on_write: Callable[[bytes], None] = lambda _: None
        """Called with each payload, at the moment it is written."""
        self.closed: tuple[Disconnect, str, int] | None = None
        """How it was ended."""
        self.drains = 0
        """How often somebody waited for the buffer."""
        self._waiting = 0
        self._written = 0
        self._full = False
        self._gone = False
        self._moved = asyncio.Event()

    def fill(self) -> None:
        """From now on the kernel takes nothing by itself, and the buffer is over its bound."""
        self._full = True
        self._waiting += HIGH_WATER + 1
        self._written += HIGH_WATER + 1

    def take(self, nbytes: int | None = None) -> None:
        """Let the kernel take so many of the bytes that wait; with all of them gone it takes what comes, as before."""
        self._waiting -= self._waiting if nbytes is None else min(nbytes, self._waiting)
        if self._waiting == 0:
            self._full = False
        self._moved.set()

    def leave(self) -> None:
        """Let the viewer be gone."""
        self._gone = True
        self._moved.set()

    def push(self, payload: bytes) -> bool:
        """Write, or refuse because the buffer is full."""
        if self._waiting > HIGH_WATER:
            return False
        self.write(payload)
        return True

    def write(self, payload: bytes) -> None:
        """Write whatever the buffer holds."""
        self.sent.append(payload)
        self._written += len(payload)
        if self._full:
            self._waiting += len(payload)
        self.on_write(payload)

    async def drain(self) -> None:
        """Return when the buffer is empty; raises ConnectionResetError when the viewer is gone."""
        self.drains += 1
        while self._full and not self._gone:
            self._moved.clear()
            await self._moved.wait()
        if self._gone:
            raise ConnectionResetError("the viewer is gone")

    def buffered(self) -> int:
        """Return the bytes that wait; a viewer that is gone takes none, so some seem to."""
        return self._waiting or int(self._gone)

    def taken(self) -> int:
        """Return how many bytes the kernel has taken so far."""
        return self._written - self._waiting

    async def close(self, disconnect: Disconnect, sentence: str, retry_after_ms: int) -> None:
        """Keep the ending in `closed`."""
        self.closed = (disconnect, sentence, retry_after_ms)


class FakeVerifier:
    """Knows the tokens it was given; a test that changes what they are worth says so by `generation`."""

    def __init__(self, **tokens: Viewer) -> None:
        self.tokens = dict(tokens)
        self.generation = 0
        self.keyless = False
        """Nobody can tell what a token is worth."""

    def verify(self, token: str, now: float) -> Viewer:
        """Return whose it is; raises AuthFailed for others, and for those that have expired; NoKeys if `keyless`."""
        if self.keyless:
            raise NoKeys
        viewer = self.tokens.get(token)
        if viewer is None:
            raise AuthFailed("unknown" if token else "missing")
        if viewer.expires_at < now:
            raise AuthFailed("expired")
        return viewer


class FakeAuthorizer:
    """Grants what the test has not decided otherwise, project by project."""

    name = "fake"

    def __init__(self, **decisions: Decision) -> None:
        self.decisions = dict(decisions)
        self.asked: list[Question] = []
        self.hangs: asyncio.Event | None = None
        """Set it, and whoever asks waits for it."""

    async def decide(self, question: Question) -> Decision:
        """Return the test's decision, as it is when the answer is given."""
        self.asked.append(question)
        if self.hangs is not None:
            await self.hangs.wait()
        return self.decisions.get(question.project.project_id, Decision.GRANTED)
