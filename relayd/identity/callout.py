"""
The product's own API says who may see what.

Law 1: what can't be told is not granted, and not denied either: nobody new comes in by it, and nobody is cut for it.
Law 2: a question that is under way is not asked again; whoever has the same one waits for the same answer.
Law 3: however many come, so many are asked for at a time, and nobody waits longer than the patience.
"""

import asyncio
from hashlib import sha256
from urllib.parse import urlsplit

from relayd.core.access import Decision, Question
from relayd.identity.answers import Answers, Key
from relayd.identity.circuit import Circuit
from relayd.identity.product import Outcome, Product, Reply
from relayd.identity.settings import HttpSettings
from relayd.ports import Observer

__all__ = ["HttpAuthorizer"]

DECISIONS = {Outcome.GRANTED: Decision.GRANTED, Outcome.DENIED: Decision.DENIED}
"""What is not here is UNKNOWN."""

NEVER_SENT = {Outcome.BUSY, Outcome.RESTING}
"""These tell nothing of the API."""


class HttpAuthorizer:
    """Grants what the API grants to the bearer of the viewer's own token."""

    Settings = HttpSettings
    name = "http"

    def __init__(self, settings: HttpSettings) -> None:
        """Ask the address of the settings; raises ValueError for files that can't be used."""
        self._host = urlsplit(settings.url).hostname
        self._patience = settings.timeout_seconds
        self._product = Product(settings)
        self._answers = Answers(granted=settings.granted_seconds, denied=settings.denied_seconds, most=settings.answers)
        self._circuit = Circuit()
        self._turns = asyncio.Semaphore(settings.at_once)
        self._flights: dict[Key, asyncio.Task[Decision]] = {}
        self._observer: Observer | None = None
        self._told = ""
        """Why nothing was answered, as it was told last."""
        self._closed = False

    def report_to(self, observer: Observer) -> None:
        """Tell this observer what comes of questions."""
        self._observer = observer

    @property
    def trouble(self) -> str:
        """Why it grants nothing at present, as a sentence for an operator; empty while questions are let through."""
        if not self._circuit.open:
            return ""
        return f"{self._host} gave no answer when it was asked last ({self._told}); by it nobody is let in meanwhile"

    async def decide(self, question: Question) -> Decision:
        """Return what the API says, or said a moment ago; UNKNOWN while it says nothing."""
        if not question.token:
            # Nobody can be asked in nobody's name, and coming again would not help.
            return Decision.DENIED
        if self._closed:
            return Decision.UNKNOWN
        key = (sha256(question.token.encode()).digest(), question.project.project_id)
        known = None if question.anew else self._answers.get(key, self._now())
        if known is not None:
            return known
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._ask(key, question.token))
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key))
        # It goes on for the others, and for the next one, when this one has left.
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Let go of the API; questions under way end without an answer."""
        self._closed = True
        await self._product.close()
        await asyncio.gather(*self._flights.values())

    async def _ask(self, key: Key, token: str) -> Decision:
        began = self._now()
        reply = await self._in_time(key[1], token)
        now = self._now()
        decision = DECISIONS.get(reply.outcome, Decision.UNKNOWN)
        if decision is not Decision.UNKNOWN:
            self._answers.put(key, decision, now)
        self._learn(reply, now)
        if self._observer is not None:
            self._observer.rights_asked(reply.outcome, now - began)
        return decision

    async def _in_time(self, project_id: str, token: str) -> Reply:
        late = Reply(Outcome.BUSY)
        try:
            async with asyncio.timeout(self._patience), self._turns:
                # Not before it is its turn: the API may have gone away while it waited.
                if not self._circuit.admits(self._now()):
                    return Reply(Outcome.RESTING)
                late = Reply(Outcome.TIMEOUT, f"no answer within {self._patience:g} s")
                return await self._product.ask(project_id, token)
        except TimeoutError:
            return late

    def _learn(self, reply: Reply, now: float) -> None:
        if reply.outcome in NEVER_SENT:
            return
        if reply.outcome in DECISIONS:
            if self._circuit.answered():
                self._told = ""
                self._tell("rights_answered", {})
            return
        self._circuit.failed(now)
        if reply.detail != self._told:
            self._told = reply.detail
            self._tell("rights_unanswered", {"level": "warning", "detail": reply.detail})

    def _tell(self, event: str, fields: dict[str, str]) -> None:
        if self._observer is not None:
            self._observer.noticed(event, {**fields, "host": self._host})

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
