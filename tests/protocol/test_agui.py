"""Our messages as events of AG-UI, by the models of its own package."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.protocol import agui, codec
from relayd.protocol.messages import (
    TYPES,
    AgentStatusUpdate,
    ConnectionEstablished,
    Event,
    Message,
    Notice,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowLog,
    WorkflowStageUpdate,
)
from tests.harness.agui_client import StrictClient
from tests.protocol.strategies import events, quick

COMMON: dict[str, Any] = {"project_id": "shop", "timestamp": 7.5, "received_at": 8.0}


def client(*messages: Message, snapshot: dict[str, Any] | None = None) -> StrictClient:
    """Return a client that has heard an opening and these messages."""
    hears = StrictClient()
    hears.hear(agui.begin("shop").decode())
    opening = ConnectionEstablished(**COMMON, message="m", cursor="c", replay="tail", snapshot=snapshot)
    for data in agui.say(codec.encode(opening)):
        hears.hear(data.decode())
    for number, message in enumerate(messages):
        message.id = f"c{number}"
        for data in agui.translate(codec.encode(message)):
            hears.hear(data.decode())
        assert hears.settled, message
    return hears


def test_every_message_is_translated() -> None:
    """A ninth would be missed here."""
    assert set(TYPES.values()) == set(agui.SAYS)


@quick
@given(st.lists(events, max_size=6))
def test_whatever_is_said_a_strict_client_hears_it(messages: list[Event]) -> None:
    """Each event is the package's own and comes where it may; all of ours is there."""
    hears = client(*messages)
    assert [json.loads(codec.encode(message)) for message in messages] == hears.raw
    assert "".join(message.message for message in messages if isinstance(message, WorkflowLog)) == "".join(
        hears.texts.values()
    )


def test_the_opening_is_the_state() -> None:
    """With what a patch of it relies on, where there is none yet; and with what the relay says at the beginning."""
    assert {"project_id": "shop", "status": "initializing", "progress": 0, "agents": {}} == client().state
    hears = client(snapshot={"project_id": "shop", "progress": 65, "stages_completed": ["plan"]})
    assert {
        "project_id": "shop", "status": "initializing", "progress": 65, "agents": {}, "stages_completed": ["plan"]
    } == hears.state  # fmt: skip
    (opening,) = hears.custom("connection_established")
    assert ("c", "tail") == (opening["cursor"], opening["replay"])
    assert "snapshot" not in opening
    assert ["RUN_STARTED", "CUSTOM", "STATE_SNAPSHOT"] == hears.kinds()


def test_a_run_is_a_state_that_changes() -> None:
    """Progress, stage and agents are where the snapshot has them, by whatever names."""
    hears = client(
        ProjectStarted(**COMMON, name="Shop"),
        ProjectProgress(**COMMON, progress=65, message="half", stage="build"),
        AgentStatusUpdate(**COMMON, agent="a/b~c", status="working", progress=1, task="t", activity="using_tool"),
        snapshot={"stage": "old", "completed_at": 1.0, "owner": "ada", "agents": {"gone": {}}},
    )
    assert {
        "project_id": "shop", "status": "in_progress", "progress": 65, "started_at": 7.5, "name": "Shop",
        "owner": "ada", "stage": "build", "message": "half", "completed_at": None, "stages_completed": [],
        "agents": {
            "a/b~c": {"status": "working", "progress": 1, "last_seen": 8.0, "task": "t", "activity": "using_tool"},
        },
    } == hears.state  # fmt: skip
    assert [7_500] * 3 == [event.timestamp for event in hears.heard[3:]]


@pytest.mark.parametrize(
    ("status", "kinds", "stage"),
    [
        (None, ["STATE_DELTA"], "plan"),
        ("running", ["STATE_DELTA"], "plan"),
        ("pending", ["STATE_DELTA"], "before"),
        ("failed", ["STATE_DELTA"], "before"),
        ("completed", ["STATE_DELTA", "STEP_STARTED", "STEP_FINISHED"], "before"),
    ],
)
def test_a_stage_is_a_step_once_it_is_done(status: Any, kinds: list[str], stage: str) -> None:  # noqa: ANN401
    """What a viewer did not see begin can't end; until it does the state says where the project is."""
    hears = client(
        WorkflowStageUpdate(**COMMON, stage="plan", status=status, message="words"), snapshot={"stage": "before"}
    )
    assert (kinds, stage, "words") == (hears.kinds()[3:], hears.state["stage"], hears.state["message"])


def test_a_line_is_a_text() -> None:
    """Of its agent, or of its source; an empty one has no content."""
    hears = client(
        WorkflowLog(**COMMON, level="info", message="hello", agent="coder", source="make"),
        WorkflowLog(**COMMON, level="info", message="", source="make"),
        WorkflowLog(**COMMON, level="info", message="x"),
    )
    assert {"c0": "hello", "c1": "", "c2": "x"} == hears.texts
    names = [event.name for event in hears.heard if event.type.value == "TEXT_MESSAGE_START"]  # type: ignore[attr-defined]
    assert ["coder", "make", None] == names


def test_an_end_of_a_project_is_the_end_of_a_run() -> None:
    """And at once the beginning of the next: AG-UI allows nothing outside of one, and the log may go on."""
    done = client(ProjectCompleted(**COMMON, message="all of it"), WorkflowLog(**COMMON, level="info", message="late"))
    assert (["success"], {"c1": "late"}) == (done.ends, done.texts)
    assert ("completed", 100, 7.5, "all of it") == tuple(
        done.state[name] for name in ("status", "progress", "completed_at", "message")
    )
    failed = client(ProjectError(**COMMON, error="broke", code="E"))
    assert (["broke"], "failed", "broke") == (failed.ends, failed.state["status"], failed.state["message"])
    assert ["STATE_DELTA", "RUN_ERROR", "RUN_STARTED"] == failed.kinds()[3:]


def test_an_error_that_is_survived_ends_nothing() -> None:
    """It is told as one of ours."""
    hears = client(
        ProjectError(**COMMON, error="broke", code="E", fatal=False), ProjectError(**COMMON, error="x", fatal=False)
    )
    assert ([], "initializing") == (hears.ends, hears.state["status"])
    assert [{"error": "broke", "code": "E"}, {"error": "x"}] == hears.custom("project_error")


def test_a_notice_is_one_of_ours() -> None:
    """Beside the log, as in every language."""
    hears = client()
    for data in agui.say(codec.encode(Notice(code="FILTERED", project_id="shop"))):
        hears.hear(data.decode())
    assert [{"type": "notice", "code": "FILTERED", "project_id": "shop"}] == hears.custom("notice")


def test_a_line_that_is_in_no_log_is_told_as_one_that_is() -> None:
    """What the relay warns of itself is for people, too."""
    warning = WorkflowLog(project_id="shop", timestamp=7.5, level="warning", message="budget: 9 of 10", synthetic=True)
    assert agui.translate(codec.encode(warning)) == agui.say(codec.encode(warning))
