"""Rules: what a configuration can say of events that nobody knows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from relayd.dialects.delivery import Claimant, Delivery, Item, JsonValue, Reason
from relayd.dialects.native import MAX_EVENT_BYTES
from relayd.dialects.rules import RulesDialect
from relayd.dialects.settings import RulesSettings
from relayd.protocol.messages import AgentStatusUpdate, WorkflowLog
from tests.protocol.strategies import quick

STEP = {
    "name": "step",
    "fields": {"kind": "step.*"},
    "type": "agent_status_update",
    "take": {
        "project_id": "meta.run",
        "agent": "actor.name",
        "status": "state",
        "progress": "done",
        "message_id": "meta.id",
        "timestamp": "at",
    },
    "set": {"task": "a step"},
    "words": {"state": {}, "status": {"ok": "completed", "*": "working"}},
}
LINE = {
    "name": "line",
    "headers": {"x-kind": "log"},
    "type": "workflow_log",
    "take": {"message": "text"},
    "set": {"project_id": "p", "level": "info"},
}
EVENT = {"kind": "step.end", "meta": {"run": "r1", "id": 7}, "actor": {"name": "a"}, "state": "ok", "done": 50, "at": 7}


def rules(*rule: dict[str, Any]) -> RulesDialect:
    """Return the dialect with these rules."""
    return RulesDialect(RulesSettings.model_validate({"rule": list(rule)}))


def delivery(body: object, *, exchange: str | None = None, **headers: JsonValue) -> Delivery:
    """Return a body with headers, their dashes written as underscores."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Delivery(offset=1, body=raw, received_at=5.0, exchange=exchange, headers=names, message_id="m")


def one(dialect: RulesDialect, body: object, **more: Any) -> Item:  # noqa: ANN401  # what `delivery` takes
    """Return what a body with one event became."""
    (item,) = dialect.feed(delivery(body, **more))
    return item


def test_an_event_is_mapped_by_what_its_rule_takes() -> None:
    """Paths into it, words that are translated, fields that are always the same, an id of its own."""
    item = one(rules(STEP), EVENT)
    assert "7" == item.message_id
    (said,) = item.messages
    expected = AgentStatusUpdate(
        project_id="r1", timestamp=7.0, agent="a", status="completed", progress=50, task="a step", dialect="rules"
    )
    assert expected == said
    (other,) = one(rules(STEP), {**EVENT, "state": "whatever"}).messages
    assert isinstance(other, AgentStatusUpdate)
    assert "working" == other.status


def test_the_first_rule_that_matches_counts() -> None:
    """Headers and exchange say where from, fields what it is."""
    late = {**LINE, "name": "late", "set": {**LINE["set"], "level": "error"}}  # type: ignore[dict-item]  # it is a dict
    (said,) = one(rules(STEP, LINE, late), {"text": "t"}, x_kind="log").messages
    assert WorkflowLog(project_id="p", timestamp=5.0, level="info", message="t", dialect="rules") == said


@pytest.mark.parametrize(
    ("body", "more", "claimed"),
    [
        (EVENT, {}, True),
        ([EVENT, {"kind": "other"}], {}, True),
        ({"kind": "other"}, {}, False),
        ({"kind": "other"}, {"x_kind": "log"}, True),
        ({"kind": "other"}, {"x_kind": "metric"}, False),
        ({"kind": "other"}, {"exchange": "legacy"}, True),
        (b"no JSON", {}, False),
        (b"", {}, False),
        (b"[1", {}, False),
    ],
)
def test_it_knows_its_own_by_its_rules(body: object, more: dict[str, Any], *, claimed: bool) -> None:
    """Of an array the first event decides."""
    everything = {"name": "x", "exchange": "legacy", "type": "workflow_log"}
    dialect = rules(STEP, LINE, everything)
    assert isinstance(dialect, Claimant)
    assert claimed is dialect.claims(delivery(body, **more))


def test_each_event_of_a_body_has_its_place() -> None:
    """One that no rule matches is rejected alone, with what it looks like; ids count from the body's."""
    items = rules({**STEP, "take": {**STEP["take"], "message_id": "none"}}).feed(  # type: ignore[dict-item]  # it is a dict
        delivery([EVENT, {"kind": "other", "x": 1}, EVENT])
    )
    assert [None, Reason.UNKNOWN_TYPE, None] == [item.reason for item in items]
    assert ["m/0", "m/1", "m/2"] == [item.message_id for item in items]
    assert "no rule matches an object with 'kind', 'x'" in items[1].detail


@pytest.mark.parametrize(
    ("body", "reason", "said"),
    [
        ({**EVENT, "done": "much"}, Reason.BAD_FIELD, "rule 'step': progress: expected a number"),
        ({**EVENT, "meta": {}}, Reason.BAD_PROJECT, "rule 'step': project_id: missing"),
        ({"kind": 7}, Reason.UNKNOWN_TYPE, "no rule matches"),
        (b"no JSON", Reason.UNKNOWN_TYPE, "no rule matches 'no JSON'"),
        (b"[1", Reason.NOT_JSON, "can't be told apart"),
        (b'"' + b"x" * MAX_EVENT_BYTES + b'"', Reason.EVENT_TOO_LARGE, "are the most"),
    ],
)
def test_what_is_wrong_is_named(body: object, reason: Reason, said: str) -> None:
    """With the rule and the field."""
    item = one(rules(STEP), body)
    assert reason is item.reason
    assert said in item.detail
    assert item.raw


def test_a_path_that_finds_nothing_or_does_not_fit_is_left_out() -> None:
    """A function on a wrong type is no error of the event's."""
    rule = {**LINE, "headers": {}, "take": {"message": "text", "agent": "length(number)", "emoji": "gone"}}
    (said,) = one(rules(rule), {"text": "t", "number": 7}).messages
    assert isinstance(said, WorkflowLog)
    assert (None, None) == (said.agent, said.emoji)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({**LINE, "take": {"message": "a["}}, "'a\\[' is no JMESPath"),
        ({**LINE, "type": "nonsense"}, "'nonsense' is no message"),
        ({**LINE, "nonsense": 1}, "Extra inputs"),
        ({"type": "workflow_log"}, "name"),
    ],
)
def test_a_rule_that_can_t_be_read_is_named(rule: dict[str, Any], said: str) -> None:
    """At the start, not with the first event."""
    with pytest.raises((ValidationError, ValueError), match=said):
        rules(rule)


@quick
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["kind", "meta", "run", "state", "done", "at", "text"]), inner, max_size=4
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_comes_is_read_or_refused(body: object) -> None:
    """Never an exception, and as many items as events."""
    items = rules(STEP, {**LINE, "headers": {}}).feed(delivery(body))
    assert (len(body) if isinstance(body, list) else 1) == len(items)
    assert all((item.reason is None) == bool(item.messages) for item in items)
