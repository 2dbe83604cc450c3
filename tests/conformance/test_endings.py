"""Endings, as a relay says them and as a bad proxy rewrites them."""

from collections.abc import Iterable

import pytest
from multidict import CIMultiDict

from relayd.client.visitor import Answer, Closed
from relayd.conformance.endings import crowds, frames, reason_mistakes, refusals, status_mistakes
from relayd.protocol.disconnect import Disconnect
from tests.conformance.held import IN_VAIN, broken, held, meddled
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Spoilt


class Recodes(Spoilt):
    """Close codes that it does not know become one that it does."""

    def close(self, code: int, reason: str) -> tuple[int, str]:
        return (1008, reason) if code >= 4000 else (code, reason)


class Shortens(Spoilt):
    """Reasons are left out."""

    def close(self, code: int, reason: str) -> tuple[int, str]:
        return code, ""


class Decorates(Spoilt):
    """Refusals over HTTP become pages."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        if status >= 400:
            headers["Content-Type"] = "text/html"
            return status, b"<h1>Sorry</h1>"
        return status, body


class Softens(Spoilt):
    """Nobody is told that a token does not hold."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        return (403, body) if status == 401 else (status, body)


class Texts(Spoilt):
    """Binary frames become texts, large ones short."""

    def up(self, frame: str | bytes) -> Iterable[str | bytes]:
        return ("ping",) if isinstance(frame, bytes) or len(frame) > 60_000 else (frame,)


TOKEN, CURSOR = "section 6, a token that opens nothing", "section 6, a cursor that can't be read"
PROJECT, PLACE = "section 6, somebody else's project", "section 6, one connection too many"
BINARY, WORDS, LARGE = (
    "section 6, a binary frame",
    "section 6, a frame that is no JSON",
    "section 6, a frame over 64 KiB",
)


@pytest.mark.parametrize(
    ("spoilt", "named", "words"),
    [
        (Recodes(), {TOKEN, CURSOR, PROJECT, PLACE, BINARY, WORDS}, "WebSocket: closed with 1008, not 4401"),
        (Shortens(), {TOKEN, CURSOR, PROJECT, PLACE, BINARY, WORDS, LARGE}, "the reason of 4403 is ''"),
        (Decorates(), {TOKEN, CURSOR, PROJECT, PLACE}, "not {detail, code: BAD_REQUEST} but 14 bytes of text/html"),
        (Softens(), {TOKEN}, "long poll: HTTP 403, not 401"),
        (Texts(), {BINARY, LARGE}, "it was not ended within"),
    ],
    ids=lambda value: type(value).__name__.lower() if isinstance(value, Spoilt) else "",
)
async def test_a_breach_is_named(daemon: PrivateRelay, spoilt: Spoilt, named: set[str], words: str) -> None:
    """And nothing else is."""
    found = broken(await meddled(daemon, spoilt, frames, refusals, crowds, seconds=IN_VAIN))
    assert named == found.keys()
    assert words in " ".join(found.values())


async def test_a_relay_ends_what_it_should(daemon: PrivateRelay) -> None:
    """In each of the ways that can be provoked."""
    findings = await held(daemon, frames, refusals, crowds)
    assert {BINARY, WORDS, LARGE, TOKEN, CURSOR, PROJECT, PLACE} == {one.looked_at for one in findings}
    assert {"ok"} == {one.mark.value for one in findings}


@pytest.mark.parametrize(
    ("heard", "wanted", "words"),
    [
        (Closed(4401, "AUTH_FAILED: log in again"), Disconnect.AUTH_FAILED, ""),
        (Closed(4429, "TOO_MANY_CONNECTIONS: close one; retry_after_ms=10000"), Disconnect.TOO_MANY_CONNECTIONS, ""),
        (Closed(0), Disconnect.AUTH_FAILED, "closed with no code, not 4401"),
        (Closed(4401, "FORBIDDEN: no"), Disconnect.AUTH_FAILED, "not 'AUTH_FAILED: '"),
        (Closed(4401, "AUTH_FAILED"), Disconnect.AUTH_FAILED, "and a sentence"),
        (Closed(4429, "TOO_MANY_CONNECTIONS: close one"), Disconnect.TOO_MANY_CONNECTIONS, "says no retry_after_ms"),
        (
            Closed(4429, "TOO_MANY_CONNECTIONS: x; retry_after_ms=soon"),
            Disconnect.TOO_MANY_CONNECTIONS,
            "says no retry",
        ),
        (Closed(4401, f"AUTH_FAILED: {'x' * 120}"), Disconnect.AUTH_FAILED, "a reason of 133 bytes"),
    ],
)
def test_a_reason_is_read_to_the_letter(heard: Closed, wanted: Disconnect, words: str) -> None:
    """Name, sentence, time to wait, and no more than a frame holds."""
    found = reason_mistakes(heard, wanted)
    assert bool(words) == bool(found)
    assert words in " ".join(found)


def test_a_status_says_when_to_come_again() -> None:
    """Where waiting helps."""
    body = b'{"detail":"close one","code":"TOO_MANY_CONNECTIONS"}'
    late, soon = Answer(429, {"retry-after": "10"}, body, 0.0), Answer(429, {}, body, 0.0)
    assert [] == status_mistakes(late, Disconnect.TOO_MANY_CONNECTIONS)
    assert ["429 without Retry-After"] == status_mistakes(soon, Disconnect.TOO_MANY_CONNECTIONS)
    assert ["HTTP 429, not 401"] == status_mistakes(soon, Disconnect.AUTH_FAILED)
