import json
from collections.abc import Sequence

import pytest

from relayd.protocol.codec import encode
from relayd.protocol.messages import WorkflowLog
from relayd.protocol.recording import VERSION, BadRecording, End, Head, read_recording, write_line


def line(text: str, *, project_id: str = "p", cursor: str | None = "c1") -> WorkflowLog:
    """Return a line of log."""
    return WorkflowLog(project_id=project_id, timestamp=1.0, level="info", message=text, id=cursor)


HEAD = Head(version=VERSION, relayd="1.2.3", protocol=1, project_id="p")
FIRST, SECOND = line("one"), line("two", cursor="c2")


def lines(*said: Head | WorkflowLog | End | bytes) -> list[bytes]:
    """Return them as they are written."""
    return [
        each if isinstance(each, bytes) else write_line(each) if isinstance(each, Head | End) else encode(each) + b"\n"
        for each in said
    ]


def test_what_was_written_is_read() -> None:
    """Head, events in their order, and what they came to."""
    end = End(events=2, whole=False, gaps=["c1"], redacted=1, snapshot={"status": "failed"})
    assert [HEAD, FIRST, SECOND, end] == list(read_recording(lines(HEAD, FIRST, SECOND, end)))


def test_a_recording_without_events_is_whole() -> None:
    """Nothing has happened, and that is said."""
    end = End(events=0, whole=True)
    assert [HEAD, end] == list(read_recording(lines(HEAD, end)))


def test_a_newer_writers_fields_are_passed_over() -> None:
    """Fields are only ever added."""
    head = json.dumps({**json.loads(write_line(HEAD)), "mood": "good"}).encode()
    assert HEAD == next(read_recording([head]))


END = End(events=1, whole=True)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ([], "line 1: this is no recording; `relayd export"),
        ([b"\x89PNG\n"], "line 1: this is no recording"),
        ([b'{"type":"batch"}\n'], "line 1: this is no recording"),
        ([b'["a"]\n'], "line 1: this is no recording"),
        ([b"[" * 100_000], "line 1: this is no recording"),
        (lines(FIRST, END), "line 1: this is no recording"),
        ([b'{"type":"relayd.recording","version":2}\n'], "line 1: a recording of version 2, and this"),
        ([b'{"type":"relayd.recording","version":1}\n'], "line 1: Object missing required field `relayd`"),
        ([b'{"type":"relayd.recording","version":"1"}\n'], "line 1: Expected `int`"),
        (lines(HEAD), "line 2: is missing: the recording was cut off; copy it or export it again"),
        (lines(HEAD, FIRST), "line 3: is missing"),
        (lines(HEAD, FIRST, b'{"type":"workflow_log","pro'), "line 3: Input data was truncated; copy it"),
        (lines(HEAD, FIRST, b"\n"), "line 3: "),
        (lines(HEAD, b"[" * 100_000), "line 2: "),
        (lines(HEAD, b'{"type":"gossip"}\n'), "line 2: Invalid value 'gossip'"),
        (lines(HEAD, b'{"type":"relayd.recording.end","events":"all"}\n'), "line 2: Expected `int`"),
        (lines(HEAD, line("lost", cursor=None), END), "line 2: an event without `id`"),
        (lines(HEAD, line("other", project_id="q"), END), "line 2: an event of q, not of p"),
        (lines(HEAD, FIRST, SECOND, END), "line 4: speaks of 1 events, and there are 2"),
        (lines(HEAD, FIRST, END, SECOND), "line 4: stands behind the last line"),
    ],
)  # fmt: skip
def test_damage_is_named_with_its_line(written: Sequence[bytes], sentence: str) -> None:
    """Nothing behind it is believed."""
    with pytest.raises(BadRecording) as caught:
        list(read_recording(written))
    assert str(caught.value).startswith(sentence)


def test_what_stands_before_the_damage_was_read() -> None:
    """A reader that stops there knows how far it came."""
    reading = read_recording(lines(HEAD, FIRST, b"no"))
    assert [HEAD, FIRST] == [next(reading), next(reading)]
    with pytest.raises(BadRecording, match="line 3"):
        next(reading)
