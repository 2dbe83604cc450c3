"""What must not be reached from outside, and what must not come back; none of it needs a token."""

import re
import secrets
import time
from collections.abc import Iterable
from http import HTTPStatus

from relayd.client.http import Unreachable
from relayd.client.visitor import Answer, Visitor
from relayd.doctor.clock import clock_of, date_of
from relayd.doctor.finding import Finding, bad, ok, skipped, warn
from relayd.doctor.visit import Visit
from relayd.doctor.ways import MEND_ECHO
from relayd.protocol.endpoints import INGEST, SUBPROTOCOL

__all__ = ["echo_of", "head_of", "inner_of", "origin_of", "stranger_of"]

INNER = {
    "/metrics": re.compile(rb"^relayd_", re.MULTILINE),
    "/livez": re.compile(rb'"alive":'),
    "/readyz": re.compile(rb'"ready":'),
    "/rejected": re.compile(rb'"rejected":'),
}
"""Paths of the admin listener, and what tells that a relay answers there."""

STRANGE = "https://stranger.invalid"
MEND_INNER = "the proxy must lead to `server.*` only, and to the paths of deploy/nginx/relayd.conf"
MEND_AWAY = "see the lines above"
VERSION = re.compile(r"/\d")


async def inner_of(visit: Visit) -> Iterable[Finding]:
    """Say whether what is for operators and workers can be reached."""
    looked_at = "inner paths"
    try:
        async with visit.visitor() as visitor:
            open_ = [path for path, sign in INNER.items() if sign.search((await visitor.get(path)).body)]
            ingest = await visitor.get(INGEST)
    except Unreachable as error:
        return [bad(looked_at, str(error), mend=MEND_AWAY)]
    findings = [bad(looked_at, f"{path} is open to all", mend=MEND_INNER) for path in open_]
    if not open_:
        findings = [ok(looked_at, f"{' '.join(INNER)} can't be reached")]
    # Only the relay itself knows which method belongs there.
    if ingest.status == HTTPStatus.METHOD_NOT_ALLOWED and "POST" in ingest.headers.get("allow", ""):
        mend = "keep it inside, if workers are inside: it is guarded by their tokens alone"
        findings.append(warn(looked_at, f"{INGEST}, where workers publish, can be reached", mend=mend))
    return findings


async def origin_of(visit: Visit) -> Iterable[Finding]:
    """Say whether a stranger's page may open a socket."""
    looked_at = "foreign pages"
    headers = {"Origin": STRANGE}
    try:
        async with (
            visit.visitor() as visitor,
            visitor.shake(visit.socket, protocols=(SUBPROTOCOL,), headers=headers) as shaken,
        ):
            status = shaken.status
    except Unreachable as error:
        return [bad(looked_at, str(error), mend=MEND_AWAY)]
    if status == HTTPStatus.FORBIDDEN:
        return [ok(looked_at, f"a page of {STRANGE} is refused")]
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        mend = "list the pages that may in [server] origins and in $relayd_origin_allowed, and no others"
        return [bad(looked_at, f"a page of {STRANGE} may open a socket", mend=mend)]
    return [skipped(looked_at, f"the answer was HTTP {status}, which does not tell", "mend the WebSocket first")]


async def echo_of(visit: Visit) -> Iterable[Finding]:
    """Say whether a token comes back in an answer, tried with one that opens nothing."""
    looked_at, token = "token's echo", f"relayd-doctor-{secrets.token_hex(16)}"
    headers = {"Authorization": f"Bearer {token}"}
    paths = (visit.path("/events"), f"/{visit.nonce}", "/")
    try:
        async with visit.visitor() as visitor:
            answers = [(path, await visitor.get(f"{path}?wait=0&token={token}", headers)) for path in paths]
    except Unreachable as error:
        return [bad(looked_at, str(error), mend=MEND_AWAY)]
    if echoing := [path for path, answer in answers if token.encode() in answer.said]:
        return [bad(looked_at, f"a token comes back in the answer of {' '.join(echoing)}", mend=MEND_ECHO)]
    return [ok(looked_at, "a token comes back in no answer")]


async def stranger_of(visit: Visit) -> Iterable[Finding]:
    """Say whether somebody without a token is let in."""
    looked_at = "strangers"
    try:
        async with visit.visitor() as visitor:
            status = (await visitor.get(visit.path("/events?wait=0"))).status
    except Unreachable as error:
        return [bad(looked_at, str(error), mend=MEND_AWAY)]
    if status == HTTPStatus.OK:
        mend = 'set auth.mode = "jwt"'
        return [bad(looked_at, "everybody may watch, without a token", mend=mend)]
    if status == HTTPStatus.UNAUTHORIZED:
        return [ok(looked_at, "without a token nobody watches")]
    mend = "see whether the proxy leads to the relay, and whether that is ready"
    return [bad(looked_at, f"HTTP {status} where a relay says 401", mend=mend)]


async def head_of(visit: Visit) -> Iterable[Finding]:
    """Say what an answer tells of those who sent it: their clock, their versions."""
    try:
        async with visit.visitor() as visitor:
            answer, at = await _timed(visitor, "/")
    except Unreachable as error:
        return [bad("answer", str(error), mend="see whether the proxy runs, and is reached from here")]
    findings = []
    server = answer.headers.get("server", "")
    if VERSION.search(server):
        mend = "`server_tokens off;`: nobody but attackers needs the version"
        findings.append(warn("Server", server, mend=mend))
    else:
        findings.append(ok("Server", server or "says nothing"))
    date = date_of(answer.headers.get("date", ""))
    if date is None:
        findings.append(skipped("clock", f"{visit.base} does not tell its time"))
    else:
        findings.append(clock_of(date - at, f"that of {visit.base}"))
    return findings


async def _timed(visitor: Visitor, path: str) -> tuple[Answer, float]:
    began = time.time()
    answer = await visitor.get(path)
    return answer, began + answer.seconds / 2
