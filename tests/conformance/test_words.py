import json

import pytest

from relayd.conformance.words import forward, greeting_mistakes, is_cursor, mistake_in, shown
from relayd.protocol.cursor import Cursor
from relayd.testing.frames import frame, names

A, B, C = (str(Cursor(b"log-1", offset, item, 0, b"marked")) for offset, item in ((41, 0), (42, 0), (42, 1)))
OTHER = str(Cursor(b"log-2", 1, 0, 0, b"marked"))
GREETING = json.loads(frame("connection_established.full"))


@pytest.mark.parametrize("name", names())
def test_what_the_relay_says_is_well(name: str) -> None:
    """Each frame of the contract."""
    assert "" == mistake_in(frame(name))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"type":"project_done","project_id":"p"}', "project_done"),
        (b'{"type":"workflow_log","project_id":"p","timestamp":1,"level":"loud","message":"x"}', "loud"),
        (b'{"type":"workflow_log","project_id":"p","timestamp":1,"level":"info"}', "message"),
        (b"<html>", "<html>: "),
        (b"x" * 100, "x…: "),
    ],
)
def test_what_it_never_says_is_not(raw: bytes, words: str) -> None:
    """With what is wrong, and what was there."""
    assert words in mistake_in(raw)


def test_unknown_fields_are_ignored() -> None:
    """A newer relay says more."""
    assert "" == mistake_in(json.dumps(GREETING | {"news": [1]}).encode())


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([A, B, C], ""),
        ([A, OTHER, B], ""),
        ([A, A], "came twice"),
        ([C, B], f"{B} came behind {C}"),
        ([B, A], f"{A} came behind {B}"),
        ([A, "x"], "x is no cursor"),
        (["0", A], ""),
    ],
)
def test_cursors_go_forward(ids: list[str], words: str) -> None:
    """Within a log; a log that was made anew begins again."""
    found = forward(ids)
    assert bool(words) == bool(found)
    assert words in " ".join(found)


def test_the_cursor_that_stands_before_everything_is_one() -> None:
    """What is no text is none."""
    assert [True, True, False, False] == [is_cursor(one) for one in ("0", A, "1", None)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"type": "batch"}, "the first message is 'batch'"),
        ({"message": "hello"}, "`message` is not"),
        ({"protocol": 2}, "`protocol` is not 1"),
        ({"project_id": "q"}, "`project_id` is 'q'"),
        ({"cursor": "x"}, "`cursor` is no cursor"),
        ({"recovered": True}, "`recovered` is True with `replay` 'tail'"),
        ({"limits": {}}, "`limits.max_backlog` is missing"),
    ],
)
def test_a_first_message_is_read_to_the_letter(change: dict[str, object], words: str) -> None:
    """Each thing that a viewer relies on."""
    found = greeting_mistakes(GREETING | change, "shop-1")
    assert bool(words) == bool(found)
    assert words in " ".join(found)


@pytest.mark.parametrize("name", ["connection_id", "head", "limits", "heartbeat_seconds", "server_time"])
def test_what_a_first_message_lacks_is_named(name: str) -> None:
    """By its name."""
    assert [f"`{name}` is missing"] == greeting_mistakes({k: v for k, v in GREETING.items() if k != name}, "shop-1")


def test_what_is_shown_is_short() -> None:
    """A line of a terminal."""
    assert ("x" * 60, "x" * 60 + "…") == (shown(b"x" * 60), shown(b"x" * 61))
