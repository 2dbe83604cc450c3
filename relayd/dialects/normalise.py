"""
The tolerant reader of native events: what a producer wrote, in the exact words of the contract.

Law 1: it never guesses; what it can't read is refused with the field and the mend.
Law 2: what only the relay knows (RELAY_ONLY) is never taken from a producer.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from relayd.dialects import values
from relayd.dialects.delivery import Reason
from relayd.dialects.values import Kind, read_timestamp, shown
from relayd.protocol import messages
from relayd.protocol.messages import (
    AgentStatusUpdate,
    Event,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowLog,
    WorkflowStageUpdate,
)

__all__ = ["ALIASES", "RELAY_ONLY", "TYPE_NAMES", "Misunderstood", "normalise"]


class Misunderstood(Exception):
    """An event that can't be read; the message is a sentence that names the field and the mend."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """Keep why."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Field(Struct, frozen=True):
    """A field of a message: its kind, and what else producers call it, in the order in which the names are tried."""

    name: str
    kind: Kind
    aliases: tuple[str, ...] = ()
    required: bool = False


ALIASES: dict[str, type[Event]] = messages.TYPES | {
    "project.started": ProjectStarted,
    "project.start": ProjectStarted,
    "project.progress": ProjectProgress,
    "progress": ProjectProgress,
    "agent.status": AgentStatusUpdate,
    "agent.status_update": AgentStatusUpdate,
    "agent_status": AgentStatusUpdate,
    "stage.update": WorkflowStageUpdate,
    "stage_update": WorkflowStageUpdate,
    "workflow.stage": WorkflowStageUpdate,
    "workflow.stage_update": WorkflowStageUpdate,
    "workflow_stage": WorkflowStageUpdate,
    "log": WorkflowLog,
    "workflow.log": WorkflowLog,
    "project.completed": ProjectCompleted,
    "project.complete": ProjectCompleted,
    "project.error": ProjectError,
    "project.failed": ProjectError,
}
"""Message by what a producer may write as its type."""

RELAY_ONLY = frozenset({"id", "received_at", "synthetic", "dialect"})
TYPE_NAMES = ("type", "event_type")
TIMESTAMP_NAMES = ("timestamp", "time", "ts", "@timestamp", "created_at")
OWN_NAMES = RELAY_ONLY | {*TYPE_NAMES, "message_id"}

AGENT_NAMES = ("agent_name", "agentName")
MESSAGE_NAMES = ("msg", "text")

COMMON = (
    Field("project_id", values.PROJECT, ("projectId", "project"), required=True),
    Field("agent", values.NAME, AGENT_NAMES),
    Field("parent_id", values.NAME, ("parentId",)),
    Field("root_id", values.NAME, ("rootId",)),
    Field("key", values.NAME),
    Field("usage", values.USAGE),
)

OWN: dict[type[Event], tuple[Field, ...]] = {
    ProjectStarted: (
        Field("name", values.TEXT, ("project_name", "projectName")),
        Field("description", values.TEXT),
        Field("project_type", values.TEXT, ("projectType",)),
        Field("owner", values.TEXT),
        Field("team", values.TEXT),
        Field("agents", values.NAMES),
        Field("estimated_duration_seconds", values.SECONDS, ("estimatedDurationSeconds",)),
        Field("budget", values.BUDGET),
    ),
    ProjectProgress: (
        Field("progress", values.PROGRESS, ("percent", "percentage"), required=True),
        Field("message", values.TEXT, MESSAGE_NAMES, required=True),
        Field("stage", values.TEXT, ("current_stage", "currentStage")),
    ),
    AgentStatusUpdate: (
        Field("agent", values.NAME, AGENT_NAMES, required=True),
        Field("status", values.AGENT_STATUS, ("state",), required=True),
        Field("progress", values.PROGRESS, ("percent", "percentage"), required=True),
        Field("task", values.TEXT, ("current_task", "currentTask")),
        Field("activity", values.ACTIVITY),
    ),
    WorkflowStageUpdate: (
        Field("stage", values.NAME, ("stage_name", "stageName"), required=True),
        Field("message", values.TEXT, MESSAGE_NAMES, required=True),
        Field("status", values.STAGE_STATUS, ("state",)),
    ),
    WorkflowLog: (
        Field("level", values.LEVEL, ("severity", "levelname"), required=True),
        Field("message", values.LINE, MESSAGE_NAMES, required=True),
        Field("emoji", values.TEXT),
        Field("source", values.TEXT),
        Field("fields", values.OBJECT),
    ),
    ProjectCompleted: (
        Field("url", values.TEXT),
        Field("completion_url", values.TEXT, ("completionUrl",)),
        Field("deployment_url", values.TEXT, ("deploymentUrl",)),
        Field("message", values.TEXT, MESSAGE_NAMES),
        Field("duration_seconds", values.SECONDS, ("durationSeconds",)),
    ),
    ProjectError: (
        Field("error", values.TEXT, ("error_message", "errorMessage", "message", *MESSAGE_NAMES), required=True),
        Field("code", values.TEXT, ("error_code", "errorCode")),
        Field("fatal", values.FLAG),
    ),
}

