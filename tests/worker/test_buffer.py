import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.worker.buffer import Buffer, BufferFull
from tests.protocol.strategies import quick


def test_what_came_first_leaves_first() -> None:
    """As many as are asked for, and the rest stays."""
    buffer = Buffer(10, when_full="block")
    for event in (b"a", b"b", b"c"):
        buffer.put("p", event)
    assert [b"a", b"b"] == buffer.take(events=2, nbytes=100)
    assert 1 == len(buffer)
    assert [b"c"] == buffer.take(events=2, nbytes=100)
    assert [] == buffer.take(events=2, nbytes=100)


def test_bytes_are_bounded_and_one_always_leaves() -> None:
    """A large event travels alone."""
    buffer = Buffer(10, when_full="block")
    for event in (b"aaaa", b"bb", b"bb"):
        buffer.put("p", event)
    assert [[b"aaaa"], [b"bb", b"bb"]] == [buffer.take(events=9, nbytes=3), buffer.take(events=9, nbytes=4)]


def test_a_full_one_says_what_to_do() -> None:
    """Where nothing gives way."""
    buffer = Buffer(1, when_full="block")
    buffer.put("p", b"a")
    assert buffer.full
    with pytest.raises(BufferFull, match="await `publish`"):
        buffer.put("p", b"b")
    assert [b"a"] == buffer.take(events=9, nbytes=9)


def test_the_oldest_give_way_and_are_counted() -> None:
    """By project, once."""
    buffer = Buffer(2, when_full="drop_oldest")
    for project_id, event in (("p", b"a"), ("q", b"b"), ("p", b"c"), ("p", b"d")):
        buffer.put(project_id, event)
    assert not buffer.full
    assert {"p": 1, "q": 1} == buffer.take_dropped()
    assert {} == buffer.take_dropped()
    assert [b"c", b"d"] == buffer.take(events=9, nbytes=9)


@quick
@given(st.integers(1, 5), st.lists(st.binary(max_size=3) | st.integers(1, 4), max_size=30))
def test_each_event_leaves_or_gives_way_and_in_order(most: int, course: list[bytes | int]) -> None:
    """Whatever is put in and taken out in between."""
    buffer = Buffer(most, when_full="drop_oldest")
    put: list[bytes] = []
    left: list[bytes] = []
    for step in course:
        if isinstance(step, int):
            left += buffer.take(events=step, nbytes=4)
        else:
            event = b"%d %s" % (len(put), step)
            put.append(event)
            buffer.put("p", event)
        assert len(buffer) <= most
    left += buffer.take(events=99, nbytes=999)
    assert left == [event for event in put if event in left]
    assert len(put) == len(left) + buffer.take_dropped().get("p", 0)
