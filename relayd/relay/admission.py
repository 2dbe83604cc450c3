"""
Who comes in: token, project, place, in this order, the cheap refusals first.

A transport gets sessions from here and from nowhere else, so it cannot skip a step.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct

from relayd.core.access import Decision, ProjectFacts, Question, Viewer
from relayd.core.floor import Verdict
from relayd.ports import AuthFailed, Hold, Holder, JournalError, NoKeys, NoPlace, Opened, TokenVerifier
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.cursor import BadCursorError
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import PROJECT_ID
from relayd.relay.door import Door
from relayd.relay.engine import Engine
from relayd.relay.opening import judge
from relayd.relay.refusal import EVICTED, NOT_VALID, Refused
from relayd.relay.restraint import Restraint
from relayd.relay.subscription import Watched, refuse_beyond
from relayd.relay.tickets import Tickets

__all__ = ["EXPIRED", "NOT_VALID", "Admission", "Grant", "Handshake", "Proof", "public"]

EXPIRED = "the token has expired; get a new one and resume with your cursor"


class Handshake(Struct, frozen=True, kw_only=True):
    """What a stranger asks for."""

    transport: str
    project_id: str | None
    """None: a socket for many projects."""
    token: str | None
    ticket: str | None = None
    """In place of a token."""
    origin: str | None = None
    """Whose page asks; None for the relay's own pages, and for who is no page."""
    after: str | None = None
    tail: int = 0
    selection: Selection = EVERYTHING
    session: str | None = None
    remote: str = ""


class Proof(Struct, frozen=True, kw_only=True):
    """Who a token stands for, and by whose word."""

    viewer: Viewer
    token: str
    verifier: TokenVerifier
    generation: int
    """The verifier's, then."""
    shown_at: float
    """Unix seconds."""

    @classmethod
    def by(cls, verifier: TokenVerifier, token: str, shown_at: float) -> "Proof":
        """Return it by the word of a verifier; raises AuthFailed, NoKeys."""
        viewer = verifier.verify(token, shown_at)
        return cls(viewer=viewer, token=token, verifier=verifier, generation=verifier.generation, shown_at=shown_at)

    def question(self, project: ProjectFacts, *, anew: bool = False) -> Question:
        """Return what authorizers are asked: may its bearer see that project?"""
        return Question(viewer=self.viewer, project=project, token=self.token, anew=anew)

    def again(self, verifier: TokenVerifier) -> "Proof | None":
        """Return it by the word of today, None if the token would not have been let pass."""
        if verifier is self.verifier and verifier.generation == self.generation:
            return self
        try:
            # As of then: that it has grown old since is for the timer, which knows of the grace.
            return Proof.by(verifier, self.token, self.shown_at)
        except NoKeys:
            # Nobody can tell; it is looked at again.
            return self
        except AuthFailed:
            return None


class Grant:
    """A viewer that was let in, with the place it holds."""

    def __init__(self, proof: Proof, handshake: Handshake, connection_id: str) -> None:
        """Begin without a place."""
        self.proof = proof
        self.connection_id = connection_id
        self.project_id = handshake.project_id
        self.remote = handshake.remote
        self.tail = handshake.tail
        self.since = 0.0
        """When it was given its place, Unix seconds."""
        self.verdict: Verdict | None = None
        self.hold: Hold | None = None
        self._evict: Callable[[Disconnect, str], None] | None = None
        self._evicted: tuple[Disconnect, str] | None = None

    @property
    def viewer(self) -> Viewer:
        """Who it is."""
        return self.proof.viewer

    def question(self, project: ProjectFacts, *, anew: bool = False) -> Question:
        """Return what authorizers are asked of its viewer."""
        return self.proof.question(project, anew=anew)

    def stands(self, verifier: TokenVerifier) -> bool:
        """Tell whether its token would be let in today, by the keys and rules that may have changed since."""
        proof = self.proof.again(verifier)
        if proof is None:
            return False
        self.proof = proof
        return True

    def on_evict(self, close: Callable[[Disconnect, str], None]) -> None:
        """Call `close` when somebody wants the place back, at once if that has happened."""
        self._evict = close
        if self._evicted is not None:
            close(*self._evicted)

    def evict(self, disconnect: Disconnect) -> None:
        """End the connection that holds the place."""
        sentence = EVICTED.get(disconnect, "ended at its user's wish")
        self._evicted = (disconnect, sentence)
        if self._evict is not None:
            self._evict(disconnect, sentence)

    def release(self) -> None:
        """Give the place back."""
        if self.hold is not None:
            self.hold.release()


