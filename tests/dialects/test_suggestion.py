"""Rules that are suggested, and what the relay makes of an event by them."""

import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.dialects.delivery import Delivery, JsonValue
from relayd.dialects.rules import RulesDialect
from relayd.dialects.settings import RulesSettings
from relayd.dialects.suggestion import NOWHERE, suggest
from relayd.protocol.messages import Message
from tests.protocol.strategies import quick

HIDDEN = "[redacted]"


def by_rule(event: object, rule: str, headers: Mapping[str, JsonValue] | None = None) -> Message:
    """Return the one message that an event becomes by a rule that was suggested for it."""
    settings = RulesSettings.model_validate(tomllib.loads(rule)["dialects"]["rules"])
    dialect = RulesDialect(settings)
    delivery = Delivery(offset=0, body=msgspec.json.encode(event), received_at=5.0, headers=headers or {})
    assert dialect.claims(delivery)
    (item,) = dialect.feed(delivery)
    assert item.reason is None, item.detail
    (message,) = item.messages
    return message


SAMPLES: list[tuple[dict[str, Any], str, dict[str, Any], list[str]]] = [
    (
        {"type": "build.line", "project_id": "p", "msg": "compiling", "severity": "warn", "agent": "coder", "ts": 7},
        "workflow_log",
        {"project_id": "p", "message": "compiling", "level": "warning", "agent": "coder", "timestamp": 7.0},
        ["type is a guess"],
    ),
    (
        {
            "kind": "step.done",
            "meta": {"run": {"id": "r-1"}},
            "actor": {"name": "planner"},
            "state": "ok, more or less",
        },
        "workflow_log",
        {"project_id": "r-1", "message": "step.done", "level": "info", "agent": "planner"},
        ["project_id is a guess: `meta.run.id`", "agent is a guess: `actor.name`"],
    ),
    (
        {"event": "tick", "runId": "r", "pct": 40, "note": "half way", "step": "build"},
        "project_progress",
        {"project_id": "r", "progress": 40, "message": "half way", "stage": "build"},
        ["progress is a guess: `pct`"],
    ),
    (
        {"event": "heartbeat", "project": "p", "agent_id": "a-7", "status": "busy"},
        "agent_status_update",
        {"agent": "a-7", "status": "working", "progress": 0},
        [],
    ),
    (
        {"event": "moved", "project": "p", "phase": "testing", "status": "weird"},
        "workflow_stage_update",
        {"stage": "testing", "message": "moved", "status": "running"},
        ["status is a guess: `status`"],
    ),
    (
        {"event": "oops", "project": "p", "exception": "KeyError: x", "worker": "w"},
        "project_error",
        {"error": "KeyError: x", "agent": "w", "fatal": False},
        ["error is a guess: `exception`"],
    ),
    (
        {"type": "log", "project": "p", "level": "loud", "msg": "m"},
        "workflow_log",
        {"level": "info"},
        ["level is a guess"],
    ),
    (
        {"type": "project.failed", "project": "p", "reason": "no memory"},
        "project_error",
        {"error": "project.failed", "fatal": True},
        ["it reads all events of this type"],
    ),
    ({"type": "project.started", "session": "s"}, "project_started", {"project_id": "s"}, ["project_id is a guess"]),
    (
        {"type": "x", "text": "alone"},
        "workflow_log",
        {"project_id": NOWHERE, "message": "alone"},
        ["no field looks like"],
    ),
    ({"job": "j", "text": "who am I"}, "workflow_log", {"project_id": "j"}, ["recognised by having these fields"]),
    (
        {"type": "a-b", "x-run": {"run id": "r"}, "text": 'quotes " and \\ and 🛠'},
        "workflow_log",
        {"project_id": "r", "message": 'quotes " and \\ and 🛠'},
        ['project_id is a guess: `"x-run"."run id"`'],
    ),
]


@pytest.mark.parametrize(("event", "kind", "fields", "comments"), SAMPLES, ids=lambda value: str(value)[:24])
def test_a_sample_becomes_a_message(
    event: dict[str, Any], kind: str, fields: dict[str, Any], comments: list[str]
) -> None:
    """By the rule that was suggested for it; what is only a guess is said above it."""
    rule = suggest(event, {}, hidden=HIDDEN)
    message = by_rule(event, rule)
    told = msgspec.to_builtins(message)
    assert kind == told["type"]
    assert fields == {name: getattr(message, name) for name in fields}
    said = [line for line in rule.splitlines() if line.startswith("# ")]
    assert [] == [comment for comment in comments if comment not in "\n".join(said)]
    assert comments or all("guess" not in line or line.startswith("# type") for line in said)


def test_a_type_in_a_header_is_recognised_there() -> None:
    """As CloudEvents have it in binary mode."""
    headers: dict[str, JsonValue] = {"cloudEvents:type": "com.example.noted"}
    rule = suggest({"run": "r", "text": "t"}, headers, hidden=HIDDEN)
    assert 'headers = { "cloudEvents:type" = "com.example.noted" }' in rule
    assert "r" == by_rule({"run": "r", "text": "t"}, rule, headers).project_id


def test_what_is_understood_already_is_not_taken_over() -> None:
    """A line of log whose level nobody knows is told apart from others by that level."""
    rule = suggest({"type": "log", "project": "p", "level": "loud", "msg": "m"}, {}, hidden=HIDDEN)
    assert 'fields = { "type" = "log", "level" = "loud" }' in rule
    assert "it reads all events" not in rule
    assert "set" not in rule


def test_a_secret_is_never_taken() -> None:
    """What stands in its place says nothing."""
    rule = suggest({"type": "x", "project": "p", "message": HIDDEN, "note": "seen"}, {}, hidden=HIDDEN)
    assert "note" in rule
    assert HIDDEN not in rule


@pytest.mark.parametrize("event", [None, "text", 7, [], [{"type": "x"}], {}, {"a": []}, {"a": {"b": {"c": 1}}}])
def test_where_there_is_nothing_to_go_by_nothing_is_suggested(event: object) -> None:
    """A rule that fits everything would swallow what others understand."""
    assert "" == suggest(event, {}, hidden=HIDDEN)


def test_an_event_is_looked_at_within_bounds() -> None:
    """What lies deep, or behind hundreds of fields, is not found."""
    deep: dict[str, Any] = {"project": "p"}
    for _ in range(5):
        deep = {"in": deep}
    wide = {f"f{number}": number for number in range(300)} | {"project": "p"}
    assert NOWHERE in suggest({"type": "x", **deep}, {}, hidden=HIDDEN)
    assert NOWHERE in suggest({"type": "x", **wide}, {}, hidden=HIDDEN)


NAMES = st.sampled_from(
    ["type", "project", "run", "id", "agent", "msg", "level", "status", "pct", "error", "ts", "x-y"]
) | st.text(max_size=8)
PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
EVENTS = st.dictionaries(NAMES, PLAIN | st.dictionaries(NAMES, PLAIN, max_size=4), max_size=8)


@quick
@given(EVENTS)
def test_whatever_is_suggested_makes_a_message(event: dict[str, Any]) -> None:
    """Law 1, for any event."""
    rule = suggest(event, {}, hidden=HIDDEN)
    if rule:
        by_rule(event, rule)
