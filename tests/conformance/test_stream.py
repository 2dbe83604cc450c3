import pytest

from relayd.conformance.stream import Block, blocks


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"retry: 2000\n\n", [Block(retry=2000)]),
        (b"id: c\ndata: {}\n\n", [Block(data="{}", id="c")]),
        (b"id:c\r\ndata:{}\r\n\r\n", [Block(data="{}", id="c")]),
        (b"data: a\ndata: b\n\ndata: half", [Block(data="a\nb")]),
        (b":\nid: c\n\n", [Block(id="c", comments=1)]),
        (b"\n\n: beat\n\nretry: soon\n\n", [Block(comments=1), Block()]),
        (b"event: x\nid\n\n", [Block(id="")]),
        ("data: ü\n\n".encode(), [Block(data="ü")]),
    ],
)
def test_a_stream_is_read_as_a_browser_reads_it(body: bytes, wanted: list[Block]) -> None:
    """Lines end in three ways, fields may lack a space, and what has no blank line behind it is still coming."""
    assert wanted == list(blocks(body))
