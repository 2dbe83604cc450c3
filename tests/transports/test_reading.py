import tracemalloc
import zlib
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode

from relayd.transports.deflate import deflated
from relayd.transports.reading import BINARY, CLOSE, FRAGMENT, PING, PONG, TEXT, BrokenFrame, Frame, FrameReader
from tests.harness.raw import masked

LIMIT = 1_000


def reader(*, deflate: bool = True) -> FrameReader:
    """Return a reader with a small bound."""
    return FrameReader(limit=LIMIT, deflate=deflate)


def theirs(opcode: Opcode, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> bytes:
    """Return a frame as another library writes it for a client."""
    frame = TheirFrame(opcode, payload, fin=fin).serialize(mask=True)
    # That library sets the bit only for an extension of its own.
    return bytes([frame[0] | 0x40 * rsv1]) + frame[1:]


def in_pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Return the data cut at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


def read(pieces: Iterable[bytes], *, deflate: bool = True) -> list[Frame]:
    """Return what a fresh reader makes of them."""
    one = reader(deflate=deflate)
    return [frame for piece in pieces for frame in one.feed(piece)]


MESSAGES = st.tuples(
    st.text(max_size=300), st.booleans(), st.lists(st.integers(0, 300), max_size=3), st.lists(st.binary(max_size=125))
)
"""A text, whether it is compressed, where it is cut into fragments, and pings between those."""


def written(message: tuple[str, bool, list[int], list[bytes]]) -> tuple[bytes, list[Frame]]:
    """Return the bytes of a message and what a reader owes for them."""
    text, compressed, cuts, pings = message
    payload = deflated(text.encode(), 15) if compressed else text.encode()
    parts = in_pieces(payload, cuts) or [b""]
    data, due = b"", list[Frame]()
    for number, part in enumerate(parts):
        first, last = number == 0, number == len(parts) - 1
        data += theirs(Opcode.TEXT if first else Opcode.CONT, part, fin=last, rsv1=compressed and first)
        if not last:
            data += b"".join(theirs(Opcode.PING, ping) for ping in pings)
            due += [FRAGMENT, *(Frame(PING, ping) for ping in pings)]
    return data, [*due, Frame(TEXT, text.encode(), text)]


@given(st.lists(MESSAGES, max_size=4), st.lists(st.integers(0, 5_000), max_size=8))
def test_what_another_library_writes_is_read_wherever_it_is_cut(
    messages: list[tuple[str, bool, list[int], list[bytes]]], cuts: list[int]
) -> None:
    """Fragments, pings between them, compressed or not: in order and whole, however the network cuts the bytes."""
    both = [written(message) for message in messages]
    data = b"".join(one for one, _ in both)
    assert [frame for _, due in both for frame in due] == read(in_pieces(data, cuts))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, LIMIT])
def test_every_length_has_its_field(size: int) -> None:
    """RFC 6455 5.2: 7 bits, 16 bits; and the bound itself still passes."""
    assert [Frame(BINARY, b"x" * size)] == read([masked(0x82, b"x" * size)])


def test_the_long_length_field_is_read() -> None:
    """RFC 6455 5.2: 64 bits, for what would fit into less, too."""
    frame = b"\x82\xff" + (3).to_bytes(8) + bytes(4) + b"abc"
    assert [Frame(BINARY, b"abc")] == read([frame])


def test_control_frames_keep_their_payload() -> None:
    """A pong and a close are handed on as they came."""
    assert [Frame(PONG, b"p"), Frame(CLOSE, b"\x03\xe8bye")] == read(
        [masked(0x8A, b"p") + masked(0x88, b"\x03\xe8bye")]
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (masked(0x81, b"", size=LIMIT + 1), 1009),
        (masked(0x01, b"x" * LIMIT) + masked(0x80, b"x"), 1009),
        (masked(0xC1, deflated(bytes(LIMIT + 1), 15)), 1009),
        (masked(0xC1, b"\xff\xff\xff"), 1007),
        (masked(0x81, b"\xff"), 1007),
        (masked(0x91, b""), 1002),
        (masked(0xC0, b""), 1002),
        (masked(0xC9, b""), 1002),
        (masked(0x83, b""), 1002),
        (masked(0x80, b""), 1002),
        (masked(0x01, b"") + masked(0x81, b""), 1002),
        (masked(0x09, b""), 1002),
        (masked(0x89, bytes(126)), 1002),
        (b"\x81\x00", 1002),
        (masked(0x88, b"\x03"), 1002),
        (masked(0x88, b"\x03\xed"), 1002),
        (masked(0x88, b"\x03\xe8\xff"), 1007),
    ],
    # A mask is another one in each process of tests.
    ids=[
        "said too long",
        "grown too long",
        "inflated too long",
        "not deflated",
        "not UTF-8",
        "RSV3",
        "RSV1 on a part",
        "RSV1 on a ping",
        "opcode 3",
        "part of nothing",
        "text within a text",
        "part of a ping",
        "long ping",
        "unmasked",
        "half a code",
        "a code that is never sent",
        "a reason that is not UTF-8",
    ],
)
def test_what_breaks_the_protocol_is_told_with_its_code(data: bytes, code: int) -> None:
    """RFC 6455 7.4.1: too big, not what it says, or no frame at all."""
    with pytest.raises(BrokenFrame) as broken:
        read([masked(0x8A, b"before") + data])
    assert code == broken.value.disconnect.code


def test_what_was_whole_before_the_break_is_handed_on() -> None:
    """The break counts from where it is."""
    frames = reader().feed(masked(0x8A, b"before") + b"\x81\x00")
    assert Frame(PONG, b"before") == next(frames)
    with pytest.raises(BrokenFrame):
        next(frames)


def test_compression_that_was_not_agreed_on_is_a_break() -> None:
    """RFC 7692 6: RSV1 means nothing without the extension."""
    with pytest.raises(BrokenFrame, match="reserved bit"):
        read([masked(0xC1, deflated(b"text", 15))], deflate=False)


def test_what_comes_behind_a_break_is_not_kept() -> None:
    """Whoever sends on while it is shown out costs nothing; the break is told once."""
    one = reader()
    with pytest.raises(BrokenFrame):
        list(one.feed(b"\x81\x00"))
    tracemalloc.start()
    try:
        for _ in range(100):
            assert [] == list(one.feed(bytes(100_000)))
        assert 10_000 > tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_fragments_of_nothing_cost_nothing_and_are_told() -> None:
    """A flood of them holds no memory, and whoever counts frames hears of each."""
    one, flood = reader(), masked(0x00, b"") * 5_000
    assert [FRAGMENT] == list(one.feed(masked(0x01, b"te")))
    tracemalloc.start()
    try:
        for _ in range(4):
            assert 5_000 == sum(frame is FRAGMENT for frame in one.feed(flood))
        assert 10_000 > tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert [Frame(TEXT, b"text", "text")] == list(one.feed(masked(0x80, b"xt")))


def test_too_much_is_refused_by_its_head() -> None:
    """Fourteen bytes are enough to know; nothing has to be stored first."""
    with pytest.raises(BrokenFrame):
        list(reader().feed(masked(0x82, b"", size=2**62)[:14]))


def test_a_small_frame_can_not_become_a_large_message() -> None:
    """A megabyte of zeros in a thousand bytes is not unpacked: at most one byte more than the bound is."""
    bomb = zlib.compress(bytes(900_000), wbits=-15)
    assert len(bomb) < LIMIT
    tracemalloc.start()
    try:
        with pytest.raises(BrokenFrame, match="at most 1000 bytes"):
            read([masked(0xC1, bomb)])
        assert 100_000 > tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
