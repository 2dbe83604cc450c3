"""The shapes in which the existing front end reads a project (docs/protocol.md section 4)."""

from collections.abc import Mapping, Sequence
from typing import Any

from relayd.core.lifecycle import Missing
from relayd.core.liveness import Liveness
from relayd.core.snapshot import Snapshot

__all__ = ["agents_of", "project_of", "status_of"]


def agents_of(state: Snapshot, judged: Mapping[str, Liveness]) -> list[dict[str, Any]]:
    """Return `[{name, status, progress, current_task}]`, and how those seem to be that should be at work."""
    return [
        {
            "name": name,
            "status": agent.status,
            "progress": agent.progress,
            "current_task": agent.task,
            "activity": agent.activity,
            "last_seen": agent.last_seen,
            "liveness": judged[name].as_dict() if name in judged else None,
        }
        for name, agent in state.agents.items()
    ]


def project_of(state: Snapshot, judged: Mapping[str, Liveness], lacking: Sequence[Missing]) -> dict[str, Any]:
    """Return `{id, name, status, progress, createdAt, completedAt, agents[]…}`, and what its life lacks."""
    return {
        "id": state.project_id,
        "name": state.name or state.project_id,
        "description": state.description,
        "type": state.project_type,
        "status": state.status,
        "progress": state.progress,
        "stage": state.stage,
        "message": state.message,
        "createdAt": state.started_at,
        "updatedAt": state.updated_at,
        "completedAt": state.completed_at,
        "agents": agents_of(state, judged),
        "lifecycle": [one.as_dict() for one in lacking],
        "urls": state.urls,
        "usage": state.usage,
        "cursor": state.cursor,
    }


def status_of(state: Snapshot) -> dict[str, Any]:
    """Return `{project_id, status, current_stage, stage, progress, message, active_agents[], …}`."""
    return {
        "project_id": state.project_id,
        "status": state.status,
        "current_stage": state.stage,
        "stage": state.stage,
        "progress": state.progress,
        "message": state.message,
        "active_agents": [name for name, agent in state.agents.items() if agent.status == "working"],
        "stages_completed": state.stages_completed,
        "errors": [failure.error for failure in state.errors],
        "warnings": state.warnings,
        "completion_url": state.urls.get("completion_url"),
        "deployment_url": state.urls.get("deployment_url"),
        "url": state.urls.get("url"),
        "updated_at": state.updated_at,
    }
