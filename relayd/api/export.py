"""`GET …/projects/{id}/export`: a project's kept events, page by page, and at the end what they came to."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from relayd.api.asking import Authenticate, bad, number
from relayd.core.floor import BELOW_ALL
from relayd.core.redaction import Redactor
from relayd.core.timeline import Entry
from relayd.ports import JournalError
from relayd.protocol.codec import decode_event, encode
from relayd.protocol.cursor import BEGINNING, Place
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import PROJECT
from relayd.protocol.recording import PROTOCOL
from relayd.relay.admission import Admission
from relayd.relay.refusal import NotFound, Refused
from relayd.relay.subscription import Watched

__all__ = ["ExportApi"]

DEFAULT_LIMIT, MAX_LIMIT = 500, 1_000
MAX_BYTES = 4 * 1024 * 1024
"""Of the events of one page; a single larger one is a page of its own."""

TURN = 32 * 1024
"""Bytes that are looked through for secrets before others have their turn."""

LOOK = 512
"""Bytes that a look at an event costs beside its own."""

TRIES = 20
"""So often the place moves on, because retention does, before the caller is asked to come back."""

BY_NAME = ("agents", "counts", "urls", "usage")
"""Of a snapshot: what stands there under names that others gave."""

UNTOUCHED = ("project_id", "owner", "team", "cursor")
"""Of a snapshot: what says whose it is, as in events."""


class Part(NamedTuple):
    """Some of a project's events in order; `whole` if none is missing before them."""

    entries: Sequence[Entry]
    whole: bool
    state: dict[str, Any] | None = None
    """What they lead to, where none is behind them."""


class Clean(NamedTuple):
    """The same as bytes of JSON, without secrets; `redacted` counts the events that had one."""

    part: Part
    events: Sequence[bytes]
    state: bytes
    redacted: int


class ExportApi:
    """Hands out what is kept, with the rules of redaction that hold now, for some of it came in under others."""

    def __init__(self, admission: Admission, authenticate: Authenticate, redactor: Callable[[], Redactor]) -> None:
        """Answer those whom admission would let watch; `redactor` gives the one in use."""
        self._admission = admission
        self._authenticate = authenticate
        self._redactor = redactor

    def mount(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the path below a prefix."""
        router.add_get(prefix + PROJECT + "/export", self.export)

    async def export(self, request: web.Request) -> web.Response:
        """Return `{project_id, protocol, whole, events, redacted, next}`, on the last page also `snapshot`."""
        proof = self._authenticate(request)
        limit = number(request, "limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        project = await self._admission.authorize(proof, request.match_info["project_id"])
        if not project.state.counts:
            raise NotFound("no event of this project has been seen; check its id")
        page = await self._clean(project, request.query.get("after", BEGINNING), limit)
        following = None if page.state else page.part.entries[-1].cursor
        body = b'{"project_id":%b,"protocol":%d,"whole":%b,"events":[%b],"redacted":%d,"next":%b%b}' % (
            msgspec.json.encode(project.id),
            PROTOCOL,
            b"true" if page.part.whole else b"false",
            b",".join(page.events),
            page.redacted,
            msgspec.json.encode(following),
            b',"snapshot":' + page.state if page.state else b"",
        )
        headers = {"Cache-Control": "no-store"}
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def _clean(self, project: Watched, after: str, limit: int) -> Clean:
        """Return what comes behind a cursor without its secrets; raises Refused."""
        redactor = self._redactor().afresh()
        while True:
            part = await self._part(project, after, limit)
            state = b"" if part.state is None else shown(redactor, part.state)
            events: list[bytes] = []
            size = 0
            for entry in part.entries:
                events.append(hidden(redactor, entry.payload))
                size += LOOK + len(entry.payload)
                if size > TURN:
                    size = 0
                    await asyncio.sleep(0)
            # Others had their turn: what has been removed for good meanwhile is in no answer, nor in the state.
            if len(self._admission.engine.log.purges.left(project.id, part.entries)) == len(part.entries):
                changed = sum(clean is not entry.payload for clean, entry in zip(events, part.entries, strict=True))
                return Clean(part, events, state, changed)

    async def _part(self, project: Watched, after: str, limit: int) -> Part:
        """Return what comes behind a cursor; raises Refused."""
        place, whole = await self._place(project, after)
        for _ in range(TRIES):
            timeline = project.timeline
            index = timeline.index_after(place)
            if index is not None:
                entries = small(timeline.slice(index, min(index + limit, timeline.end)))
                # No await between the two: the state is what these events lead to.
                last = index + len(entries) == timeline.end
                if last and project.partial:
                    # It lacks what the journal holds, and would be taken for the whole.
                    break
                return Part(entries, whole, project.state.as_dict() if last else None)
            try:
                rows = await self._admission.engine.past.read(project, place, limit)
            except JournalError as error:
                self._admission.engine.observer.journal_failed(error)
                break
            if rows:
                return Part(small(rows), whole)
            if rows is None:
                floor = self._admission.engine.log.floor_of(project.id)
                whole, place = False, place if floor is None else max(place, floor.place)
            elif timeline.bottom is not None:
                # The journal holds nothing between: memory goes on from its bottom.
                place = timeline.bottom
        sentence = "the relay can't read its journal; try again"
        raise Refused(Disconnect.OVERLOADED, sentence, "journal")

    async def _place(self, project: Watched, after: str) -> tuple[Place, bool]:
        """Return behind which place to read, and whether nothing is missing there; raises Refused."""
        engine = self._admission.engine
        verdict = await self._admission.judge(project.id, after)
        assert verdict is not None, "there is a cursor"  # noqa: S101  # for the type
        if verdict.kind == "whole":
            return engine.past.place(after), True
        if verdict.cause != "below_floor":
            raise bad("after: this cursor is of another log; leave it out to begin anew")
        floor = engine.log.floor_of(project.id)
        return BELOW_ALL if floor is None else floor.place, False


def small(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the first entries, as many as a page may hold by bytes, and at least one if there is any."""
    size = 0
    for count, entry in enumerate(entries):
        size += len(entry.payload)
        if count and size > MAX_BYTES:
            return entries[:count]
    return entries


def hidden(redactor: Redactor, payload: bytes) -> bytes:
    """Return an event without the secrets that the rules find now, the same object if there is none."""
    if not redactor.suspects(payload):
        return payload
    event = decode_event(payload)
    redactor.message(event)
    clean = encode(event)
    return payload if clean == payload else clean


def shown(redactor: Redactor, state: dict[str, Any]) -> bytes:
    """Return a snapshot without the secrets that the rules find now."""
    plain = msgspec.json.encode(state)
    if not redactor.suspects(plain):
        return plain
    return msgspec.json.encode({name: part_of(redactor, name, value) for name, value in state.items()})


def part_of(redactor: Redactor, name: str, value: Any) -> Any:  # noqa: ANN401  # any JSON
    """Return a part of a snapshot without secrets; one by name has names of agents and the like for keys."""
    if name in UNTOUCHED:
        return value
    if name in BY_NAME:
        return {key: within(redactor, one) for key, one in value.items()}
    return msgspec.json.decode(redactor.raw(msgspec.json.encode({name: value})))[name]


def within(redactor: Redactor, value: Any) -> Any:  # noqa: ANN401  # as above
    """Return the same of a value whose name says nothing."""
    return msgspec.json.decode(redactor.raw(msgspec.json.encode(value)))
