"""Connections and revocations over HTTP, for operators, on the admin listener only."""

from collections.abc import Callable
from math import isfinite
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from relayd.api.asking import answer, number
from relayd.api.rejected import problem
from relayd.core.revocations import Full, Kind, Revocation
from relayd.ports import Clock, Holder, Whom
from relayd.relay.orders import Done, Orders, projects
from relayd.relay.poll import Poll
from relayd.relay.refusal import BY_OPERATOR, Refused
from relayd.relay.session import Session

__all__ = ["operating_routes"]

LIMIT = 100
MAX_LIMIT = 1_000
MAX_NAME = 128
"""Longest name of a user, project, token or connection."""

MAX_REASON = 60
"""Longest reason in characters: it travels in a close frame."""

FARTHEST = 366 * 86_400.0
"""Seconds; no token lives longer than a year."""

Asked = TypeVar("Asked")


class Disconnecting(Struct, forbid_unknown_fields=True):
    """The body of `POST /disconnect`."""

    connection_id: str | None = None
    user: str | None = None
    project_id: str | None = None
    reason: str = ""


class Revoking(Struct, forbid_unknown_fields=True):
    """The body of `POST /revoke`."""

    user: str | None = None
    token_id: str | None = None
    expires_at: float | None = None


class BadOrder(Exception):
    """It can't be read; the message is a sentence with the mend."""


def operating_routes(orders: Orders, everybody: Callable[[], list[Session | Poll]], clock: Clock) -> list[web.RouteDef]:
    """Return the routes; `everybody` are all connections of this relay."""
    pages = _Pages(orders, everybody, clock)
    return [
        web.get("/connections", pages.connections),
        web.post("/disconnect", pages.disconnect),
        web.get("/revocations", pages.revocations),
        web.post("/revoke", pages.revoke),
        web.delete(r"/revocations/{kind:user|token}/{name:.+}", pages.take_back),
    ]


class _Pages:
    def __init__(self, orders: Orders, everybody: Callable[[], list[Session | Poll]], clock: Clock) -> None:
        self._orders = orders
        self._everybody = everybody
        self._clock = clock

    async def connections(self, request: web.Request) -> web.Response:
        """
        `GET /connections?user=&project=&limit=<1…1000>`: the oldest first; other relays' only where one is named.

        `{"connections": [{"connection_id", "user", "transport", "projects", "since", "address", "buffered", "here"}],
        "left_off": <how many more there are>}`; `address` and `buffered` (bytes) are not known of other relays'.
        """
        try:
            limit = number(request, "limit", default=LIMIT, least=1, most=MAX_LIMIT)
        except Refused as refused:
            return problem(400, "BAD_REQUEST", refused.sentence)
        user, project = request.query.get("user"), request.query.get("project")
        found = [
            one
            for one in self._everybody()
            if (user is None or one.grant.viewer.user == user) and (project is None or project in projects(one))
        ]
        found.sort(key=lambda one: one.grant.since)
        others = await self._elsewhere(user, project)
        rows = [*map(here, found[:limit]), *map(there, others[: max(0, limit - len(found))])]
        return answer({"connections": rows, "left_off": len(found) + len(others) - len(rows)})

    async def _elsewhere(self, user: str | None, project: str | None) -> list[Holder]:
        """Return what is asked for of other relays; without a name nothing is, or it would be all they hold."""
        if user is None and project is None:
            return []
        others = await self._orders.elsewhere(Whom(user=user) if user is not None else Whom(project_id=project))
        return [held for held in others if project is None or held.project_id == project]

    async def disconnect(self, request: web.Request) -> web.Response:
        """
        `POST /disconnect` with `{"connection_id" | "user" | "project_id", "reason"?}`.

        `{"ended": <here>, "elsewhere": <on other relays, or null>, "others": "told" | "none" | "not told: …"}`
        """
        try:
            asked = await read(request, Disconnecting)
            whom = Whom(connection_id=asked.connection_id, user=asked.user, project_id=asked.project_id)
            one_of(connection_id=asked.connection_id, user=asked.user, project_id=asked.project_id)
            if len(asked.reason) > MAX_REASON or not asked.reason.isprintable():
                raise BadOrder(f"reason: use at most {MAX_REASON} characters, all of them printable")
        except BadOrder as error:
            return problem(400, "BAD_REQUEST", str(error))
        sentence = f"ended by an operator: {asked.reason}" if asked.reason else BY_OPERATOR
        done = await self._orders.disconnect(whom, sentence)
        return answer({"ended": done.ended, "elsewhere": done.elsewhere, "others": done.others})

    async def revoke(self, request: web.Request) -> web.Response:
        """
        `POST /revoke` with `{"user"}` or `{"token_id", "expires_at"?}`.

        `{"user" | "token_id", "at", "until", "ended": <connections here>, "kept": "on disk" | "until this relay ends",
        "others": "told" | "none" | "told when they can be: …"}`; 503 if it holds and could not be written to the disk,
        409 where there are no tokens, 507 if the list is full.
        """
        if self._orders.longest is None:
            return problem(409, "BAD_REQUEST", 'auth.mode is "disabled": nobody has a token that could be revoked')
        try:
            asked = await read(request, Revoking)
            kind, name = one_of(user=asked.user, token_id=asked.token_id)
            self._check_expiry(asked)
        except BadOrder as error:
            return problem(400, "BAD_REQUEST", str(error))
        try:
            done = await self._orders.revoke(kind_of(kind), name, expires_at=asked.expires_at)
        except Full:
            sentence = "the list of revocations is full; change the key, or wait until some are over"
            return problem(507, "FULL", sentence)
        return told(done)

    async def revocations(self, request: web.Request) -> web.Response:
        """`GET /revocations?limit=<1…1000>`: `{"revocations": [{"user" | "token_id", "at", "until"}], "left_off"}`."""
        try:
            limit = number(request, "limit", default=LIMIT, least=1, most=MAX_LIMIT)
        except Refused as refused:
            return problem(400, "BAD_REQUEST", refused.sentence)
        held = [one for one in self._orders.revocations if not one.taken_back]
        held.sort(key=lambda one: -one.at)
        return answer({"revocations": [shown(one) for one in held[:limit]], "left_off": max(0, len(held) - limit)})

    async def take_back(self, request: web.Request) -> web.Response:
        """`DELETE /revocations/user/{user}` or `/revocations/token/{token_id}`: as `POST /revoke`; 404 for others."""
        kind: Kind = "user" if request.match_info["kind"] == "user" else "token"
        name = request.match_info["name"]
        done = await self._orders.take_back(kind, name)
        if done is None:
            return problem(404, "NOT_FOUND", f"this {kind} is not revoked; GET /revocations lists those that are")
        return told(done)

    def _check_expiry(self, asked: Revoking) -> None:
        if asked.expires_at is None:
            return
        if asked.token_id is None:
            raise BadOrder("expires_at: only with token_id; a user's tokens are revoked for as long as any may live")
        now = self._clock.now()
        if not isfinite(asked.expires_at) or not now < asked.expires_at <= now + FARTHEST:
            raise BadOrder("expires_at: use the token's `exp`, Unix seconds, in the future and at most a year away")


