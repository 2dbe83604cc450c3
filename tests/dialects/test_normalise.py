"""The tolerant reader of native events."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.dialects.delivery import Reason
from relayd.dialects.normalise import ALIASES, OWN, Misunderstood, normalise
from relayd.protocol.codec import decode_event, encode
from relayd.protocol.messages import (
    TYPES,
    AgentStatusUpdate,
    Event,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowLog,
    WorkflowStageUpdate,
)
from tests.protocol.strategies import events, quick

NOW = 1_700_000_000.0


def said(kind: str, **fields: object) -> Event:
    """Return what an event of project `shop` becomes when it is received at NOW."""
    return normalise({"type": kind, "project_id": "shop", **fields}, NOW)


def complaint(event: dict[str, object]) -> tuple[Reason, str]:
    """Return why an event is not understood."""
    with pytest.raises(Misunderstood) as caught:
        normalise(event, NOW)
    return caught.value.reason, caught.value.detail


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (
            {"type": "project.started", "projectName": "Shop", "agents": ["a"], "estimatedDurationSeconds": "60"},
            ProjectStarted(project_id="shop", timestamp=NOW, name="Shop", agents=["a"], estimated_duration_seconds=60),
        ),
        (
            {"type": "project.progress", "percent": "45%", "msg": "half", "currentStage": "testing"},
            ProjectProgress(project_id="shop", timestamp=NOW, progress=45, message="half", stage="testing"),
        ),
        (
            {
                "type": "agent.status_update",
                "agentName": "coder",
                "state": "running",
                "progress": 5,
                "currentTask": "x",
            },
            AgentStatusUpdate(project_id="shop", timestamp=NOW, agent="coder", status="working", progress=5, task="x"),
        ),
        (
            {"type": "agent.status", "agent": "coder", "status": "pending", "progress": 0},
            AgentStatusUpdate(
                project_id="shop", timestamp=NOW, agent="coder", status="idle", progress=0, activity="waiting"
            ),
        ),
        (
            {"type": "agent.status", "agent": "coder", "status": "thinking", "progress": 0, "activity": "using tool"},
            AgentStatusUpdate(
                project_id="shop", timestamp=NOW, agent="coder", status="working", progress=0, activity="using_tool"
            ),
        ),
        (
            {"type": "stage.update", "stage_name": "testing", "message": "go", "status": "done"},
            WorkflowStageUpdate(project_id="shop", timestamp=NOW, stage="testing", message="go", status="completed"),
        ),
        (
            {"type": "LOG", "severity": "CRITICAL", "text": "oh"},
            WorkflowLog(project_id="shop", timestamp=NOW, level="error", message="oh"),
        ),
        (
            {"event_type": "project.completed", "deploymentUrl": "https://x", "durationSeconds": 5},
            ProjectCompleted(project_id="shop", timestamp=NOW, deployment_url="https://x", duration_seconds=5),
        ),
        (
            {"type": "project.error", "message": "boom", "errorCode": 500, "fatal": "false"},
            ProjectError(project_id="shop", timestamp=NOW, error="boom", code="500", fatal=False),
        ),
    ],
)
def test_what_producers_write_becomes_what_the_contract_says(event: dict[str, object], message: Event) -> None:
    """Dotted types, other names of fields, other words and numbers in texts."""
    assert message == normalise({"project_id": "shop", **event}, NOW)


@quick
@given(events)
def test_what_is_exact_already_stays(event: Event) -> None:
    """Both ways of reading an event give the same message."""
    assert event == normalise(msgspec.json.decode(encode(event)), NOW)


@pytest.mark.parametrize("name", ["project_id", "projectId", "project"])
def test_a_project_may_be_given_under_several_names(name: str) -> None:
    """The first of them that is there counts."""
    message = normalise({"type": "project.started", "project": "other", "project_id": None} | {name: "shop"}, NOW)
    assert "shop" == message.project_id


def test_null_is_as_good_as_nothing() -> None:
    """Producers write null for what they don't know."""
    assert said("log", level="info", message="x") == said(
        "log", level="info", message="x", emoji=None, agent=None, usage=None, timestamp=None, fields=None
    )


def test_an_empty_name_is_as_good_as_nothing_where_it_is_optional() -> None:
    """Loggers write an empty agent; where the agent is what it is about, that is an error."""
    assert said("log", level="info", message="x", agent="").agent is None
    assert said("log", level="info", message="x", agent="", agent_name="coder").agent == "coder"
    with pytest.raises(Misunderstood, match=r"agent: expected a text of 1 to 256 characters, got ''"):
        said("agent.status", agent="", status="idle", progress=0)


@pytest.mark.parametrize(
    ("fields", "moment"),
    [
        ({}, NOW),
        ({"timestamp": 5}, 5.0),
        ({"timestamp": "1970-01-01T00:00:05Z"}, 5.0),
        ({"timestamp": "yesterday", "ts": 6}, 6.0),
        ({"timestamp": "yesterday"}, NOW),
        ({"time": 1_600_000_000_000}, 1_600_000_000.0),
    ],
)
def test_without_a_readable_time_it_happened_when_it_was_received(fields: dict[str, object], moment: float) -> None:
    """An event is worth more than its clock."""
    assert moment == said("project.started", **fields).timestamp


