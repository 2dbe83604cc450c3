"""Long poll: any replica may answer, the next request's cursor is the acknowledgement."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from relayd.core.selection import collapse
from relayd.ports import JournalError
from relayd.protocol import codec
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import PROJECT
from relayd.relay.admission import Admission, Grant, Handshake
from relayd.relay.lobby import Lobby
from relayd.relay.opening import aside
from relayd.relay.poll import Answer, Poll
from relayd.relay.refusal import Refused
from relayd.transports.asking import collapses, handshake, query_number
from relayd.transports.frames import PollEncoding

__all__ = ["LongPollTransport", "advice"]

MAX_WAIT, DEFAULT_WAIT = 55.0, 25.0
KEEP_SECONDS = 10.0
"""A named session keeps its place so long after an answer, so that nobody takes it between two polls."""

BUSY_MS, QUIET_MS, IDLE_MS = 1_000, 15_000, 30_000
QUIET_SECONDS, IDLE_SECONDS = 60.0, 300.0


class PollAnswer(msgspec.Struct, omit_defaults=True):
    """The body of an answer."""

    project_id: str
    cursor: str
    head: str
    recovered: bool
    replay: str
    messages: list[msgspec.Raw]
    next_poll_ms: int
    lag_seconds: float | None = None
    """As a pong tells it."""
    snapshot: dict[str, Any] | None = None
    liveness: dict[str, Any] | None = None
    """Without a snapshot: the `data` of a notice LIVENESS, where there is something to tell."""
    collapsed: int = 0
    """So many messages were left out because a newer one here says what they would have."""


class LongPollTransport:
    """Serves polls."""

    name = "longpoll"

    def __init__(self, admission: Admission, lobby: Lobby) -> None:
        """Serve those whom admission lets in."""
        self._admission = admission
        self._lobby = lobby

    def mount(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the path below a prefix."""
        router.add_get(prefix + PROJECT + "/events", self.events, allow_head=False)

    async def events(self, request: web.Request) -> web.Response:
        """Answer with what is new, at once or when there is something."""
        engine = self._admission.engine
        await self._admission.open_doors(self.name, counts=self._lobby.counts)
        with self._admission.reading(self.name):
            asked = handshake(request, self.name, engine.limits)
            wait = query_number(request, "wait", default=DEFAULT_WAIT, most=MAX_WAIT, kind=float)
            limit = query_number(
                request, "limit", default=codec.MAX_ENVELOPE_MESSAGES, most=engine.limits.max_tail, kind=int
            )
            encoding = PollEncoding(collapses=collapses(request, envelopes=True))
        grant = await self._admission.admit(asked)
        try:
            poll = Poll(engine, grant, encoding)
            with self._lobby.holding(poll):
                answer = await poll.answer(self._admission, asked, wait=wait, limit=max(1, limit))
        except JournalError as error:
            engine.observer.journal_failed(error)
            raise Refused(Disconnect.OVERLOADED, "the relay can't read its journal; try again", "journal") from error
        finally:
            self._let_go(grant, asked)
        body = msgspec.json.encode(self._body(asked, answer, encoding, self._pause(grant, answer, wait)))
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    def _let_go(self, grant: Grant, asked: Handshake) -> None:
        """Give the place back: a session's a little later, for its next poll takes it over."""
        if asked.session is None:
            grant.release()
        else:
            asyncio.get_running_loop().call_later(KEEP_SECONDS, grant.release)

    def _pause(self, grant: Grant, answer: Answer, wait: float) -> int:
        """Return when to come again, so that whoever does so never meets the limit, however much happens."""
        project = self._admission.engine.log.projects.get(str(grant.project_id))
        idle = self._admission.engine.clock.now() - (project.state.updated_at if project is not None else 0)
        return max(pause(answer, wait, idle), self._admission.restraint.spacing_ms(grant.viewer.user))

    def _body(self, asked: Handshake, answer: Answer, encoding: PollEncoding, pause_ms: int) -> PollAnswer:
        opening = answer.opening
        told = collapse(answer.entries) if encoding.collapses else answer.entries
        return PollAnswer(
            project_id=str(asked.project_id),
            cursor=answer.cursor,
            head=self._admission.engine.log.head_cursor(),
            recovered=opening.recovered,
            replay=opening.replay,
            messages=[msgspec.Raw(entry.payload) for entry in told],
            collapsed=len(answer.entries) - len(told),
            next_poll_ms=pause_ms,
            lag_seconds=self._admission.engine.freshness.lag(),
            snapshot=opening.snapshot,
            liveness=self._liveness(asked) if opening.recovered else None,
        )

    def _liveness(self, asked: Handshake) -> dict[str, Any] | None:
        """Return how the project's agents seem to be now: a poll hears no notices."""
        engine = self._admission.engine
        project = engine.log.projects.get(str(asked.project_id))
        news = None if project is None else aside(engine, project)
        return None if news is None else news.data


def pause(answer: Answer, wait: float, idle_seconds: float) -> int:
    """Return when to come again: at once behind a poll that may wait, but not in circles from gap to gap."""
    if wait > 0:
        return BUSY_MS if answer.opening.replay == "gap" else 0
    return advice(idle_seconds)


def advice(idle_seconds: float) -> int:
    """Return when a viewer that doesn't wait should come again: the longer nothing happened, the later."""
    if idle_seconds < QUIET_SECONDS:
        # From one second to five as the last event grows old.
        return int(BUSY_MS + 4 * BUSY_MS * max(0.0, idle_seconds) / QUIET_SECONDS)
    return QUIET_MS if idle_seconds < IDLE_SECONDS else IDLE_MS
