import re

from relayd.telemetry import events

PAST = re.compile(r"[a-z]+(?:_[a-z]+)*_(?:[a-z]+ed|broke)")


def test_events_are_told_in_the_past_tense() -> None:
    """A log tells what happened; names that can be searched for, of one form."""
    assert set() == {name for name in events.EVENTS if not PAST.fullmatch(name)}


def test_each_event_has_a_constant() -> None:
    """The set is made of the constants, and of nothing else."""
    assert {getattr(events, name) for name in events.__all__ if name != "EVENTS"} == events.EVENTS
