"""The three ways to watch, as a viewer has them through whatever stands in between."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import msgspec

from relayd.client.ending import judge_close, judge_status
from relayd.client.http import Unreachable
from relayd.client.visitor import Answer, Closed, Shaken
from relayd.doctor.finding import Finding, bad, ok, skipped, warn
from relayd.doctor.visit import SECONDS, Visit
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import SUBPROTOCOL

__all__ = ["MEND_ECHO", "poll_of", "socket_of", "stream_of"]

SWITCHED = HTTPStatus.SWITCHING_PROTOCOLS
SLOW_SECONDS = 1.0
PING, PONG = '{"type":"ping"}', "pong"
FIRST = "connection_established"
NO_TOKEN = "needs a viewer's token"  # noqa: S105 - a sentence
GIVE_ONE = "give one with --token-file"

MEND_UPGRADE = "the proxy must pass `Upgrade` and `Connection: upgrade` on, with `proxy_http_version 1.1`"
MEND_PROTOCOL = "the proxy must pass `Sec-WebSocket-Protocol` in both directions"
MEND_BUFFER = "`proxy_buffering off;` for this path, and nothing that takes `X-Accel-Buffering` away"
MEND_CACHE = "no cache for this path (`proxy_cache off;`), and nothing that takes `Cache-Control: no-store` away"
MEND_ECHO = "nothing may write a token where it is logged or cached: take it out of what the proxy adds"
MEND_TOKEN = "get a token for this project, or name another with --project"  # noqa: S105 - a sentence
MEND_IDLE = "`proxy_read_timeout` above three heartbeats (75s), in each proxy and balancer on the way"


async def socket_of(visit: Visit, idle_seconds: float) -> Iterable[Finding]:
    """Say whether a WebSocket comes about, speaks at once, answers, and lives when nobody speaks."""
    try:
        async with visit.visitor() as visitor, visitor.shake(visit.socket, protocols=visit.protocols) as shaken:
            if shaken.socket is None:
                return [_not_upgraded(shaken.status)]
            return [*_opened(visit, shaken), *await _first_words(visit, shaken, idle_seconds)]
    except Unreachable as error:
        return [bad("WebSocket", str(error), mend="see the lines above; else whether the proxy reaches the relay")]


def _not_upgraded(status: int) -> Finding:
    """Judge a handshake that came to nothing."""
    if status == HTTPStatus.UNAUTHORIZED:
        # A viewer with our sub-protocol is upgraded first and told then.
        return bad("WebSocket", "refused with HTTP 401, as one without our sub-protocol is", mend=MEND_PROTOCOL)
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY}:
        return bad(
            "WebSocket", f"refused with HTTP {status}", mend="see whether the relay runs, and /readyz from inside"
        )
    return bad("WebSocket", f"not upgraded, HTTP {status}", mend=MEND_UPGRADE)


def _opened(visit: Visit, shaken: Shaken) -> Iterable[Finding]:
    protocol = shaken.headers.get("sec-websocket-protocol", "")
    deflate = ", compressed" if "permessage-deflate" in shaken.headers.get("sec-websocket-extensions", "") else ""
    if visit.echoed("\n".join(shaken.headers.values()).encode()):
        yield bad("WebSocket", "its handshake repeats the token", mend=MEND_ECHO)
    if protocol == SUBPROTOCOL:
        yield ok("WebSocket", f"upgraded, sub-protocol {protocol}{deflate}")
    else:
        yield bad("WebSocket", f"upgraded with the sub-protocol {protocol or 'lost'}", mend=MEND_PROTOCOL)


async def _first_words(visit: Visit, shaken: Shaken, idle_seconds: float) -> list[Finding]:
    looked_at = "WebSocket, first message"
    first = await shaken.hear(SECONDS)
    if first is None:
        return [bad(looked_at, f"none within {SECONDS:g} s", mend=MEND_BUFFER)]
    if isinstance(first, Closed):
        if visit.token is None and first.code == Disconnect.AUTH_FAILED.code:
            return [skipped(looked_at, f"{NO_TOKEN}; the relay itself refused it, {first.code}", GIVE_ONE)]
        return [_ended(looked_at, first.code, judge_close(first.code, first.reason))]
    if FIRST not in first:
        return [bad(looked_at, "it is no relay's", mend="see where the proxy leads (`proxy_pass`)")]
    findings = [ok(looked_at, f"{FIRST}, {len(first)} bytes"), await _round_trip(shaken)]
    if not idle_seconds:
        return [*findings, skipped("WebSocket, idle", "not tried", "--idle 180 keeps a socket idle and sees it live")]
    return [*findings, await _idle(shaken, idle_seconds)]


async def _round_trip(shaken: Shaken) -> Finding:
    looked_at, began = "round trip", time.monotonic()
    if not await _answers(shaken):
        return bad(looked_at, f"no answer to a ping within {SECONDS:g} s", mend="see what stands between")
    took = time.monotonic() - began
    if took > SLOW_SECONDS:
        return warn(looked_at, f"{took * 1_000:.0f} ms", mend="see what is slow on the way, and `relayd top`")
    return ok(looked_at, f"{took * 1_000:.0f} ms")


async def _answers(shaken: Shaken) -> bool:
    """Return whether a ping is answered in time, whatever else is heard meanwhile."""
    await shaken.say(PING)
    try:
        async with asyncio.timeout(SECONDS):
            while isinstance(heard := await shaken.hear(SECONDS), str):
                if PONG in heard[:100]:
                    return True
    except TimeoutError:
        pass
    return False


async def _idle(shaken: Shaken, seconds: float) -> Finding:
    looked_at, ends = "WebSocket, idle", time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        heard = await shaken.hear(left)
        if isinstance(heard, Closed):
            lived = seconds - (ends - time.monotonic())
            return bad(looked_at, f"cut after {lived:.0f} s, code {heard.code}", mend=MEND_IDLE)
    if not await _answers(shaken):
        return bad(looked_at, f"silent after {seconds:.0f} s", mend=MEND_IDLE)
    return ok(looked_at, f"alive after {seconds:.0f} s")


async def stream_of(visit: Visit) -> Iterable[Finding]:
    """Say whether an event stream's first events come while it is open."""
    looked_at = "event stream"
    if visit.token is None:
        return [skipped(looked_at, NO_TOKEN, GIVE_ONE)]
    answer: Answer | None = None
    began = time.monotonic()
    first: float | None = None
    try:
        async with visit.visitor() as visitor, aclosing(visitor.watch(visit.path("/stream"), visit.bearer)) as parts:
            async for answer in parts:
                if answer.status != HTTPStatus.OK:
                    continue
                if answer.body and first is None:
                    first = time.monotonic() - began
                # It has no end: what is held back on the way would never come.
                if FIRST.encode() in answer.body and answer.body.endswith(b"\n\n"):
                    break
    except Unreachable as error:
        if answer is None:
            mend = f"see the lines above; if only this fails: {MEND_BUFFER}"
            return [bad(looked_at, str(error), mend=mend)]
        so_far = f"{len(answer.body)} bytes" if answer.body else "not a byte"
        return [bad(looked_at, f"{so_far} within {SECONDS:g} s, so something holds it back", mend=MEND_BUFFER)]
    if answer is not None and answer.status != HTTPStatus.OK:
        return [_refused(looked_at, answer)]
    if answer is None or first is None or FIRST.encode() not in answer.body:
        return [bad(looked_at, "it ended at once", mend="see where the proxy leads (`proxy_pass`)")]
    findings = [ok(looked_at, f"first byte after {first * 1_000:.0f} ms, its first event whole while it is open")]
    return findings + _as_sent(visit, looked_at, answer)


