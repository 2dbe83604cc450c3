"""A relay behind a proxy that spoils what passes: each breach of a resume is found, and named for what it is."""

import json
from collections.abc import Iterable

import pytest
from multidict import CIMultiDict

from relayd.conformance.reading import Reading, Way
from relayd.conformance.resuming import resumes, whole_mistakes, word_mistakes
from relayd.conformance.scene import Past
from tests.conformance.held import IN_VAIN, broken, meddled
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Spoilt

A, B, C = (
    "AUi2239aAAAAAAAAACkAAAAAf8ASZb0T",
    "AUi2239aAAAAAAAAACoAAAAAUO96YngQ",
    "AUi2239aAAAAAAAAACoAAQAAUO96YngQ",
)


class Drops(Spoilt):
    """A frame of a socket does not come."""

    def down(self, frame: str) -> Iterable[str]:
        return () if "a line of warning" in frame and "batch" not in frame else (frame,)


class Repeats(Spoilt):
    """A frame comes twice."""

    def down(self, frame: str) -> Iterable[str]:
        return (frame, frame) if "a line of warning" in frame and "batch" not in frame else (frame,)


class Swaps(Spoilt):
    """Two events of an envelope change places."""

    def down(self, frame: str) -> Iterable[str]:
        said = json.loads(frame) if frame.startswith("{") else {}
        if said.get("type") == "batch":
            said["messages"][0], said["messages"][1] = said["messages"][1], said["messages"][0]
            return (json.dumps(said),)
        return (frame,)


class Rewrites(Spoilt):
    """What an agent does is told in other words on the stream."""

    def flows(self, part: bytes) -> bytes:
        return part.replace(b"a line of warning", b"a line of doubt")


class Mistypes(Spoilt):
    """A number becomes a text."""

    def down(self, frame: str) -> Iterable[str]:
        return (frame.replace('"progress":50', '"progress":"50"'),)


class Unmarks(Spoilt):
    """The stream loses its `id:` lines."""

    def flows(self, part: bytes) -> bytes:
        return b"".join(line for line in part.splitlines(keepends=True) if not line.startswith(b"id:"))


class Forgets(Spoilt):
    """Nobody learns from where a viewer wants to go on."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        query.pop("after", None)
        headers.pop("Last-Event-ID", None)


class Modernises(Spoilt):
    """Everybody gets envelopes."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        query["batch"] = "1"


class Ages(Spoilt):
    """The sub-protocol is lost on the way."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        if offered := headers.pop("Sec-WebSocket-Protocol", ""):
            headers["Authorization"] = f"Bearer {offered.partition('bearer.')[2]}"


class Buffers(Spoilt):
    """The stream is held back until it ends, which it never does."""

    def flows(self, part: bytes) -> bytes:
        return b""


LEGACY, MODERN, STREAM = Way.LEGACY.value, Way.MODERN.value, Way.STREAM.value
STREAMED = {
    f"section 3, a resume over {STREAM} is whole",
    f"section 3, from {MODERN} to {STREAM}",
}


@pytest.mark.parametrize(
    ("spoilt", "named", "words"),
    [
        (Drops(), {f"section 3, a resume over {LEGACY} is whole"}, "is missing"),
        (
            Repeats(),
            {f"section 3, a resume over {LEGACY} is whole", f"section 3, cursors over {LEGACY} go forward"},
            "came twice",
        ),
        (
            Swaps(),
            {
                f"section 3, a resume over {MODERN} is whole",
                f"section 3, cursors over {MODERN} go forward",
                f"section 3, from {LEGACY} to {MODERN}",
            },
            "came in another order",
        ),
        (Rewrites(), {f"section 3, a resume over {STREAM} is whole"}, "not what the long poll tells"),
        (
            Mistypes(),
            {
                f"section 1, messages over {MODERN} obey the schema",
                f"section 1, messages over {LEGACY} obey the schema",
                f"section 3, a resume over {MODERN} is whole",
                f"section 3, a resume over {LEGACY} is whole",
                f"section 3, from {Way.POLL.value} to {LEGACY}",
                f"section 3, from {LEGACY} to {MODERN}",
            },
            "Expected `int | float`, got `str`",
        ),
        (Unmarks(), {"section 4, ids of the event stream"}, "`id:` line"),
        (
            Modernises(),
            {"section 1, envelopes and notices for modern viewers only"},
            f"{LEGACY}: a batch",
        ),
        (Ages(), {"section 1, envelopes and notices for modern viewers only"}, f"{MODERN}: no envelope"),
        (
            Buffers(),
            STREAMED
            | {
                f"section 1, messages over {STREAM} obey the schema",
                "section 4, ids of the event stream",
            },
            "nothing more within",
        ),
    ],
    ids=lambda value: type(value).__name__.lower() if isinstance(value, Spoilt) else "",
)
async def test_a_breach_is_named(daemon: PrivateRelay, spoilt: Spoilt, named: set[str], words: str) -> None:
    """And nothing else is."""
    found = broken(await meddled(daemon, spoilt, resumes, seconds=IN_VAIN))
    assert named == found.keys()
    assert words in " ".join(found.values())


async def test_a_lost_cursor_is_named_in_each_way(daemon: PrivateRelay) -> None:
    """Who is told everything anew has not resumed."""
    found = broken(await meddled(daemon, Forgets(), resumes))
    assert {f"section 3, a resume over {way.value} is whole" for way in Way} <= found.keys()
    assert "it was told `replay` 'tail', not 'resume'" in " ".join(found.values())


def reading(*ids: str) -> Reading:
    """Return one that heard these, of a resume."""
    heard = Reading(Way.POLL)
    heard.greeting = {"recovered": True, "replay": "resume"}
    heard.messages = [{"id": one} for one in ids]
    return heard


@pytest.mark.parametrize(
    ("came", "words"),
    [
        ((B, C), ""),
        ((C,), f"{B} is missing"),
        ((B, B, C), f"{B} came 2 times"),
        ((C, B), f"{B} is missing"),
        ((A, B, C), A),
    ],
)
def test_a_past_is_whole_or_it_is_said_what_is_not(came: tuple[str, ...], words: str) -> None:
    """What happened behind the last event that is known is nobody's mistake."""
    past = Past([{"id": A}, {"id": B}, {"id": C}], C)
    found = whole_mistakes(past, reading(*came, "AUi2239aAAAAAAAAADkAAAAAd_ruc9rQ"))
    assert bool(words) == bool(found)
    assert words in " ".join(found)


def test_an_event_has_the_relay_s_time() -> None:
    """Producers' clocks lie, and viewers need one that does not; a way in which nothing came says why."""
    heard = Reading(Way.LEGACY)
    heard.take(b'{"type":"project_started","project_id":"p","timestamp":1.0,"id":"c"}')
    silent = Reading(Way.LEGACY)
    silent.trouble = "nothing more"
    assert ["an event without `received_at`"] == word_mistakes(heard)
    assert ["nothing more"] == word_mistakes(silent)
