"""The first words of a relay, as it says them and as a bad proxy leaves them."""

from collections.abc import Iterable

import pytest
from multidict import CIMultiDict

from relayd.conformance.greetings import body_mistakes, entrance, greetings, spoken_mistakes, states
from relayd.conformance.reading import Reading, Way
from relayd.testing.frames import frame
from tests.conformance.held import IN_VAIN, broken, held, meddled
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Spoilt


class Mutes(Spoilt):
    """The first message of a socket is lost."""

    def down(self, frame: str) -> Iterable[str]:
        return () if "connection_established" in frame else (frame,)


class Renames(Spoilt):
    """A field has another name, and what the front end shows another text."""

    def down(self, frame: str) -> Iterable[str]:
        return (frame.replace('"connection_id"', '"connectionId"').replace("Real-time updates active", "Hello"),)


class Stateless(Spoilt):
    """Nobody is told the state."""

    def down(self, frame: str) -> Iterable[str]:
        return () if '"synthetic":true' in frame else (frame.replace('"snapshot"', '"shot"'),)


class Speechless(Spoilt):
    """Something else answers."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        return status, b"<html>"


SOCKETS = {f"section 1, first message over {way.value}" for way in (Way.MODERN, Way.LEGACY)}


@pytest.mark.parametrize(
    ("spoilt", "named", "words"),
    [
        (Mutes(), SOCKETS, "not 'connection_established'"),
        (Renames(), SOCKETS, "`connection_id` is missing; `message` is not 'Real-time updates active'"),
        (Stateless(), {"section 1, the state that a fresh viewer is told"}, "the state is not told in messages"),
        (Speechless(), {"section 4, the body of a long poll"}, "no poll's"),
    ],
    ids=lambda value: type(value).__name__.lower() if isinstance(value, Spoilt) else "",
)
async def test_a_breach_is_named(daemon: PrivateRelay, spoilt: Spoilt, named: set[str], words: str) -> None:
    """And nothing else is."""
    looks = [states] if isinstance(spoilt, Stateless) else [greetings]
    found = broken(await meddled(daemon, spoilt, *looks, seconds=IN_VAIN))
    assert named == found.keys()
    assert words in " ".join(found.values())


async def test_one_way_in_is_enough(daemon: PrivateRelay) -> None:
    """What is wrong with the others is said by the checks of each."""
    assert {} == broken(await meddled(daemon, Speechless(), entrance))
    assert {} == broken(await held(daemon, entrance, greetings, states))


def test_the_body_of_a_poll_has_all_that_is_promised() -> None:
    """What is missing or no cursor is named."""
    found = body_mistakes({"project_id": "q", "cursor": "x", "next_poll_ms": "1"}, "p")
    assert ["`head` is missing", "`recovered` is missing", "`replay` is missing", "`messages` is missing"] == found[:4]
    assert ["`project_id` is 'q'", "`cursor` is no cursor", "`next_poll_ms` is no number of milliseconds"] == found[4:]


def test_a_legacy_viewer_is_told_the_state_in_its_words() -> None:
    """As what the relay says in place of the log, and not in a snapshot, which it does not know."""
    well, real, modern = (Reading(Way.LEGACY) for _ in range(3))
    well.take(frame("connection_established.minimal"))
    well.take(frame("project_progress.synthetic"))
    real.take(frame("project_progress.minimal"))
    modern.take(frame("connection_established.full"))
    modern.take(frame("project_progress.synthetic"))
    assert [] == spoken_mistakes(well)
    assert ["legacy WebSocket: a message without `id` is not `synthetic`"] == spoken_mistakes(real)
    assert ["legacy WebSocket: a `snapshot`, which it does not know"] == spoken_mistakes(modern)
