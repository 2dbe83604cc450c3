"""What comes live, as a relay tells it and as a bad proxy holds it back."""

from collections.abc import Iterable

import pytest
from multidict import CIMultiDict

from relayd.conformance.live import lives, published, repeats
from relayd.conformance.reading import Way
from relayd.conformance.round import Tokens, check, scene_of
from tests.conformance.held import IN_VAIN, SECONDS, broken, held, meddled, scene_at
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Meddler, Spoilt


class Holds(Spoilt):
    """What comes live over sockets stays."""

    def down(self, frame: str) -> Iterable[str]:
        return () if '"live over' in frame else (frame,)


class Marks(Spoilt):
    """A cursor is rewritten."""

    def flows(self, part: bytes) -> bytes:
        return part.replace(b'"id":"A', b'"id":"B')


class Anonymous(Spoilt):
    """By what a repeat is known is lost."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        headers.pop("Message-Id", None)


LIVE = {way: f"section 4, live over {way.value}" for way in Way}


@pytest.mark.parametrize(
    ("spoilt", "named", "words"),
    [
        (Holds(), {LIVE[Way.MODERN], LIVE[Way.LEGACY]}, "nothing more within"),
        (Marks(), {LIVE[Way.STREAM]}, "the worker was told"),
    ],
    ids=lambda value: type(value).__name__.lower() if isinstance(value, Spoilt) else "",
)
async def test_a_breach_is_named(daemon: PrivateRelay, spoilt: Spoilt, named: set[str], words: str) -> None:
    """And nothing else is."""
    found = broken(await meddled(daemon, spoilt, lives, seconds=IN_VAIN))
    assert named == found.keys()
    assert words in " ".join(found.values())


async def test_a_repeat_that_is_not_known_is_named(daemon: PrivateRelay) -> None:
    """Where the way of workers loses what tells it."""
    async with Meddler(daemon.url, Anonymous()) as meddler:
        scene = await scene_at(daemon)
        scene.publish_url = meddler.base
        assert {"section 8, a repeat is taken once"} == broken(await check(scene, repeats)).keys()


async def test_a_viewer_s_token_publishes_nothing(daemon: PrivateRelay) -> None:
    """It is said why, and that there is another way in for workers."""
    tokens = Tokens(daemon.token("ada"), worker=daemon.token("ada"))
    scene = scene_of(daemon.url, tokens, seconds=SECONDS)
    found = broken([one for look in (published, repeats, lives) for one in await check(scene, look)])
    assert {
        "section 8, what a worker publishes is taken",
        "section 8, a repeat is taken once",
        *LIVE.values(),
    } == found.keys()
    assert {True} == {"this token is a viewer's" in one for one in found.values()}


async def test_a_relay_tells_at_once(daemon: PrivateRelay) -> None:
    """In each way; and knows a repeat."""
    findings = await held(daemon, lives, repeats)
    assert [*["ok"] * 5] == [one.mark.value for one in findings]
