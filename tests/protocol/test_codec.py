"""Messages into bytes and back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.protocol import codec
from relayd.protocol.codec import BadMessageError, decode, decode_event, encode, envelope
from relayd.protocol.messages import ConnectionEstablished, Event, Message, Notice, ProjectProgress
from tests.protocol.strategies import events, openings, quick, texts


def progress(number: float = 65) -> ProjectProgress:
    """Return a small message."""
    return ProjectProgress(project_id="shop", timestamp=1.5, progress=number, message="x")


@quick
@given(events)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    """What the journal keeps and what viewers read is what was said, to the value."""
    assert event == decode_event(encode(event))


@quick
@given(events | openings)
def test_a_message_holds_no_line_feed(message: Message) -> None:
    """SSE and NDJSON put one message on one line."""
    payload = encode(message)
    assert b"\n" not in payload
    assert b"\r" not in payload
    assert message == decode(payload)


@pytest.mark.parametrize(("number", "text"), [(65, b":65,"), (65.0, b":65.0,"), (0, b":0,"), (45.5, b":45.5,")])
def test_a_number_stays_as_it_was_written(number: float, text: bytes) -> None:
    """An integer is not turned into 65.0 on its way: viewers print what comes."""
    again = decode_event(encode(progress(number)))
    assert isinstance(again, ProjectProgress)
    assert type(number) is type(again.progress)
    assert text in encode(again)


def test_what_was_not_said_is_left_out() -> None:
    """A small message stays small."""
    assert b'{"type":"project_progress","progress":65,"message":"x","project_id":"shop","timestamp":1.5}' == encode(
        progress()
    )


@quick
@given(st.lists(events | openings, max_size=5), texts, st.floats(0, 1e10), st.none() | st.dictionaries(texts, texts))
def test_an_envelope_is_valid_json_with_its_messages_in_order(
    messages: list[Any], cursor: str, sent_at: float, cursors: dict[str, str] | None
) -> None:
    """Joining bytes gives what an encoder would have given."""
    payload = envelope([encode(message) for message in messages], cursor, sent_at, cursors)
    read = json.loads(payload)
    assert messages == decode(payload)
    assert ("batch", cursor, sent_at) == (read["type"], read["cursor"], read["sent_at"])
    assert cursors == read.get("cursors")
    assert ("cursors" in read) == (cursors is not None)


def test_a_notice_is_read_as_one() -> None:
    """Notices come beside the eight messages."""
    notice = Notice(code="DRAINING", project_id="shop", detail="restarting soon", data={"seconds": 5})
    assert notice == decode(encode(notice).decode())


def test_a_newer_relay_may_say_more() -> None:
    """Unknown fields are ignored, so adding one breaks no client."""
    payload = encode(ConnectionEstablished(project_id="shop", timestamp=1.0, message="x")).replace(
        b"{", b'{"news":[{"a":1}],', 1
    )
    assert ConnectionEstablished(project_id="shop", timestamp=1.0, message="x") == decode(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff",
        b'{"type":"weather"}',
        b'{"type":"project_progress"}',
        b'{"type":' + b"[" * 10**5,
    ],
)
def test_bytes_that_are_no_message_are_an_error_of_one_kind(payload: bytes) -> None:
    """Whatever comes, the caller catches one exception."""
    with pytest.raises(BadMessageError):
        decode(payload)
    with pytest.raises(BadMessageError):
        decode_event(payload)


def test_an_opening_is_no_event() -> None:
    """The log holds events only."""
    with pytest.raises(BadMessageError, match="connection_established"):
        decode_event(encode(ConnectionEstablished(project_id="shop", timestamp=1.0, message="x")))


def test_an_envelope_of_the_most_messages_may_hold_the_largest_small_ones() -> None:
    """The two bounds of an envelope fit one another: 256 messages of a kilobyte."""
    assert codec.MAX_ENVELOPE_BYTES == codec.MAX_ENVELOPE_MESSAGES * 1024
