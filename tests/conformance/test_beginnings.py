"""Where viewers begin, as a relay has it and as a bad proxy does."""

from collections.abc import Iterable

import pytest
from multidict import CIMultiDict

from relayd.conformance.beginnings import beginning, elsewhere, opening_mistakes, tails
from relayd.conformance.reading import Reading, Way
from tests.conformance.held import broken, held, meddled
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Spoilt


class Endless(Spoilt):
    """How much history a viewer wants is lost."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        query.pop("tail", None)


class Fresh(Spoilt):
    """From where a viewer wants to go on is lost, over HTTP."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        if path.endswith(("/events", "/stream")):
            query.pop("after", None)
            headers.pop("Last-Event-ID", None)


class Whole(Spoilt):
    """Every resume is called whole."""

    def flows(self, part: bytes) -> bytes:
        return part.replace(b'"replay":"gap"', b'"replay":"resume"')


class Split(Spoilt):
    """Sockets are told a gap where others are told all."""

    def down(self, frame: str) -> Iterable[str]:
        return (frame.replace('"recovered":true,"replay":"resume"', '"recovered":false,"replay":"gap"'),)


TAILS = {f"section 4, a tail over {way.value}" for way in Way}
AFTER, OTHER = "section 3, after=0 is whole or a gap", "section 3, a cursor of another log is a gap"


@pytest.mark.parametrize(
    ("spoilt", "named", "words"),
    [
        (Endless(), TAILS, "events before the end, not 2"),
        (Fresh(), {AFTER, OTHER, *(TAILS - {f"section 4, a tail over {Way.POLL.value}"})}, "is 'tail', not"),
        (Split(), {AFTER}, "one way says gap and another resume"),
        (Whole(), {OTHER}, "event stream: `replay` is 'resume', not gap"),
    ],
    ids=lambda value: type(value).__name__.lower() if isinstance(value, Spoilt) else "",
)
async def test_a_breach_is_named(daemon: PrivateRelay, spoilt: Spoilt, named: set[str], words: str) -> None:
    """And nothing else is."""
    found = broken(await meddled(daemon, spoilt, tails, beginning, elsewhere))
    assert named == found.keys()
    assert words in " ".join(found.values())


async def test_a_relay_begins_where_it_should(daemon: PrivateRelay) -> None:
    """With a tail, with the cursor 0, and with one of another log."""
    assert [*["ok"] * 6] == [one.mark.value for one in await held(daemon, tails, beginning, elsewhere)]


def test_recovered_says_what_replay_says() -> None:
    """Whoever reads one of them only must not be misled."""
    reading = Reading(Way.STREAM)
    reading.greeting = {"replay": "gap", "recovered": True}
    assert ["event stream: `recovered` is True with `replay` 'gap'"] == opening_mistakes(reading, ("resume", "gap"))
