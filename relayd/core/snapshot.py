"""The latest state of a project, as viewers get it before the tail (docs/protocol.md section 5)."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from relayd.core.usage import Book
from relayd.protocol.messages import (
    Activity,
    AgentStatusUpdate,
    Budget,
    Message,
    ProjectProgress,
    ProjectStarted,
    Seeming,
    WorkflowStageUpdate,
)

__all__ = ["MAX_TASK", "MAX_TEXT", "Agent", "Failure", "Snapshot", "read", "spoken"]

MAX_TEXT = 2_000
MAX_TASK = 500
"""Texts are cut to so many characters: a thousand agents' tasks must not make a snapshot of megabytes."""

ProjectStatus = Literal["initializing", "in_progress", "completed", "failed", "paused"]


class Agent(Struct, omit_defaults=True):
    """What one agent did last."""

    status: Literal["idle", "working", "completed", "failed"]
    progress: float
    last_seen: float
    """Relay's clock, Unix seconds."""
    task: str | None = None
    activity: Activity | Seeming | None = None
    worked_at: float = 0
    """When there was evidence of work last, by the relay's clock; 0 in what an older journal kept."""
    evidence: str | None = None
    """What that was, in the words of core/evidence."""


class Failure(Struct, omit_defaults=True):
    """An error the project reported."""

    timestamp: float
    error: str
    code: str | None = None
    fatal: bool = True


class Snapshot(Struct, kw_only=True, omit_defaults=True):
    """A project's state at a cursor."""

    project_id: str
    status: ProjectStatus = "initializing"
    progress: float = 0
    name: str | None = None
    description: str | None = None
    project_type: str | None = None
    owner: str | None = None
    team: str | None = None
    stage: str | None = None
    stages_completed: list[str] = field(default_factory=list)
    message: str | None = None
    agents: dict[str, Agent] = field(default_factory=dict)
    agents_forgotten: int = 0
    """Agents beyond the bound whose last state was let go."""
    started_at: float | None = None
    updated_at: float = 0
    """Relay's clock, Unix seconds."""
    completed_at: float | None = None
    estimated_duration_seconds: float | None = None
    errors: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    usage: dict[str, float] = field(default_factory=dict)
    spent: Book = field(default_factory=dict)
    """The same as far as its names have a meaning, for what is told of it in other words (core/spending.py)."""
    allowed: Budget | None = None
    """The budget as the project named it; how much of that is used is reckoned when somebody looks."""
    cursor: str | None = None
    """What the state is true at."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `connection_established.snapshot`."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        for own in ("spent", "allowed"):
            plain.pop(own, None)
        for card in plain.get("agents", {}).values():
            # What it is judged by stands in the judgement, with one number; another beside it could only differ.
            for own in ("worked_at", "evidence"):
                card.pop(own, None)
        return plain


DECODER = msgspec.json.Decoder(Snapshot)


def read(data: bytes) -> Snapshot:
    """Return the snapshot that a journal kept."""
    return DECODER.decode(data)


def spoken(snapshot: Snapshot, now: float, activities: Mapping[str, Seeming] | None = None) -> list[Message]:
    """
    Return the snapshot in the words of a legacy front end, which knows no snapshot.

    Started, progress, agents, stage; all `synthetic` and without `id`, for they stand nowhere in the log.  `activities`
    is what the relay knows better by now than the agents of these names said.
    """
    if not snapshot.counts:
        return []
    project_id, derived = snapshot.project_id, activities or {}
    started = ProjectStarted(
        project_id=project_id,
        timestamp=snapshot.started_at or now,
        name=snapshot.name,
        estimated_duration_seconds=snapshot.estimated_duration_seconds,
        synthetic=True,
    )
    progress = ProjectProgress(
        project_id=project_id,
        timestamp=snapshot.updated_at,
        progress=snapshot.progress,
        message=snapshot.message or snapshot.status,
        synthetic=True,
    )
    agents = [
        AgentStatusUpdate(
            project_id=project_id,
            timestamp=agent.last_seen,
            agent=name,
            status=agent.status,
            progress=agent.progress,
            task=agent.task,
            activity=derived.get(name, agent.activity),
            synthetic=True,
        )
        for name, agent in snapshot.agents.items()
    ]
    stages = (
        [
            WorkflowStageUpdate(
                project_id=project_id,
                timestamp=snapshot.updated_at,
                stage=snapshot.stage,
                message=snapshot.stage,
                synthetic=True,
            )
        ]
        if snapshot.stage
        else []
    )
    return [started, progress, *agents, *stages]
