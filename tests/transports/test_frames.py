from collections.abc import Sequence

import pytest

from relayd.core.timeline import Entry
from relayd.ports import Encoding
from relayd.protocol.cursor import Place
from relayd.transports.frames import PollEncoding, SseEncoding, WebSocketEncoding, chunk, pong_frame, text_frame


def entries(*payloads: bytes) -> Sequence[Entry]:
    """Return entries with cursors c0, c1 …."""
    return [
        Entry(Place(0, number, 0, 0), f"c{number}", payload, "workflow_log", 0, None, 1.0)
        for number, payload in enumerate(payloads)
    ]


TWO = entries(b'{"n":1}', b'{"n":2}')
MODERN, LEGACY = WebSocketEncoding(legacy=False), WebSocketEncoding(legacy=True)
EVENTS, ENVELOPES = SseEncoding(batch=False, chunked=False), SseEncoding(batch=True, chunked=False)


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_length_takes_as_few_bytes_as_it_can(size: int, head: bytes) -> None:
    """RFC 6455 5.2: the minimal number of bytes must be used."""
    assert head + b"x" * size == text_frame(b"x" * size)


def test_a_pong_carries_what_the_ping_did() -> None:
    """RFC 6455 5.5.3."""
    assert b"\x8a\x02hi" == pong_frame(b"hi")
    assert b"\x89\x00" == MODERN.beat("c9")


def test_a_modern_viewer_gets_one_envelope() -> None:
    """With the cursor it has passed; on a socket for many projects with one for each."""
    envelope = b'{"type":"batch","messages":[{"n":1},{"n":2}],"cursor":"c1","sent_at":2.0}'
    assert text_frame(envelope) == MODERN.frame(TWO, "c1", 2.0)
    assert b'"cursors":{"p":"c1"}' in MODERN.frame(TWO, "c1", 2.0, {"p": "c1"})


def test_a_legacy_viewer_gets_a_frame_each() -> None:
    """And no cursor beside those that stand in the messages."""
    assert text_frame(b'{"n":1}') + text_frame(b'{"n":2}') == LEGACY.frame(TWO, "c1", 2.0)


def test_events_have_their_cursors_as_ids() -> None:
    """One more id without data when the viewer has passed more than it was sent."""
    assert b'id: c0\ndata: {"n":1}\n\nid: c1\ndata: {"n":2}\n\n' == EVENTS.frame(TWO, "c1", 2.0)
    assert EVENTS.frame(TWO, "c1", 2.0) + b"id: c7\n\n" == EVENTS.frame(TWO, "c7", 2.0)
    assert ENVELOPES.frame(TWO, "c7", 2.0).startswith(b'id: c7\ndata: {"type":"batch"')


def test_a_beat_moves_the_cursor_and_nothing_else() -> None:
    """A comment and an id: a browser dispatches no event for it."""
    assert b":\nid: c7\n\n" == EVENTS.beat("c7")
    assert b":\n\n" == EVENTS.beat("")
    assert b'data: {"n":1}\n\n' == EVENTS.say(b'{"n":1}')
    assert b'id: c7\ndata: {"n":1}\n\n' == EVENTS.say(b'{"n":1}', "c7")


def test_chunks_are_counted_in_hexadecimal() -> None:
    """RFC 9112 7.1."""
    assert b"1a\r\n" + b"x" * 26 + b"\r\n" == chunk(b"x" * 26)
    chunked = SseEncoding(batch=False, chunked=True)
    assert chunk(EVENTS.frame(TWO, "c1", 2.0)) == chunked.frame(TWO, "c1", 2.0)


@pytest.mark.parametrize(
    "frame", [PollEncoding().frame(TWO, "c1", 2.0), PollEncoding().say(b"x"), PollEncoding().beat("c1")]
)
def test_a_poll_takes_no_bytes(frame: bytes) -> None:
    """It is only woken."""
    assert b"" == frame


@pytest.mark.parametrize(
    ("one", "other"),
    [(MODERN, LEGACY), (EVENTS, ENVELOPES), (EVENTS, SseEncoding(batch=False, chunked=True)), (MODERN, EVENTS)],
)
def test_who_reads_differently_is_in_another_group(one: Encoding, other: Encoding) -> None:
    """An encoding is a key: equal ones share one payload, others must not."""
    assert one != other
    assert 2 == len({one, other, type(one)(**{name: getattr(one, name) for name in one.__struct_fields__})})  # type: ignore[attr-defined]  # they are structs
