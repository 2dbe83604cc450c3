"""A recording as one more story of a swarm: told again and again, each time from the beginning."""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from relayd.core.playback import Playback, moved
from relayd.files.recording import events_of, survey
from relayd.protocol.messages import Event
from relayd.protocol.recording import BadRecording
from relayd.sources.swarm import Beat

__all__ = ["Recorded"]

DEMO = "demo"
"""The recording that comes with relayd; `scripts/record-demo` makes it."""

REST = 20.0
"""Seconds between its end and the next beginning."""

MOST_EVENTS = 20_000
"""They are kept in memory, for a demo must not wait for a disk; `relayd replay` plays recordings of any length."""


class Recorded:
    """A recording that a simulator plays."""

    def __init__(self, name: str) -> None:
        """Take `demo` or the path of a recording, and read all of it; raises ValueError with a sentence."""
        path = Path(str(files("relayd.sources") / "demo.ndjson.gz")) if name == DEMO else Path(name)
        try:
            found = survey(path)
            if not 0 < found.end.events <= MOST_EVENTS:
                sentence = f"has {found.end.events} events; a simulator plays 1 to {MOST_EVENTS}, `relayd replay` any"
                raise BadRecording(sentence)
            self.project_id = found.head.project_id
            self._beats = list(timed(events_of(path)))
        except BadRecording as error:
            raise ValueError(f"{path}: {error}") from error
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from error

    def beats(self) -> Iterator[Beat]:
        """Yield for ever `(seconds until the next one, event)`, as a story of a swarm is told."""
        while True:
            for (now, event), (after, _) in pairwise(self._beats):
                yield after - now, event
            yield REST, self._beats[-1][1]


def timed(events: Iterable[Event]) -> Iterator[Beat]:
    """Yield `(seconds since the first, event)`, without a time and an id, which its teller gives it."""
    playback = Playback()
    for event in events:
        plain: dict[str, Any] = msgspec.to_builtins(moved(event, event.project_id, ""))
        yield (
            playback.due(event.timestamp),
            {name: value for name, value in plain.items() if name not in {"timestamp", "message_id"}},
        )
