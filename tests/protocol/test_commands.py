"""What a viewer may say on a socket."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.protocol.commands import (
    BadCommandError,
    Command,
    Filter,
    Ping,
    Pong,
    Refresh,
    Selection,
    Subscribe,
    Unknown,
    Unsubscribe,
    View,
    parse,
)
from tests.protocol.strategies import quick


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("ping", Ping()),
        ("pong", Pong()),
        ('{"type":"ping"}', Ping()),
        ('{"type":"pong","more":1}', Pong()),
        ('{"type":"subscribe","project_id":"shop"}', Subscribe(project_id="shop")),
        (
            '{"type":"subscribe","project_id":"shop","after":"0","filter":{"level":"warning"}}',
            Subscribe(project_id="shop", after="0", filter=Selection(level="warning")),
        ),
        ('{"type":"unsubscribe","project_id":"shop"}', Unsubscribe(project_id="shop")),
        ('{"type":"filter","filter":{"q":"x"}}', Filter(filter=Selection(q="x"))),
        ('{"type":"refresh","token":"t"}', Refresh(token="t")),
        ('{"type":"view"}', View()),
        ('{"type":"view","project_id":"p","state":{"a":1}}', View(project_id="p", state={"a": 1})),
    ],
)
def test_each_frame_is_read(text: str, command: Command) -> None:
    """The table of docs/protocol.md section 2."""
    assert command == parse(text)


@pytest.mark.parametrize("text", ['{"type":"dance"}', '{"type":"dance","project_id":5}', '{"type":""}'])
def test_an_unknown_type_is_no_error(text: str) -> None:
    """A newer client may say more than this relay knows."""
    assert isinstance(parse(text), Unknown)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a JSON object with a `type`"),
        ("PING", "a JSON object with a `type`"),
        ("[]", "a JSON object with a `type`"),
        ("{}", "a JSON object with a `type`"),
        ('"ping"', "a JSON object with a `type`"),
        ('{"type":5}', "a JSON object with a `type`"),
        ('{"type":"dance"', "a JSON object with a `type`"),
        ("\ud800", "a JSON object with a `type`"),
        ('{"type":"dance","x":' + "[" * 10**5, "a JSON object with a `type`"),
        ('{"type":"subscribe"}', "project_id"),
        ('{"type":"subscribe","project_id":"a b"}', "project_id"),
        ('{"type":"subscribe","project_id":"ab\\n"}', "project_id"),
        ('{"type":"filter","filter":{"level":"loud"}}', "level: 'loud' is none of info, success, warning, error"),
        ('{"type":"filter","filter":{"types":["project_progress","x"]}}', "types: 'x' is no message type"),
        ('{"type":"filter","filter":{"types":[]}}', "leave it out to get everything"),
        ('{"type":"filter","filter":{"agent":[]}}', "leave it out to get everything"),
        ('{"type":"filter","filter":{"agent":[""]}}', "length >= 1"),
        ('{"type":"filter","filter":{"q":""}}', "length >= 1"),
        ('{"type":"filter","filter":{"q":"' + "x" * 65 + '"}}', "length <= 64"),
        ('{"type":"filter","filter":{"regex":"x"}}', "regex"),
    ],
)
def test_a_frame_that_can_t_be_read_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    """The viewer learns which field is wrong."""
    with pytest.raises(BadCommandError) as caught:
        parse(text)
    assert sentence in str(caught.value)


def test_equal_wishes_are_one() -> None:
    """Viewers with the same selection share one group, so it is hashable and knows no order."""
    one = msgspec.json.decode('{"agent":["a","b"],"types":["workflow_log"]}', type=Selection)
    other = Selection(types=frozenset({"workflow_log"}), agent=frozenset({"b", "a"}))
    assert {one} == {other}


@quick
@given(st.text(max_size=100) | st.sampled_from([f'{{"type":"{name}"' for name in ("ping", "subscribe", "dance")]))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever a viewer says, it is a command or an error of one kind."""
    with suppress(BadCommandError):
        assert parse(text) is not None
