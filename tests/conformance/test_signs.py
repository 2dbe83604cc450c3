"""Signs of life, as a relay gives them and as a bad proxy loses them."""

import re
from collections.abc import Iterable

import pytest
from multidict import CIMultiDict

from relayd.conformance.round import check
from relayd.conformance.signs import heartbeats, pings, pong_mistakes, waits
from tests.conformance.held import IN_VAIN, broken, held, meddled, scene_at
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Meddler, Spoilt


class Deaf(Spoilt):
    """What a viewer says is lost."""

    def up(self, frame: str | bytes) -> Iterable[str | bytes]:
        return ()


class Dumb(Spoilt):
    """The answer to a bare ping is lost."""

    def down(self, frame: str) -> Iterable[str]:
        return () if frame == "pong" else (frame,)


class Hasty(Spoilt):
    """A poll is answered at once."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        query["wait"] = "0"


class Eager(Spoilt):
    """Whoever polls is told to come again at once."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        return status, re.sub(rb'"next_poll_ms":\d+', b'"next_poll_ms":0', body)


class Sleepy(Spoilt):
    """Whoever polls is told to come again in a minute."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        return status, re.sub(rb'"next_poll_ms":\d+', b'"next_poll_ms":60000', body)


class Quiet(Spoilt):
    """Comments of a stream are lost."""

    def flows(self, part: bytes) -> bytes:
        return b"" if part.startswith(b":") else part


WAIT = {"section 4, a long poll waits"}
PINGS = {
    "section 2, the answer to a ping",
    "section 2, the answer to a bare ping",
    "section 2, an unknown `type` is ignored",
}


@pytest.mark.parametrize(
    ("spoilt", "named"),
    [
        (Deaf(), PINGS),
        (Dumb(), {"section 2, the answer to a bare ping"}),
        (Hasty(), WAIT),
        (Eager(), WAIT),
        (Sleepy(), WAIT),
    ],
    ids=lambda value: type(value).__name__.lower() if isinstance(value, Spoilt) else "",
)
async def test_a_breach_is_named(daemon: PrivateRelay, spoilt: Spoilt, named: set[str]) -> None:
    """And nothing else is."""
    assert named == broken(await meddled(daemon, spoilt, pings, waits, seconds=IN_VAIN)).keys()


async def test_a_heartbeat_is_waited_for_when_asked() -> None:
    """One that comes is well, one that a proxy keeps is named."""
    with PrivateRelay({"server": {"heartbeat_seconds": 1}}) as relay:
        kept = await check(await scene_at(relay, seconds=1.0, idle_seconds=1.5), heartbeats)
        async with Meddler(relay.url, Quiet()) as meddler:
            lost = await check(await scene_at(relay, meddler.base, seconds=1.0, idle_seconds=1.5), heartbeats)
    assert [("ok", "a comment, with the cursor in its `id:` line")] == [(one.mark, one.found) for one in kept]
    assert {"section 4, the heartbeat of an event stream"} == broken(lost).keys()


async def test_what_is_promised_of_signs_is_kept(daemon: PrivateRelay) -> None:
    """By a relay; the heartbeat is left out unless it is asked for."""
    findings = await held(daemon, pings, waits, heartbeats)
    assert [*["ok"] * 4, "skip"] == [one.mark.value for one in findings]


def test_a_pong_is_read_to_the_letter() -> None:
    """It tells how fresh a viewer is."""
    assert ["hello"] == pong_mistakes("hello")
    assert "`server_time` is missing" in pong_mistakes('{"type":"pong","cursor":"0","head":"0"}')
    assert "`head` is no cursor" in pong_mistakes('{"type":"pong","server_time":1.0,"cursor":"0","head":"end"}')
