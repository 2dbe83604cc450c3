"""Those who watch: how they read, who they are, where they stand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from relayd.core.access import Decision, Question, Viewer
from relayd.core.timeline import Entry
from relayd.protocol.disconnect import Disconnect

__all__ = [
    "AuthFailed",
    "Authorizer",
    "Encoding",
    "Hold",
    "Holder",
    "NoKeys",
    "NoPlace",
    "Presence",
    "Shared",
    "TokenVerifier",
    "Wire",
]


class Encoding(Protocol):
    """How a kind of viewer reads messages; a hashable value: viewers with equal encodings share bytes."""

    @property
    def transport(self) -> str:
        """Metric label."""
        ...

    @property
    def envelope(self) -> bool:
        """Many messages travel as one frame; if not, each costs a frame of the pace."""
        ...

    @property
    def modern(self) -> bool:
        """The viewer understands notices and a snapshot inside `connection_established`."""
        ...

    @property
    def restates(self) -> bool:
        """Whoever resumes is told the state, too: its language begins anew with each connection."""
        ...

    @property
    def pace_ms(self) -> int:
        """Least time between two live frames that the viewer asked for; 0: as fast as the relay's own pace."""
        ...

    @property
    def collapses(self) -> bool:
        """While behind, the viewer wants only the newest of what supersedes itself, and reads how many went."""
        ...

    def frame(
        self,
        entries: Sequence[Entry],
        cursor: str,
        sent_at: float,
        cursors: Mapping[str, str] | None = None,
        collapsed: int = 0,
    ) -> bytes:
        """
        Return the bytes for these entries; `collapsed` superseded ones before them were left out.

        `cursor` is what the viewer has passed once it has read them; `cursors` says it by project on a socket
        that carries many.
        """
        ...

    def say(self, payload: bytes, cursor: str | None = None) -> bytes:
        """Return the bytes for one encoded message or notice that is not in the log."""
        ...

    def beat(self, cursor: str) -> bytes:
        """Return the bytes of a sign of life that also tells the cursor where the transport has a way to."""
        ...


class Wire(Protocol):
    """One viewer's socket."""

    encoding: Encoding
    answers: bool
    """The viewer answers a beat, so that its silence means something."""

    def push(self, payload: bytes) -> bool:
        """Write now and return True, or write nothing and return False because the buffer is full."""
        ...

    def write(self, payload: bytes) -> None:
        """Write whatever the buffer holds; for the catch-up, which awaits `drain` after each."""
        ...

    async def drain(self) -> None:
        """Return when the buffer is low; raises ConnectionError when the viewer is gone."""
        ...

    def buffered(self) -> int:
        """Return the bytes that the kernel has not taken yet."""
        ...

    def taken(self) -> int:
        """Return how many bytes have got through so far; while it changes, the viewer is slow but not stuck."""
        ...

    async def close(self, disconnect: Disconnect, sentence: str, retry_after_ms: int) -> None:
        """Say why it ends, wait a bounded time until that is read, and end it; raises nothing."""
        ...


class AuthFailed(Exception):
    """The token does not open; `reason` is a metric label and never told to the stranger."""

    def __init__(self, reason: str) -> None:
        """Keep the label."""
        super().__init__(reason)
        self.reason = reason


class NoKeys(AuthFailed):
    """Nobody can tell whether the token opens: the keys it may be signed with are not known at present."""

    def __init__(self) -> None:
        """Keep the label of its own."""
        super().__init__("no_keys")


class TokenVerifier(Protocol):
    """Turns a token into a viewer."""

    @property
    def generation(self) -> int:
        """A number that grows whenever a token may be worth something else: those who are in are looked at again."""
        ...

    def verify(self, token: str, now: float) -> Viewer:
        """Return who it is; raises AuthFailed, NoKeys where that is for want of keys."""
        ...


class Authorizer(Protocol):
    """Says who may see what; several are asked in order until one grants, so the quick ones come first."""

    name: str

    async def decide(self, question: Question) -> Decision:
        """Return the answer within a bounded time; never raises for a reason of the viewer's."""
        ...


class Holder(Struct, frozen=True, kw_only=True):
    """One place that a user holds."""

    connection_id: str
    user: str
    transport: str
    project_id: str | None
    since: float
    """Unix seconds."""
    session: str | None = None


class NoPlace(Exception):
    """All places of the user are taken."""

    def __init__(self, holders: Sequence[Holder]) -> None:
        """Keep who holds them."""
        super().__init__(f"{len(holders)} places are taken")
        self.holders = holders


class Hold(Protocol):
    """A place that was taken."""

    def release(self) -> None:
        """Give it back, synchronously, as often as called."""
        ...


class Presence(Protocol):
    """Counts connections per user and tells who watches what."""

    limit: int
    """Places of one user; a new one holds for those who come, and ends nobody."""

    async def take(self, holder: Holder, *, evict: Callable[[Disconnect], None]) -> Hold:
        """Take a place, `evict`ing an older holder of the same session; raises NoPlace."""
        ...

    async def of_user(self, user: str) -> Sequence[Holder]:
        """Return the places a user holds, the oldest first."""
        ...

    async def of_project(self, project_id: str) -> Sequence[Holder]:
        """Return who watches a project, the oldest first."""
        ...

    async def evict(self, connection_id: str, *, user: str) -> bool:
        """End a connection of that user; False when there is none."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Return the number of places by transport, on this relay."""
        ...


@runtime_checkable
class Shared(Protocol):
    """A presence that counts together with those of other relays, whenever it can."""

    @property
    def trouble(self) -> str:
        """Why it counts alone, as a sentence for an operator; empty while it does not."""
        ...

    async def run(self) -> None:
        """Keep in step with the others, for ever."""
        ...

    async def close(self) -> None:
        """Give back all places of this relay, within a bounded time; raises nothing."""
        ...