def test_what_a_log_says_beyond_the_contract_is_kept() -> None:
    """Plain values go to `fields`; what is nested does not, and nobody speaks for the relay."""
    message = said(
        "log",
        level="info",
        message="x",
        text="other",
        time="yesterday",
        line=5,
        ok=True,
        nothing=None,
        nested={"a": 1},
        fields={"line": 7, "explicit": [1]},
        id="forged",
        received_at=5,
        synthetic=True,
        dialect="forged",
        message_id="m-1",
    )
    assert isinstance(message, WorkflowLog)
    assert {"text": "other", "time": "yesterday", "line": 7, "ok": True, "explicit": [1]} == message.fields
    assert (None, None, False, None, None) == (
        message.id,
        message.received_at,
        message.synthetic,
        message.dialect,
        message.message_id,
    )


def test_what_others_say_beyond_the_contract_is_ignored() -> None:
    """Unknown fields are no error, so that producers may be newer than the relay."""
    assert said("project.started", weather="fine") == said("project.started")


def test_a_long_line_is_cut() -> None:
    """The end of the line says how much is missing."""
    message = said("log", level="info", message="x" * 20_000)
    assert isinstance(message, WorkflowLog)
    assert "xxx… [cut: 3646 characters more]" == message.message[-32:]


@pytest.mark.parametrize(
    ("event", "reason", "detail"),
    [
        ({}, Reason.UNKNOWN_TYPE, "type: missing; use one of project_started,"),
        ({"type": 5}, Reason.UNKNOWN_TYPE, "type: 5 is nothing a worker says; use one of project_started,"),
        ({"type": "batch"}, Reason.UNKNOWN_TYPE, "type: 'batch' is nothing a worker says"),
        ({"type": "notice"}, Reason.UNKNOWN_TYPE, "type: 'notice' is nothing a worker says"),
        ({"type": "connection_established"}, Reason.UNKNOWN_TYPE, "type: 'connection_established' is nothing a worker"),
        ({"type": "log"}, Reason.BAD_PROJECT, "project_id: missing; give 1 to 128 characters"),
        ({"type": "log", "project": {"id": "a"}}, Reason.BAD_PROJECT, "project_id: expected 1 to 128 characters"),
        ({"type": "log", "project": "a b"}, Reason.BAD_PROJECT, "no dot, got 'a b'"),
        ({"type": "log", "project": "a"}, Reason.BAD_FIELD, "level: missing; give info, success, warning or error"),
        (
            {"type": "progress", "project": "a", "progress": "lots", "message": ""},
            Reason.BAD_FIELD,
            "progress: expected a number from 0 to 100 or a text such as '45%', got 'lots'",
        ),
        (
            {"type": "log", "project": "a", "level": "info", "message": ["x"]},
            Reason.BAD_FIELD,
            "message: expected a text, got a list",
        ),
        (
            {"type": "log", "project": "a", "level": "info", "message": "x", "usage": {"a": 10**20}},
            Reason.BAD_FIELD,
            "usage: expected an object nested at most 8 deep, its numbers between -2⁵³ and 2⁵³, its tokens whole",
        ),
    ],
)
def test_what_is_not_understood_names_the_field_and_the_mend(
    event: dict[str, object], reason: Reason, detail: str
) -> None:
    """Whoever wrote the event can put it right without asking."""
    said_reason, said_detail = complaint(event)
    assert reason == said_reason
    assert detail in said_detail


def test_every_message_has_aliases_and_a_table() -> None:
    """A new message can't be forgotten here."""
    assert set(TYPES.values()) == set(ALIASES.values()) == set(OWN)


# Keys and values that mean something now and then, so that the deeper branches are reached.
keys = st.sampled_from(
    sorted({"type", "event_type", "message_id", "id", "timestamp", "time", "project_id", "project", "agent", "usage"})
    + sorted({name for own in OWN.values() for field in own for name in (field.name, *field.aliases)})
) | st.text(max_size=5)
plausible = st.sampled_from([
    "shop", "info", "warn", "running", "thinking", "45%", "2023-11-14T22:13:20Z", "true", "", 0, 65, 1e300, -1, True,
    10**30, 1_700_000_000_000, ["a"], {"a": 1}, {"a": {"a": {}}},
])  # fmt: skip
wild = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def nearly(draw: st.DrawFn) -> dict[str, Any]:
    """Return an object that looks like an event, more or less."""
    fields = draw(st.dictionaries(keys, plausible | wild, max_size=8))
    start = draw(st.sampled_from(sorted(ALIASES)).map(lambda kind: {"type": kind, "project_id": "shop"}) | st.just({}))
    return start | fields


@quick
@given(nearly(), st.floats(0, 1e10))
def test_every_object_is_exact_or_refused(event: dict[str, Any], received_at: float) -> None:
    """What comes out obeys the contract to the letter: the strict reader takes it back unchanged."""
    with suppress(Misunderstood):
        message = normalise(event, received_at)
        assert message == decode_event(encode(message))
