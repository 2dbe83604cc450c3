from typing import Any

import pytest

from relayd.core.evidence import work_in
from relayd.core.snapshot import MAX_TASK, MAX_TEXT, Agent, Snapshot
from relayd.protocol.messages import (
    AgentStatusUpdate,
    Message,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    WorkflowLog,
    WorkflowStageUpdate,
)
from tests.core.words import NOW, PROJECT

WHAT: dict[str, Any] = {"project_id": PROJECT, "timestamp": NOW, "agent": "coder"}
CARD = Agent("working", 40, NOW, "cart.tsx", "thinking")
STATE = Snapshot(project_id=PROJECT, progress=40, message="Building")


def update(**fields: Any) -> AgentStatusUpdate:  # noqa: ANN401  # whatever an update may say
    """Return the update that would repeat the card, but for these fields."""
    card = {"status": "working", "progress": 40, "task": "cart.tsx", "activity": "thinking"}
    return AgentStatusUpdate(**WHAT | card | fields)


def test_a_repeat_is_a_heartbeat() -> None:
    """However often it comes, it says nothing that was not known."""
    assert work_in(update(), CARD, STATE) is None
    assert work_in(ProjectProgress(**WHAT, progress=40, message="Building"), CARD, STATE) is None


def test_a_repeat_of_a_long_text_is_a_heartbeat_too() -> None:
    """The state has the beginning of it only."""
    long = "x" * (MAX_TEXT + 1)
    state = Snapshot(project_id=PROJECT, progress=40, message=long[:MAX_TEXT])
    assert work_in(ProjectProgress(**WHAT, progress=40, message=long), CARD, state) is None


@pytest.mark.parametrize(
    ("fields", "evidence"),
    [
        ({"status": "idle"}, "working → idle"),
        ({"activity": "using_tool"}, "thinking → using tool"),
        ({"activity": None}, "thinking → working"),
        ({"progress": 45}, "progress 40 → 45"),
        ({"progress": 30}, "progress 40 → 30"),
        ({"task": "cart.tsx and more"}, "another task"),
        ({"task": None}, "another task"),
        ({"usage": {"tokens": 3}}, "usage"),
    ],
)
def test_whatever_an_update_changes_is_work(fields: dict[str, Any], evidence: str) -> None:
    """It is told in few words, none of them the producer's."""
    assert evidence == work_in(update(**fields), CARD, STATE)


def test_the_first_word_is_work() -> None:
    """Somebody has begun."""
    assert "its first status" == work_in(update(), None, STATE)


@pytest.mark.parametrize(
    ("message", "evidence"),
    [
        (WorkflowLog(**WHAT, level="info", message="secret"), "a line of log"),
        (WorkflowStageUpdate(**WHAT, stage="secret", message="secret"), "a stage's update"),
        (ProjectError(**WHAT, error="secret", fatal=False), "an error"),
        (ProjectProgress(**WHAT, progress=41, message="Building"), "the project's progress"),
        (ProjectProgress(**WHAT, progress=40, message="secret"), "the project's progress"),
        (ProjectProgress(**WHAT, progress=40, message="Building", usage={"tokens": 1}), "usage"),
        (ProjectCompleted(**WHAT), None),
    ],
)
def test_what_is_said_with_its_name_is_work(message: Message, evidence: str | None) -> None:
    """A line, a stage, an error; its text stays out of it."""
    assert evidence == work_in(message, CARD, STATE)


def test_a_long_task_is_compared_as_it_is_kept() -> None:
    """Else each repeat of it would look like another one."""
    card = Agent("working", 40, NOW, "x" * MAX_TASK, "thinking")
    assert work_in(update(task="x" * (MAX_TASK + 1)), card, STATE) is None


@pytest.mark.parametrize("usage", [{"tokens": 0}, {"tokens": -1}, {"cached": True}, {"model": "big"}, {}])
def test_usage_of_nothing_is_no_work(usage: dict[str, Any]) -> None:
    """A heartbeat may tell sums that do not grow."""
    assert work_in(update(usage=usage), CARD, STATE) is None
