"""What a viewer asks for in the path, query and headers of a request; every mistake is named with its mend."""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import SUBPROTOCOL
from relayd.relay.admission import Handshake
from relayd.relay.limits import Limits
from relayd.relay.refusal import Refused
from relayd.transports.origin import foreign

__all__ = [
    "bearer",
    "collapses",
    "dialect",
    "handshake",
    "is_modern",
    "offered",
    "pace_ms",
    "query_flag",
    "query_number",
    "refuse",
    "selection",
    "token",
]

SESSION = re.compile(r"[A-Za-z0-9._~-]{1,64}")
BEARER = "bearer."
PER_PROJECT = {"after", "types", "level", "agent", "q"}
"""What a socket for many projects is told in `subscribe`."""
DIALECTS = ("relayd", "ag-ui")
"""The first is what everybody hears who asks for none."""
SPEAKS = "sse"
"""The transport that speaks all of them; the others only the first."""
MIN_PACE_MS, MAX_PACE_MS = 10, 60_000
T = TypeVar("T")


def refuse(sentence: str) -> Refused:
    """Return the refusal of a malformed request."""
    return Refused(Disconnect.BAD_REQUEST, sentence, "malformed")


def offered(request: web.BaseRequest) -> list[str]:
    """Return the sub-protocols a viewer offers (RFC 6455 11.3.4)."""
    headers = request.headers.getall("Sec-WebSocket-Protocol", [])
    return [name.strip() for header in headers for name in header.split(",")]


def bearer(request: web.BaseRequest) -> str | None:
    """Return the token from `Authorization`; None without one."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" and credentials else None


def token(request: web.BaseRequest) -> str | None:
    """Return the token: from `Authorization`, from a sub-protocol `bearer.…`, or from `token=`; None without one."""
    if (shown := bearer(request)) is not None:
        return shown
    for name in offered(request):
        if name.startswith(BEARER):
            return name.removeprefix(BEARER)
    return request.query.get("token")


def is_modern(request: web.BaseRequest) -> bool:
    """Tell whether the viewer reads envelopes and notices."""
    return SUBPROTOCOL in offered(request) or query_flag(request, "batch")


def query_flag(request: web.BaseRequest, name: str) -> bool:
    """Return a flag of the query; raises Refused for anything but 0 and 1."""
    text = request.query.get(name, "0")
    if text not in {"0", "1"}:
        raise refuse(f"{name}: use 0 or 1, not {text[:40]!r}")
    return text == "1"


def query_number(request: web.BaseRequest, name: str, *, default: T, most: float, kind: Callable[[str], T]) -> T:
    """Return a number of the query from 0 to `most`; raises Refused."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = kind(text)
    except ValueError as error:
        raise refuse(f"{name}: use a number from 0 to {most:g}, not {text[:40]!r}") from error
    if not 0 <= value <= most:  # type: ignore[operator]  # kind is int or float
        raise refuse(f"{name}: use a number from 0 to {most:g}, not {text[:40]!r}")
    return value


def selection(request: web.BaseRequest) -> Selection:
    """Return what the query selects; `types` and `agent` are lists with commas; raises Refused."""
    query = request.query
    wishes: dict[str, object] = {}
    for name in ("types", "agent"):
        if values := [value for text in query.getall(name, []) for value in text.split(",") if value]:
            wishes[name] = values
    for name in ("level", "q"):
        if name in query:
            wishes[name] = query[name]
    try:
        wanted = msgspec.convert(wishes, Selection)
    except msgspec.ValidationError as error:
        raise refuse(str(error)) from error
    return EVERYTHING if wanted == EVERYTHING else wanted


def dialect(request: web.BaseRequest) -> str:
    """Return in which language a viewer wants to be told; raises Refused for one that is not spoken here."""
    wanted = request.query.get("dialect", DIALECTS[0])
    if wanted not in DIALECTS:
        raise refuse(f"dialect: use {' or '.join(DIALECTS)}, not {wanted[:40]!r}")
    return wanted


def pace_ms(request: web.BaseRequest) -> int:
    """Return the least time between two frames that the viewer asks for, 0 if it does not; raises Refused."""
    value = query_number(request, "pace", default=0, most=MAX_PACE_MS, kind=int)
    if 0 < value < MIN_PACE_MS:
        raise refuse(f"pace: use milliseconds from {MIN_PACE_MS} to {MAX_PACE_MS}, not {value}")
    return value


def collapses(request: web.BaseRequest, *, envelopes: bool) -> bool:
    """Tell whether the viewer wants only the newest of what supersedes itself while it is behind; raises Refused."""
    wanted = query_flag(request, "collapse")
    if wanted and not envelopes:
        raise refuse("collapse: only an envelope can say how many messages were left out; ask for batch=1, too")
    return wanted


def handshake(
    request: web.Request, transport: str, limits: Limits, *, many: bool = False, after: str | None = None
) -> Handshake:
    """Return what a viewer asks for; raises Refused when it can't be read."""
    if transport != SPEAKS and dialect(request) != DIALECTS[0]:
        raise refuse(f"dialect: only server-sent events speak {request.query['dialect']}; read …/stream")
    session = request.query.get("session")
    if session is not None and SESSION.fullmatch(session) is None:
        raise refuse("session: use 1 to 64 letters, digits and . _ ~ -, chosen once per tab")
    if many and (misplaced := sorted(PER_PROJECT & request.query.keys())):
        raise refuse(f"{misplaced[0]}: say it for each project, in `subscribe`")
    shown, ticket = token(request), request.query.get("ticket")
    if shown is not None and ticket is not None:
        raise refuse("ticket, token: come with one of them; whose word should count cannot be told")
    return Handshake(
        transport=transport,
        project_id=None if many else request.match_info["project_id"],
        token=shown,
        ticket=ticket,
        origin=foreign(request),
        after=after or request.query.get("after"),
        tail=query_number(request, "tail", default=limits.tail, most=limits.max_tail, kind=int),
        selection=selection(request),
        session=session,
        remote=request.remote or "",
    )
