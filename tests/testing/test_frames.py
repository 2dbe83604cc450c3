"""The frames that others test against are what the relay says, by the schema as by the codec."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relayd.client.frames import Foreign, read_frame
from relayd.protocol import codec
from relayd.protocol.codec import Batch
from relayd.protocol.commands import Pong
from relayd.protocol.messages import TYPES, ConnectionEstablished, Message, Notice
from relayd.testing.frames import frame, names
from tests.harness.schema import mistakes
from tests.house.tree import ROOT

SCHEMA = json.loads((ROOT / "docs" / "protocol.schema.json").read_text(encoding="utf-8"))
KINDS: dict[str, type[msgspec.Struct]] = {
    **TYPES,
    "connection_established": ConnectionEstablished,
    "batch": Batch,
    "notice": Notice,
    "pong": Pong,
}
NOT_SAID = {"message_id", "synthetic"}
"""What no viewer sees, and what an event of the log never says."""
NOT_OF_GREETINGS = {"id", "received_at", "agent", "parent_id", "root_id", "key", "usage", "dialect"}
"""What only an event has."""


def told(name: str) -> dict[str, Any]:
    """Return a frame as a reader of JSON has it."""
    value: dict[str, Any] = json.loads(frame(name))
    return value


def fields(kind: type[msgspec.Struct], *, required: bool) -> set[str]:
    """Return the names of a struct's fields, all or those without a default."""
    return {"type"} | {one.encode_name for one in msgspec.structs.fields(kind) if one.required or not required}


@pytest.mark.parametrize("name", names())
def test_a_frame_obeys_the_schema(name: str) -> None:
    """The one that is published, read by a reader that is not ours."""
    assert [] == mistakes(told(name), SCHEMA, SCHEMA)
    assert name.partition(".")[0] == told(name)["type"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "project_done"}, "none of"),
        ({"progress": "65"}, "none of"),
        ({"progress": 101}, "beyond maximum 100"),
        ({"project_id": "a/b"}, "not like"),
        ({"timestamp": None}, "no number"),
    ],
)
def test_what_breaks_the_schema_is_found(change: dict[str, Any], words: str) -> None:
    """Else the test above would prove nothing."""
    kind = SCHEMA["$defs"]["ProjectProgress"]
    assert words in " ".join(mistakes(told("project_progress.full") | change, kind, SCHEMA))
    assert [] != mistakes(told("project_progress.full") | change, SCHEMA, SCHEMA)


@pytest.mark.parametrize("name", names())
def test_a_frame_is_read_and_said_again(name: str) -> None:
    """What comes out of the codec is what went in, so nothing in it is unknown or changed."""
    value = told(name)
    match value["type"]:
        case "batch":
            read = codec.decode(frame(name))
            assert isinstance(read, list)
            said = codec.envelope(
                [codec.encode(message) for message in read],
                value["cursor"],
                value["sent_at"],
                value.get("cursors"),
                value.get("collapsed", 0),
            )
        case "pong":
            said = msgspec.json.encode(msgspec.json.decode(frame(name), type=Pong))
        case _:
            one = codec.decode(frame(name))
            assert isinstance(one, Message | Notice)
            said = codec.encode(one)
    assert value == json.loads(said)


@pytest.mark.parametrize("name", names())
def test_our_client_reads_it(name: str) -> None:
    """Nothing of it is foreign."""
    received = read_frame(frame(name).decode()).received
    assert len(told(name).get("messages", [0])) == len(received) or name.startswith("pong")
    assert not any(isinstance(one.message, Foreign) for one in received)


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_and_the_most_of_each_are_there(kind: str) -> None:
    """A field that is added to a message is added to its full frame, too: then others' tests learn of it."""
    assert fields(KINDS[kind], required=True) == told(f"{kind}.minimal").keys()
    left_out = NOT_SAID | (NOT_OF_GREETINGS if kind == "connection_established" else set())
    assert fields(KINDS[kind], required=False) - left_out == told(f"{kind}.full").keys()


def test_every_notice_is_there() -> None:
    """By each name that the code or the contract gives one."""
    shown = {told(name)["code"] for name in names() if name.startswith("notice.")}
    written = {
        line.partition('Notice(code="')[2].partition('"')[0]
        for path in (ROOT / "relayd" / "relay").glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if 'Notice(code="' in line
    }
    assert 5 < len(written)
    assert set() == written - shown


def test_they_are_told_of() -> None:
    """Whoever writes a front end finds them in the contract."""
    assert "relayd/testing/contract" in Path(ROOT, "docs", "protocol.md").read_text(encoding="utf-8")