class Admission:
    """Lets viewers in, or says why not."""

    def __init__(self, engine: Engine, tickets: Tickets, *, memory_short: Callable[[], bool] = lambda: False) -> None:
        """Admit to an engine, by token or by ticket."""
        self.engine = engine
        self.tickets = tickets
        self.door = Door(engine, memory_short=memory_short)
        self.restraint = Restraint(engine)

    @property
    def draining(self) -> bool:
        """Nobody is let in any more: the relay is about to end."""
        return self.door.draining

    @draining.setter
    def draining(self, draining: bool) -> None:
        self.door.draining = draining

    async def open_doors(self, transport: str, *, counts: Callable[[], Mapping[str, int]]) -> None:
        """Let in a few at a time, and nobody when the node can't take more; raises Refused."""
        with self.reading(transport):
            await self.door.enter(counts)

    def count(self, transport: str, refused: Refused) -> None:
        """Tell the observer of a refusal, once, however many hands it goes through."""
        if not refused.counted:
            refused.counted = True
            self.engine.observer.refused(transport, refused.disconnect, refused.reason)

    @contextmanager
    def reading(self, transport: str) -> Iterator[None]:
        """Count whoever is refused while a request is read, or later: it is seen in the metrics like all who are."""
        try:
            yield
        except Refused as refused:
            self.count(transport, refused)
            raise

    async def admit(self, handshake: Handshake) -> Grant:
        """Return a grant that holds a place; raises Refused, the later the oftener that address is refused."""
        began = self.engine.clock.monotonic()
        try:
            grant = await self._admit(handshake)
        except Refused as refused:
            self.count(handshake.transport, refused)
            # Not before the count: who hangs up while it waits has been refused all the same.
            await self.restraint.hold_back(handshake.remote, refused)
            raise
        self.restraint.admitted(handshake.remote)
        self.engine.observer.admitted(handshake.transport, self.engine.clock.monotonic() - began)
        return grant

    async def _admit(self, handshake: Handshake) -> Grant:
        opened = self._opened(handshake)
        token = handshake.token if opened is None else opened.token
        grant = Grant(self.prove(token, remote=handshake.remote), handshake, secrets.token_hex(8))
        self.restraint.request(grant.viewer.user)
        if handshake.project_id is not None:
            project = await self.authorize(grant.proof, handshake.project_id)
            refuse_beyond(self.engine.limits.viewers_per_project, project)
            grant.verdict = await self.judge(handshake.project_id, handshake.after)
        if opened is not None:
            # Not before: who is sent to another relay, which may do better, comes there with the same ticket.
            with self.restraint.judging(handshake.remote):
                await self.tickets.use_up(opened)
        await self._take_place(grant, handshake)
        if not grant.stands(self.engine.verifier):
            # It was revoked, or its key withdrawn, while it waited: nobody looks at those who are not in yet.
            grant.release()
            raise Refused(Disconnect.AUTH_FAILED, NOT_VALID, "revoked")
        return grant

    def _opened(self, handshake: Handshake) -> Opened | None:
        """Return what is in the ticket, None where somebody comes without one; raises Refused."""
        if handshake.ticket is None:
            return None
        with self.restraint.judging(handshake.remote):
            return self.tickets.open(handshake.ticket, project_id=handshake.project_id, origin=handshake.origin)

    def prove(self, token: str | None, *, remote: str = "") -> Proof:
        """Return who a token stands for; raises Refused with the same words whatever is wrong with it."""
        with self.restraint.judging(remote):
            return Proof.by(self.engine.verifier, token or "", self.engine.clock.now())

    async def authorize(self, proof: Proof, project_id: str) -> Watched:
        """Return the project if the bearer of a token may see it; raises Refused."""
        if re.search(PROJECT_ID, project_id) is None:
            sentence = "project_id: use 1 to 128 letters, digits and . _ ~ -, not beginning with a dot"
            raise Refused(Disconnect.BAD_REQUEST, sentence, "malformed")
        project = await self.open(project_id)
        decision = await self.engine.decide(proof.question(project.facts))
        if decision is not Decision.GRANTED:
            # Else a stranger could fill memory with names that he only made up.
            self.engine.log.forget_empty(project_id)
        if decision is Decision.DENIED:
            raise Refused(Disconnect.FORBIDDEN, "you may not see this project; ask its owner", "forbidden")
        if decision is Decision.UNKNOWN:
            sentence = "whether you may see this project can't be told at present; try again"
            raise Refused(Disconnect.OVERLOADED, sentence, "rights_unknown")
        return project

    async def open(self, project_id: str) -> Watched:
        """Return a project, from the journal if need be; raises Refused when that can't be read."""
        try:
            return await self.engine.past.open(project_id)
        except JournalError as error:
            self.engine.observer.journal_failed(error)
            raise Refused(Disconnect.OVERLOADED, "the relay can't read its journal; try again", "journal") from error

    async def judge(self, project_id: str, after: str | None) -> Verdict | None:
        """Return what a cursor is worth, None for a fresh viewer; raises Refused."""
        if after is None:
            return None
        try:
            return await judge(self.engine, project_id, after)
        except BadCursorError as error:
            raise Refused(Disconnect.BAD_REQUEST, f"after: {error}", "bad_cursor") from error
        except JournalError as error:
            self.engine.observer.journal_failed(error)
            raise Refused(Disconnect.OVERLOADED, "the relay can't read its journal; try again", "journal") from error

    async def _take_place(self, grant: Grant, handshake: Handshake) -> None:
        grant.since = self.engine.clock.now()
        holder = Holder(
            connection_id=grant.connection_id,
            user=grant.viewer.user,
            transport=handshake.transport,
            project_id=handshake.project_id,
            since=grant.since,
            session=handshake.session,
        )
        try:
            grant.hold = await self.engine.presence.take(holder, evict=grant.evict)
        except NoPlace as error:
            limit = self.engine.limits.connections_per_user
            raise Refused(
                Disconnect.TOO_MANY_CONNECTIONS,
                f"all {limit} connections of this user are in use; close one of them",
                "user_limit",
                data={"limit": limit, "connections": [public(held) for held in error.holders]},
            ) from error


def public(holder: Holder) -> dict[str, object]:
    """Return what a user may know of a place of its own; the session stays out, for it can take the place over."""
    return {
        "connection_id": holder.connection_id,
        "transport": holder.transport,
        "project_id": holder.project_id,
        "since": holder.since,
    }
