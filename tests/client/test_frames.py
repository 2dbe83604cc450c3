import json

import pytest

from relayd.client.frames import BrokenFrameError, Foreign, Frame, read_frame
from relayd.protocol.messages import Notice, ProjectProgress, WorkflowLog
from tests.client.small_relay import batch, log, progress


def test_an_envelope_is_taken_apart_in_order() -> None:
    """Messages in their order, and the cursor behind all of them."""
    frame = read_frame(batch("c3", log("c1"), progress("c2", 65)))
    assert frame.cursor == "c3"
    assert [WorkflowLog, ProjectProgress] == [type(each.message) for each in frame.received]
    assert json.loads(frame.received[0].raw) == log("c1")


def test_a_notice_is_heard() -> None:
    """Notices come alone, outside of envelopes."""
    (received,) = read_frame('{"type":"notice","code":"draining","detail":"soon"}').received
    assert received.message == Notice(code="draining", detail="soon")


def test_what_a_newer_relay_says_is_handed_on() -> None:
    """An unknown type, and a known one with an unknown value, keep their bytes."""
    for text in ('{"type":"weather","sky":"blue"}', '{"type":"workflow_log","project_id":"p","level":"loud"}'):
        (received,) = read_frame(text).received
        assert isinstance(received.message, Foreign)
        assert received.raw == text.encode()


def test_a_pong_moves_the_cursor() -> None:
    """A viewer that hears nothing learns its place from the answer to its ping."""
    assert read_frame('{"type":"pong","cursor":"c9","head":"c10"}') == Frame((), "c9")
    assert read_frame("pong") == Frame()


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", '{"type":7}', '{"type":"batch","messages":3}'])
def test_nonsense_is_named(text: str) -> None:
    """What is no message is an error, not a silence."""
    with pytest.raises(BrokenFrameError, match="no message"):
        read_frame(text)
