"""Places and the opaque cursors that name them."""

from base64 import urlsafe_b64encode
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relayd.protocol.cursor import BEGINNING, BadCursorError, BodyCursors, Cursor, Place, decode, fingerprint, identity
from tests.protocol.strategies import quick

cursors = st.builds(
    Cursor,
    log=st.binary(min_size=5, max_size=5),
    offset=st.integers(0, 2**63 - 1),
    item=st.integers(0, 2**16 - 1),
    part=st.integers(0, 2**16 - 1),
    fingerprint=st.binary(min_size=6, max_size=6),
)
alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@quick
@given(cursors)
def test_a_cursor_comes_back_as_it_was(cursor: Cursor) -> None:
    """What a viewer hands back names the same place."""
    text = str(cursor)
    assert cursor == decode(text)
    assert 32 == len(text)
    assert set(text) <= set(alphabet)


@quick
@given(st.text(max_size=40) | st.text(alphabet + "+/= \n", min_size=32, max_size=32))
@example("AQ" + "A" * 30)
@example("AQ" + "A" * 29 + "\n")
@example("AQ" + "A" * 28 + "+/")
@example("AQ" + "é" * 30)
def test_no_text_is_accepted_that_is_not_the_cursor_itself(text: str) -> None:
    """Two spellings of one cursor would be two cursors to whoever compares them."""
    with suppress(BadCursorError):
        assert text == str(decode(text))


def test_the_example_above_is_a_cursor() -> None:
    """The property is about something: version 1 and zeros are accepted."""
    assert Cursor(b"\0" * 5, 0, 0, 0, b"\0" * 6) == decode("AQ" + "A" * 30)


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("", "has 32 characters, this one has 0"),
        (BEGINNING, "has 32 characters, this one has 1"),
        ("Ag" + "A" * 30, "cursors of version 2 are not spoken here; connect without `after`"),
        ("*" * 32, "not a cursor of this relay"),
        ("\ud800" * 32, "not a cursor of this relay"),
        (urlsafe_b64encode(b"\x01" + b"\xff" * 23).decode(), "not a cursor of this relay"),
    ],
)
def test_a_text_that_is_none_is_refused_with_the_mend(text: str, mend: str) -> None:
    """Whoever sends it learns what to send instead."""
    with pytest.raises(BadCursorError, match=mend):
        decode(text)


def test_places_compare_in_the_log_s_order() -> None:
    """The epoch counts more than the offset, that more than the item, that more than the part."""
    order = [Place(0, 9, 9, 9), Place(1, 1), Place(1, 1, 0, 1), Place(1, 1, 1), Place(1, 2)]
    assert order == sorted(set(order))


def test_a_cursor_names_a_place_in_an_epoch() -> None:
    """The epoch is this relay's own count and comes from outside."""
    assert Place(3, 7, 2, 1) == Cursor(identity("log"), 7, 2, 1, b"\0" * 6).place(3)


def test_logs_of_other_names_are_told_apart() -> None:
    """A cursor of another log must not look like one of this."""
    assert 5 == len(identity("amqp://a/swarm"))
    assert identity("amqp://a/swarm") != identity("amqp://b/swarm")


def test_a_fingerprint_knows_log_id_and_body() -> None:
    """The same place with another event in it: the viewer is told, never served the wrong past."""
    log = identity("log")
    marks = [
        fingerprint(log, "a", b"body"),
        fingerprint(identity("other"), "a", b"body"),
        fingerprint(log, "b", b"body"),
        fingerprint(log, "a", b"other"),
        fingerprint(log, None, b"body"),
        fingerprint(log, "ab", b"ody"),
        fingerprint(log, "\ud800", b"body"),
    ]
    assert len(marks) == len(set(marks))
    assert {6} == {len(mark) for mark in marks}
    assert marks[0] == fingerprint(log, "a", b"body")


@quick
@given(cursors)
def test_cursors_of_a_body_are_its_cursors(cursor: Cursor) -> None:
    """Made mostly once for the whole body, they are the same text as each made alone, whatever item and part."""
    body = BodyCursors(cursor.log, cursor.offset, cursor.fingerprint)
    assert str(cursor) == body.text(cursor.item, cursor.part)
    assert str(cursor._replace(item=255, part=0)) == body.text(255, 0)
    assert str(cursor._replace(item=256, part=0)) == body.text(256, 0)