# A message's own field of the same name replaces the common one: to some an agent is optional, to others not.
FIELDS: dict[type[Event], tuple[Field, ...]] = {
    kind: tuple({field.name: field for field in (*COMMON, *own)}.values()) for kind, own in OWN.items()
}


def normalise(event: Mapping[str, Any], received_at: float) -> Event:
    """
    Return the message that a raw event says; without a readable time of its own it happened when it was received.

    Raises Misunderstood.
    """
    kind = read_type(event)
    read: dict[str, Any] = {}
    used: set[str] = set()
    for field in FIELDS[kind]:
        if (name := name_in(event, field)) is not None:
            read[field.name] = read_field(field, event[name])
            used.add(name)
    read["timestamp"] = read_time(event, received_at, used)
    if kind is AgentStatusUpdate:
        status, activity = read["status"]
        read |= {"status": status, "activity": read.get("activity") or activity}
    if kind is WorkflowLog and (rest := the_rest(event, used)):
        read["fields"] = rest | read.get("fields", {})
    return kind(**read)


def read_type(event: Mapping[str, Any]) -> type[Event]:
    """Return which message it is."""
    said = next((event[name] for name in TYPE_NAMES if event.get(name) is not None), None)
    kind = ALIASES.get(said.strip().lower()) if isinstance(said, str) else None
    if kind is None:
        known = f"use one of {', '.join(messages.TYPES)}"
        detail = f"type: missing; {known}" if said is None else f"type: {shown(said)} is nothing a worker says; {known}"
        raise Misunderstood(Reason.UNKNOWN_TYPE, detail)
    return kind


def name_in(event: Mapping[str, Any], field: Field) -> str | None:
    """Return under which name a field is there; null is as good as nothing, so is an empty name that is optional."""
    for name in (field.name, *field.aliases):
        value = event.get(name)
        if value is not None and (value != "" or field.required or field.kind is not values.NAME):
            return name
    if field.required:
        raise refused(field, f"missing; give {field.kind.expects}")
    return None


def read_field(field: Field, value: object) -> Any:  # noqa: ANN401 -- the field's kind says of what type
    """Return a field's exact value."""
    exact = field.kind.read(value)
    if exact is None:
        raise refused(field, f"expected {field.kind.expects}, got {shown(value)}")
    return exact


def refused(field: Field, sentence: str) -> Misunderstood:
    """Return the error that names a field."""
    reason = Reason.BAD_PROJECT if field.kind is values.PROJECT else Reason.BAD_FIELD
    return Misunderstood(reason, f"{field.name}: {sentence}")


def read_time(event: Mapping[str, Any], received_at: float, used: set[str]) -> float:
    """Return when it happened, and note under which name that stood."""
    for name in TIMESTAMP_NAMES:
        if (moment := read_timestamp(event.get(name))) is not None:
            used.add(name)
            return moment
    return received_at


def the_rest(event: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    """Return what a log line says beyond the contract, as far as it is a plain value."""
    return {
        name: value
        for name, value in event.items()
        if name not in used and name not in OWN_NAMES and isinstance(value, str | int | float)
    }
