import json
from typing import Any

import msgspec
import pytest

from relayd.core.snapshot import Agent, Failure, Snapshot, read, spoken
from relayd.core.usage import Spent, Tokens
from relayd.protocol import codec
from relayd.protocol.messages import AgentStatusUpdate, Budget, ProjectProgress, ProjectStarted, WorkflowStageUpdate

FULL = Snapshot(
    project_id="p",
    status="failed",
    progress=65,
    name="Shop",
    description="sells",
    project_type="web",
    owner="ada",
    team="blue",
    stage="testing",
    stages_completed=["design"],
    message="oops",
    agents={"coder": Agent("working", 40, 9.0, "form", "thinking"), "tester": Agent("idle", 0, 8.0)},
    agents_forgotten=2,
    started_at=1.0,
    updated_at=10.0,
    completed_at=9.5,
    estimated_duration_seconds=60,
    errors=[Failure(9.5, "oops", "E1"), Failure(9.0, "small", fatal=False)],
    warnings=["hot"],
    urls={"url": "http://x"},
    counts={"project_error": 2},
    usage={"tokens": 7},
    spent={"coder": {"m": Spent(open=Tokens(input=3, total=7), cost=5)}},
    allowed=Budget(tokens=9, cost=2.5),
    cursor="c" * 32,
)


def test_a_snapshot_comes_back_as_it_was() -> None:
    """Whatever the journal kept of it."""
    assert FULL == read(msgspec.json.encode(FULL))


def test_what_is_not_known_is_left_out() -> None:
    """A small project has a small snapshot."""
    assert {"project_id": "p"} == Snapshot(project_id="p").as_dict()


def test_viewers_get_plain_values() -> None:
    """The same as the journal keeps, but for what is told in other words."""
    kept = json.loads(msgspec.json.encode(FULL))
    assert {"coder"} == kept.pop("spent").keys()
    assert {"tokens": 9, "cost": 2.5} == kept.pop("allowed")
    assert kept == FULL.as_dict()


def test_a_snapshot_from_before_there_were_books_is_read() -> None:
    """An older relay's journal lacks them."""
    assert {"tokens": 7} == read(b'{"project_id":"p","usage":{"tokens":7}}').usage


def test_snapshots_share_nothing() -> None:
    """Two projects never write into the same list."""
    one, other = Snapshot(project_id="a"), Snapshot(project_id="b")
    one.agents["coder"] = Agent("idle", 0, 0.0)
    one.errors.append(Failure(0.0, "x"))
    assert ({}, []) == (other.agents, other.errors)


def test_a_project_without_events_says_nothing() -> None:
    """There is no state to tell."""
    assert [] == spoken(Snapshot(project_id="p"), 99.0)


def test_a_legacy_viewer_hears_the_state_in_its_own_words() -> None:
    """Started, progress, agents, stage, in this order; nothing of it stands in the log."""
    said = spoken(FULL, 99.0)
    assert [ProjectStarted, ProjectProgress, AgentStatusUpdate, AgentStatusUpdate, WorkflowStageUpdate] == [
        type(message) for message in said
    ]
    plain: list[dict[str, Any]] = [json.loads(codec.encode(message)) for message in said]
    assert all(message["synthetic"] and "id" not in message for message in plain)
    started, progress, coder, tester, stage = plain
    assert ("Shop", 1.0, 60) == (started["name"], started["timestamp"], started["estimated_duration_seconds"])
    assert (65, "oops", 10.0) == (progress["progress"], progress["message"], progress["timestamp"])
    assert ("coder", "working", 40, "form", "thinking", 9.0) == tuple(
        coder[name] for name in ("agent", "status", "progress", "task", "activity", "timestamp")
    )
    assert ("tester", "idle") == (tester["agent"], tester["status"])
    assert ("testing", "testing", 10.0) == (stage["stage"], stage["message"], stage["timestamp"])


def test_what_is_not_known_is_not_spoken_of() -> None:
    """No stage, no agent; a progress always has a message, and a start that was missed is now."""
    said = spoken(Snapshot(project_id="p", status="in_progress", updated_at=5.0, counts={"project_progress": 1}), 99.0)
    started, progress = said
    assert (99.0, None) == (started.timestamp, started.name)  # type: ignore[attr-defined]
    assert "in_progress" == progress.message  # type: ignore[attr-defined]


@pytest.mark.parametrize("snapshot", [FULL, Snapshot(project_id="p", counts={"workflow_log": 1})])
def test_what_is_spoken_can_be_read(snapshot: Snapshot) -> None:
    """It obeys the contract as if it had been published."""
    for message in spoken(snapshot, 99.0):
        assert type(message) is type(codec.decode_event(codec.encode(message)))