async def read(request: web.Request, kind: type[Asked]) -> Asked:
    """Return the body; raises BadOrder."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.MsgspecError, web.HTTPRequestEntityTooLarge) as error:
        raise BadOrder(f"the body is no such order: {error}") from error


def one_of(**named: str | None) -> tuple[str, str]:
    """Return the one that is given, with its name; raises BadOrder."""
    given = [(name, value) for name, value in named.items() if value is not None]
    if len(given) != 1:
        raise BadOrder(f"say exactly one of {', '.join(named)}")
    name, value = given[0]
    if not 1 <= len(value) <= MAX_NAME or not value.isprintable():
        raise BadOrder(f"{name}: use 1 to {MAX_NAME} characters, all of them printable")
    return name, value


def kind_of(field: str) -> Kind:
    """Return what a field names."""
    return "user" if field == "user" else "token"


def told(done: Done) -> web.Response:
    """Return the answer to an order about tokens."""
    if done.failed:
        sentence = (
            f"it holds until this relay ends and could not be written: {done.failed}; mend that and order it again"
        )
        return problem(503, "UNAVAILABLE", sentence)
    about = {} if done.revocation is None else shown(done.revocation)
    return answer({**about, "ended": done.ended, "kept": done.kept, "others": done.others})


def shown(one: Revocation) -> dict[str, object]:
    """Return a revocation as operators read it."""
    return {"user" if one.kind == "user" else "token_id": one.name, "at": one.at, "until": one.until}


def here(one: Session | Poll) -> dict[str, object]:
    """Return what is known of a connection of this relay."""
    grant = one.grant
    return {
        "connection_id": grant.connection_id,
        "user": grant.viewer.user,
        "transport": one.encoding.transport,
        "projects": sorted(projects(one)),
        "since": grant.since,
        "address": grant.remote,
        "buffered": one.wire.buffered() if isinstance(one, Session) else 0,
        "here": True,
    }


def there(held: Holder) -> dict[str, object]:
    """Return what is known of a connection of another relay."""
    return {
        "connection_id": held.connection_id,
        "user": held.user,
        "transport": held.transport,
        "projects": [] if held.project_id is None else [held.project_id],
        "since": held.since,
        "address": None,
        "buffered": None,
        "here": False,
    }
