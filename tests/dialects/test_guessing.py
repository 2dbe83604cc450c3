from typing import Any

import pytest

from relayd.dialects.guessing import Guess, Typed, find, path_text, type_of, walk


@pytest.mark.parametrize(
    ("event", "headers", "wanted"),
    [
        ({"type": "a"}, {"type": "b"}, Typed("a", field="type")),
        ({"event_type": "a", "kind": "b"}, {}, Typed("a", field="event_type")),
        ({"type": None, "kind": 7}, {}, Typed("7", field="kind")),
        ({"type": True}, {"ce-type": "b"}, Typed("b", header="ce-type")),
        ({"type": "x" * 129}, {}, Typed()),
        ({"type": "a\nb"}, {}, Typed()),
        ("text", {"cloudEvents_type": "b"}, Typed("b", header="cloudEvents_type")),
        ([], {}, Typed()),
    ],
)
def test_what_an_event_calls_itself_is_found(event: object, headers: dict[str, object], wanted: Typed) -> None:
    """In a field before a header; what is no name is none."""
    assert wanted == type_of(event, headers)


def test_values_near_the_top_come_first() -> None:
    """Objects are opened, lists are not; a name that can't be written on a line is left out."""
    event: dict[str, Any] = {"a": {"c": 1, "d": {"e": 2}}, "b": 3, "l": [1], "x\n": 4, "\x7f": {"f": 5}}
    assert [(("b",), 3), (("l",), [1]), (("a", "c"), 1), (("a", "d", "e"), 2)] == list(walk(event))


@pytest.mark.parametrize(
    ("name", "kind", "leaves", "wanted"),
    [
        (
            "project_id",
            "workflow_log",
            {"run": "r", "project": "p"},
            Guess("project", "p", certain=True, readable=True),
        ),
        ("project_id", "workflow_log", {"project": "a b", "run": "r"}, Guess("run", "r", certain=False, readable=True)),
        ("level", "workflow_log", {"level": "loud"}, Guess("level", "loud", certain=False, readable=False)),
        (
            "level",
            "workflow_log",
            {"level": "loud", "loglevel": "warn"},
            Guess("loglevel", "warn", certain=False, readable=True),
        ),
        (
            "status",
            "agent_status_update",
            {"status": "thinking"},
            Guess("status", "thinking", certain=True, readable=True),
        ),
        ("message", "workflow_log", {"message": " "}, None),
        ("progress", "project_progress", {"progress": "soon"}, None),
    ],
)
def test_a_field_is_what_is_named_so_and_can_be_read(
    name: str, kind: str, leaves: dict[str, object], wanted: Guess | None
) -> None:
    """A name that says so before one that may; words that nobody knows where nothing else is there."""
    assert wanted == find(name, kind, list(walk(leaves)))


def test_a_path_is_written_in_jmespath() -> None:
    """With quotation marks where a name needs them."""
    assert 'meta."x-y"."a\\"b"' == path_text(("meta", "x-y", 'a"b'))
