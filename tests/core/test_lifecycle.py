"""Starts, ends and ends of agents that nobody has told."""

from typing import Any

import pytest

from relayd.core.lifecycle import Missing, missing
from relayd.core.liveness import Thresholds, judge_all
from relayd.core.project import fold
from relayd.core.snapshot import Snapshot
from relayd.protocol.messages import (
    AgentStatusUpdate,
    Message,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
)
from tests.core.words import PROJECT

WHAT: dict[str, Any] = {"project_id": PROJECT, "timestamp": 1.0}
STARTED, COMPLETED = ProjectStarted(**WHAT), ProjectCompleted(**WHAT)
FAILED = ProjectError(**WHAT, error="broke")
BOUNDS = Thresholds()


def agent(name: str = "coder", **fields: Any) -> AgentStatusUpdate:  # noqa: ANN401  # whatever an update may say
    """Return an agent that works."""
    return AgentStatusUpdate(**{**WHAT, "agent": name, "status": "working", "progress": 0, **fields})


def lacks(*messages: Message, after: float = 0.0) -> list[dict[str, Any]]:
    """Return what a project lacks, so long after these messages."""
    state = Snapshot(project_id=PROJECT)
    for message in messages:
        fold(state, message, 1_000.0)
    return [one.as_dict() for one in found(state, now=1_000.0 + after)]


def found(state: Snapshot, *, now: float) -> list[Missing]:
    """Return what a state lacks at a time."""

    def since(stamp: float) -> float:
        return now - stamp

    return missing(state, judge_all(state, since, BOUNDS), since, BOUNDS)


def test_nothing_is_missing_in_a_life_that_was_told() -> None:
    """Nor in a project of which nothing was heard at all."""
    assert [] == lacks() == lacks(STARTED, agent()) == lacks(STARTED, agent(status="completed"), COMPLETED)


def test_a_start_that_nobody_saw_is_said() -> None:
    """It was lost, or is older than what is read; taken back when it comes."""
    assert [{"what": "start", "cause": "not_seen", "synthetic": True}] == lacks(agent())
    assert [] == lacks(agent(), STARTED)


@pytest.mark.parametrize("seconds", [900, 21_599])
def test_where_all_agents_are_lost_the_end_is_missing(seconds: float) -> None:
    """One that rests or has ended says nothing against it."""
    told = (STARTED, agent(), agent("tester", status="completed", progress=100))
    assert [{"what": "end", "cause": "agents_lost", "synthetic": True}] == lacks(*told, after=seconds)
    assert [] == lacks(*told, after=899)


def test_an_agent_with_an_open_tool_has_not_ended() -> None:
    """However lost the others are."""
    assert [] == lacks(STARTED, agent(), agent("tester", activity="using_tool"), after=1_000)


def test_a_project_that_speaks_for_itself_goes_on() -> None:
    """Somebody who gives no name may conduct it, while its agents are lost."""
    state = Snapshot(project_id=PROJECT)
    fold(state, STARTED, 1_000.0)
    fold(state, agent(), 1_000.0)
    fold(state, ProjectProgress(**WHAT, progress=5, message="on it"), 1_500.0)
    assert [] == found(state, now=1_950.0)
    assert ["agents_lost"] == [one.cause for one in found(state, now=2_400.0)]


def test_silence_for_hours_is_an_end() -> None:
    """Also of a project without agents, or whose agents rest."""
    told = (STARTED, agent(status="idle"))
    assert [] == lacks(*told, after=21_599)
    assert [{"what": "end", "cause": "silent", "synthetic": True}] == lacks(*told, after=21_600)


def test_who_waits_for_a_person_has_not_ended() -> None:
    """A weekend is long."""
    assert [] == lacks(STARTED, agent(), agent("asker", activity="waiting_for_human"), after=1e6)


@pytest.mark.parametrize(("end", "cause"), [(COMPLETED, "project_completed"), (FAILED, "project_failed")])
def test_agents_that_never_said_they_had_ended_are_named(end: Message, cause: str) -> None:
    """Their project is over; those that did say so are not named, and nothing of it grows with time."""
    told = (STARTED, agent("one"), agent("two", status="failed"), agent("three", status="idle"), agent("four"), end)
    orphans = [{"what": "agent", "cause": cause, "synthetic": True, "agent": name} for name in ("one", "four")]
    assert orphans == lacks(*told) == lacks(*told, after=1e6)
