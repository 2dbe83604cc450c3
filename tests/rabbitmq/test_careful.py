import asyncio
import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.frame import marshal, unmarshal
from pamqp.header import ContentHeader

from relayd.rabbitmq.careful import HEADER, METHOD, MendingReader, mend

OFFSET = 7_000_000_000
END = b"\xce"


def header(**properties: object) -> bytes:
    """Return the payload of a content header as the broker sends it, offset and end byte included."""
    headers = {**properties.pop("headers", {}), "x-stream-offset": OFFSET}  # type: ignore[dict-item]
    content = ContentHeader(
        properties=commands.Basic.Properties(headers=headers, **properties),  # type: ignore[arg-type]
        body_size=12,
    )
    return content.marshal() + END


def read(payload: bytes) -> ContentHeader:
    """Return what the library reads."""
    _, _, frame = unmarshal(struct.pack(">BHI", HEADER, 1, len(payload) - 1) + payload)
    assert isinstance(frame, ContentHeader)
    return frame


def test_what_can_be_decoded_is_left_alone() -> None:
    """Careful is not the same as changed."""
    payload = header(message_id="ä", content_type="application/json", timestamp=datetime(2026, 1, 1, tzinfo=UTC))
    assert payload == mend(HEADER, payload)
    assert b"{}\xff" + END == mend(3, b"{}\xff" + END)


@pytest.mark.parametrize(
    "properties",
    [
        {"message_id": "POISON"},
        {"content_type": "POISON"},
        {"content_type": "application/json", "content_encoding": "utf-8", "correlation_id": "POISON"},
        {"headers": {"POISON": 1}},
        {"headers": {"a": "text", "b": True, "c": None, "d": 1.5, "e": [1, "two"], "f": {"g": 1}}, "app_id": "POISON"},
    ],
)
def test_a_poisoned_property_costs_the_properties_and_not_the_place(properties: dict[str, object]) -> None:
    """Offset and size of the body stay, all else goes."""
    payload = header(**properties).replace(b"POISON", b"\xff\xfe\xfd\xfc\xfb\xfa")
    mended = mend(HEADER, payload)
    assert len(payload) == len(mended)
    found = read(mended)
    assert ({"x-stream-offset": OFFSET}, 12, None) == (
        found.properties.headers,
        found.body_size,
        found.properties.message_id,
    )


def test_a_forged_offset_is_not_believed() -> None:
    """A publisher may write the name and a number into some other value; the broker's own entry counts."""
    forged = "\x0fx-stream-offsetl" + "\0" * 7 + "\x01"
    payload = header(headers={"a": forged, "b": "x"}, message_id="POISON").replace(b"POISON", b"\xff" * 6)
    assert {"x-stream-offset": OFFSET} == read(mend(HEADER, payload)).properties.headers


def test_a_routing_key_that_is_no_text_becomes_one() -> None:
    """Byte by byte, so that nothing behind it moves; a good one stays as it is."""
    frame = marshal(commands.Basic.Deliver("tag", 5, False, "swarm.events", "KKKK.log"), 1)
    payload = frame[7:]
    assert payload == mend(METHOD, payload)
    mended = mend(METHOD, payload.replace(b"KKKK", b"\xff\xfe\xff\xfe"))
    _, _, deliver = unmarshal(frame[:7] + mended)
    assert isinstance(deliver, commands.Basic.Deliver)
    assert ("????.log", "swarm.events", 5) == (deliver.routing_key, deliver.exchange, deliver.delivery_tag)


@given(st.binary(min_size=1, max_size=60), st.integers(0, 80), st.integers(0, 255))
def test_broken_bytes_anywhere_give_a_header_of_the_same_length(noise: bytes, at: int, byte: int) -> None:
    """Whatever a broken broker sends, mending ends and keeps the frame's length; it never makes an offset up."""
    payload = bytearray(header(message_id=noise.hex(), headers={"note": noise.hex()}))
    payload[12 + at % (len(payload) - 13)] = byte
    try:
        mended = mend(HEADER, bytes(payload))
    except (IndexError, struct.error):
        return  # A table that is longer than its frame: the broker does not write such, and the connection ends.
    assert len(payload) == len(mended)


async def test_the_reader_mends_payloads_and_nothing_else() -> None:
    """The library reads a frame in three steps; only the third holds a publisher's bytes."""
    inner = asyncio.StreamReader()
    reader = MendingReader(inner)
    poisoned = header(message_id="POISON").replace(b"POISON", b"\xff" * 6)
    for payload in (poisoned, poisoned):
        inner.feed_data(struct.pack(">BHI", HEADER, 1, len(payload) - 1) + payload)
    inner.feed_eof()
    for _ in range(2):
        head = await reader.readexactly(1) + await reader.readexactly(6)
        payload = await reader.readexactly(len(poisoned))
        assert HEADER == head[0]
        assert {"x-stream-offset": OFFSET} == read(payload).properties.headers
    assert b"" == await reader.read()
    assert reader.at_eof()
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.readexactly(1)
