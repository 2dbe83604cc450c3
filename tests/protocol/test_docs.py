"""What docs/protocol.md says is what the code does."""

import json
import re
from pathlib import Path

import pytest

from relayd.dialects import bodies, detect, native
from relayd.dialects.delivery import Delivery, Reason
from relayd.dialects.normalise import ALIASES
from relayd.protocol import codec
from relayd.protocol.commands import Pong, Unknown, parse
from relayd.protocol.cursor import decode
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import MAX_LOG_MESSAGE, TYPES

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json (\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def examples(who: str) -> list[str]:
    """Return the examples of what a viewer hears or says, or of what a worker publishes."""
    return [text for kind, text in EXAMPLES if kind == who]


def test_every_example_is_read_by_a_test() -> None:
    """No example without a word for who says it."""
    assert PAGE.count("```json") == len(EXAMPLES)
    assert {"hears", "says", "publishes"} == {kind for kind, _ in EXAMPLES}


@pytest.mark.parametrize("text", examples("hears"))
def test_a_viewer_can_read_what_it_hears(text: str) -> None:
    """Every example is a message, an envelope, a notice or a pong, and says nothing that the struct does not hold."""
    if json.loads(text)["type"] == "pong":
        assert isinstance(parse(text), Pong)
        return
    heard = codec.decode(text)
    said = json.loads(text)
    for message, example in zip(heard, said["messages"], strict=True) if isinstance(heard, list) else [(heard, said)]:
        # Defaults are spoken in the examples of some messages and left out by the encoder.
        assert json.loads(codec.encode(message)).items() <= example.items()
        assert example.keys() <= {"type", *message.__struct_fields__}


@pytest.mark.parametrize("text", examples("says"))
def test_the_relay_can_read_what_a_viewer_says(text: str) -> None:
    """Every example is a command that is known."""
    assert not isinstance(parse(text), Unknown)


@pytest.mark.parametrize("text", examples("publishes"))
def test_the_relay_understands_what_a_worker_publishes(text: str) -> None:
    """Every example becomes messages."""
    items = native.NativeDialect().feed(Delivery(offset=1, body=text.encode(), received_at=1.0))
    assert items
    assert [None] * len(items) == [item.reason for item in items]


def test_every_message_and_every_command_has_an_example() -> None:
    """Nothing is promised without being shown."""
    heard = {json.loads(text)["type"] for text in examples("hears")}
    assert {*TYPES, "connection_established", "batch", "notice", "pong"} == heard
    said = {json.loads(text)["type"] for text in examples("says")}
    assert {"ping", "subscribe", "unsubscribe", "filter", "refresh", "view"} == said


def test_the_cursors_on_the_page_are_cursors() -> None:
    """An example that could not be true teaches the wrong thing."""
    cursors = set(re.findall(r'"(?:cursor|head|id|after)": "([^"]+)"', PAGE))
    assert cursors
    for cursor in cursors:
        decode(cursor)


def test_the_table_of_endings_is_the_code_s() -> None:
    """Code, name, HTTP status and advice of every ending, and no others."""
    rows = re.findall(r"^\| (\d{4}) \| ([A-Z_]+) \| (\d{3}) \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert [(str(end.code), end.name, str(end.http_status), end.advice.value) for end in Disconnect] == rows


@pytest.mark.parametrize("word", [*ALIASES, *(reason.value for reason in Reason)])
def test_every_alias_and_every_reason_is_told(word: str) -> None:
    """A producer finds on the page what it may write, and why something was rejected."""
    assert f"`{word}`" in PAGE


def test_the_limits_are_the_code_s() -> None:
    """The numbers of section 7."""
    limits = PAGE.partition("## 7. Limits")[2].partition("## 8.")[0]
    for row in (
        f"{codec.MAX_ENVELOPE_MESSAGES} messages or {codec.MAX_ENVELOPE_BYTES // 1024} KiB",
        f"| {detect.MAX_BODY_BYTES // 1024**2} MiB | rejected, `body_too_large` |",
        f"| {bodies.MAX_EVENTS:,} | rejected, `too_many_events` |",
        f"| {native.MAX_EVENT_BYTES // 1024} KiB | rejected, `event_too_large` |",
        f"| {MAX_LOG_MESSAGE:,} characters | cut;",
    ):
        assert row in limits
