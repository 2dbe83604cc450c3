import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.playback import Begins, Playback, another_name, beginning, moved, speed_of
from relayd.protocol.cursor import Cursor, identity
from relayd.protocol.messages import Event, WorkflowLog
from tests.protocol.strategies import quick

times = st.lists(st.floats(0, 1e10, allow_subnormal=False), min_size=1, max_size=30)
speeds = st.floats(0.01, 1_000)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


def cursor(number: int) -> str:
    """Return the cursor of an event."""
    return str(Cursor(identity("log"), number, 0, 0, b"finger"))


def line(number: int, *, timestamp: float = 1.0, root: str | None = None, parent: str | None = None) -> WorkflowLog:
    """Return a line of log."""
    return WorkflowLog(
        project_id="p",
        timestamp=timestamp,
        level="info",
        message="m",
        id=cursor(number),
        root_id=root,
        parent_id=parent,
    )


def played(timestamps: list[float], *, speed: float = 1.0, max_pause: float = math.inf) -> list[float]:
    """Return when each is due."""
    playback = Playback(speed=speed, max_pause=max_pause)
    return [playback.due(timestamp) for timestamp in timestamps]


def test_a_recording_is_played_at_its_pace() -> None:
    """From now on, and as many times faster."""
    assert [0, 1, 4, 4] == played([100.0, 101.0, 104.0, 104.0])
    assert [0, 0.125, 0.5, 0.5] == played([100.0, 101.0, 104.0, 104.0], speed=8)


def test_without_pauses_all_is_due_at_once() -> None:
    """However long it took."""
    assert [0, 0, 0] == played([100.0, 101.0, 9e9], speed=math.inf)


def test_nobody_sits_through_a_night() -> None:
    """A pause is as long as is allowed, as it is played; what comes behind it comes that much sooner."""
    assert [0, 5, 6] == played([100.0, 30_000.0, 30_001.0], max_pause=5)
    assert [0, 5, 5.125] == played([100.0, 30_000.0, 30_001.0], max_pause=5, speed=8)


def test_a_clock_that_is_behind_costs_no_pause() -> None:
    """Nor is the time that it was behind waited for twice."""
    assert [0, 10, 10, 11] == played([100.0, 110.0, 50.0, 111.0])


@given(timestamps=times, speed=speeds, cap=st.floats(0, 100))
@quick
def test_played_time_goes_on_by_what_was_recorded(timestamps: list[float], speed: float, cap: float) -> None:
    """Never back, never by more than the cap, and else by exactly the recorded pause at that speed."""
    reached = timestamps[0]
    due = played(timestamps, speed=speed, max_pause=cap)
    assert 0 == due[0]
    for (before, after), timestamp in zip(pairwise(due), timestamps[1:], strict=True):
        pause = min(max(0.0, timestamp - reached) / speed, cap)
        reached = max(reached, timestamp)
        assert before + pause == after


@given(timestamps=times, speed=speeds)
@quick
def test_twice_as_fast_takes_half_as_long(timestamps: list[float], speed: float) -> None:
    """For every recording."""
    slow, fast = played(timestamps, speed=speed)[-1], played(timestamps, speed=2 * speed)[-1]
    assert pytest.approx(slow / 2) == fast


@pytest.mark.parametrize(("text", "speed"), [("8x", 8.0), ("8", 8.0), ("0.5x", 0.5), ("max", math.inf)])
def test_a_speed_is_read(text: str, speed: float) -> None:
    """As people write it."""
    assert speed == speed_of(text)


@pytest.mark.parametrize("text", ["", "x", "0x", "0.0", "-1x", "8 x", "fast", "1e3", "inf", "nan"])
def test_what_is_no_speed_is_named(text: str) -> None:
    """With what would be one."""
    with pytest.raises(ValueError, match=r"is no speed; write .* like 8x, or max"):
        speed_of(text)


def first_of(begins: Begins, events: list[Event]) -> int:
    """Return the index of the first event that is played; their number if there is none."""
    return next((number for number, event in enumerate(events) if begins(event)), len(events))


EVENTS: list[Event] = [line(number, timestamp=NOON + 10 * number) for number in range(11)]


@pytest.mark.parametrize(
    ("place", "first"),
    [
        (cursor(3), 4), (cursor(10), 11), (cursor(99), 11),
        ("0%", 0), ("45%", 5), ("50%", 5), ("100%", 10), ("12.5%", 2),
        ("2026-01-31T12:00:00Z", 0), ("2026-01-31T12:00:41", 5), ("2026-01-31T13:00:50+01:00", 5), ("2026-02-01", 11),
    ],
)  # fmt: skip
def test_a_place_to_begin_is_found(place: str, first: int) -> None:
    """Behind a cursor, from a time on, or a share of the way; where nothing is behind it, nothing is played."""
    assert first == first_of(beginning(place, first=NOON, last=NOON + 100), EVENTS)


@pytest.mark.parametrize("text", ["", "half", "101%", "50 %", "1700000000", "-5%", "x" * 32])
def test_what_is_no_place_is_named(text: str) -> None:
    """With what would be one."""
    with pytest.raises(ValueError, match=r"is no place in a recording; give a cursor, a time like .*, or 40%"):
        beginning(text, first=0, last=1)


@pytest.fixture
def _far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that is set up in Tokyo."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_far_east")
def test_a_time_without_a_zone_is_utc_everywhere() -> None:
    """Two people who are told the same place find the same event."""
    assert 5 == first_of(beginning("2026-01-31T12:00:41", first=NOON, last=NOON + 100), EVENTS)


def test_a_moved_event_is_the_other_projects() -> None:
    """Its place, its time of receipt and its dialect were of another log; names that are the project's go along."""
    event = line(3, root="p", parent="call-1")
    event.received_at, event.dialect = 7.0, "celery"
    assert WorkflowLog(
        project_id="q", timestamp=5.0, level="info", message="m", root_id="q", parent_id="call-1", message_id="i"
    ) == moved(event, "q", "i", timestamp=5.0)


def test_a_moved_event_keeps_its_own_time_and_relations() -> None:
    """Where it is imported, nothing is made new."""
    event = line(3, root="other", parent="p")
    there = moved(event, "q", "i")
    assert (1.0, "other", "q") == (there.timestamp, there.root_id, there.parent_id)
    assert "p" == event.project_id


def test_a_replay_has_a_name_that_is_a_project_id() -> None:
    """With the second in which it began; a long one is cut, not refused."""
    assert "shop-1-replay-0131-120000" == another_name("shop-1", NOON)
    assert 128 == len(another_name("x" * 128, NOON))