async def poll_of(visit: Visit) -> Iterable[Finding]:
    """Say whether a long poll is answered, to the asker alone."""
    looked_at = "long poll"
    if visit.token is None:
        return [skipped(looked_at, NO_TOKEN, GIVE_ONE)]
    # Without a session: that would keep a place of the user for a while.  The nonce makes the address this visit's own.
    path = visit.path(f"/events?wait=0&doctor={visit.nonce}")
    try:
        async with visit.visitor() as visitor:
            answer = await visitor.get(path, visit.bearer)
            if answer.status != HTTPStatus.OK:
                return [_refused(looked_at, answer)]
            if "cursor" not in _told(answer.body):
                return [bad(looked_at, "what answers is no relay", mend="see where the proxy leads (`proxy_pass`)")]
            # Whoever gets an answer for this address without a token gets somebody else's.
            stranger = await visitor.get(path)
    except Unreachable as error:
        return [bad(looked_at, str(error), mend="see the lines above; else whether the proxy reaches the relay")]
    findings = [ok(looked_at, f"answered in {answer.seconds * 1_000:.0f} ms")]
    if stranger.status == HTTPStatus.OK:
        found = "the same address is answered without a token, too"
        findings.append(bad(f"{looked_at}, cache", found, mend=MEND_CACHE))
    elif "no-store" not in answer.headers.get("cache-control", ""):
        found = f"Cache-Control is {answer.headers.get('cache-control', 'missing')}"
        findings.append(bad(f"{looked_at}, cache", found, mend=MEND_CACHE))
    elif "age" in answer.headers:
        findings.append(bad(f"{looked_at}, cache", "it comes out of a cache (Age)", mend=MEND_CACHE))
    else:
        found = f"no-store, and without a token the same address answers {stranger.status}"
        findings.append(ok(f"{looked_at}, cache", found))
    return findings + _as_sent(visit, looked_at, answer)


def _as_sent(visit: Visit, looked_at: str, answer: Answer) -> list[Finding]:
    """Judge what was added on the way."""
    findings = []
    if visit.echoed(answer.said):
        findings.append(bad(looked_at, "the answer repeats the token", mend=MEND_ECHO))
    if encoding := answer.headers.get("content-encoding"):
        mend = "`gzip off;` for this path: it gathers what should be sent, and its sizes tell of secrets"
        findings.append(warn(looked_at, f"compressed on the way ({encoding})", mend=mend))
    return findings


def _ended(looked_at: str, number: int, judged: Exception | None) -> Finding:
    """Return what a close code or a status means to a viewer."""
    found, _, mend = str(judged or "the relay said goodbye").partition("; ")
    return bad(looked_at, f"{number}: {found}", mend=mend or MEND_TOKEN)


def _refused(looked_at: str, answer: Answer) -> Finding:
    """Return what a status means, in the relay's words where it has some."""
    detail = str(_told(answer.body).get("detail", ""))
    return _ended(looked_at, answer.status, judge_status(answer.status, answer.headers, detail))


def _told(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
