"""
The eight messages, to the letter of docs/protocol.md section 1.

Field names are those an existing front end reads: adding one is safe, renaming one is not.
Values are exact: the dialects turn what a producer wrote into them before a struct is made.
"""

from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

__all__ = [
    "DERIVED",
    "GREETING",
    "LEVELS",
    "MAX_LOG_MESSAGE",
    "MAX_NAME",
    "PROJECT_ID",
    "TYPES",
    "Activity",
    "AgentStatusUpdate",
    "Budget",
    "ConnectionEstablished",
    "Event",
    "Message",
    "Notice",
    "ProjectCompleted",
    "ProjectError",
    "ProjectId",
    "ProjectProgress",
    "ProjectStarted",
    "Seeming",
    "WorkflowLog",
    "WorkflowStageUpdate",
]

GREETING = "Real-time updates active"
"""What `connection_established` says; the existing front end shows it."""

MAX_LOG_MESSAGE = 16_384
"""Longest text of a `workflow_log` in characters; a longer one is cut with a marker."""

MAX_NAME = 256
"""Longest name of an agent, a stage or another thing that messages refer to, in characters."""

PROJECT_ID = r"^[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,127}$(?!\n)"
"""What a project may be called; `(?!\\n)` because `$` alone would let a trailing line feed pass."""

LEVELS: dict[str, int] = {"info": 0, "success": 1, "warning": 2, "error": 3}
"""Log levels and their rank."""

ProjectId = Annotated[str, Meta(pattern=PROJECT_ID)]
Timestamp = Annotated[float, Meta(ge=0, lt=1e11)]
# A union, so that 65 stays 65: viewers print the number as it comes.
Progress = Annotated[int, Meta(ge=0, le=100)] | Annotated[float, Meta(ge=0, le=100)]
# No more than every viewer's JSON parser keeps exact.
Seconds = Annotated[int, Meta(ge=-(2**53), le=2**53)] | Annotated[float, Meta(ge=-(2**53), le=2**53)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]

Status = Literal["idle", "working", "completed", "failed"]
Activity = Literal["thinking", "using_tool", "waiting_for_human", "waiting"]
Seeming = Literal["waiting_on_tool", "quiet", "maybe_stuck", "lost"]
DERIVED: frozenset[str] = frozenset(get_args(Seeming))
"""Activities that the relay alone says, by the clock, to viewers that read no liveness; no event has one."""

StageStatus = Literal["pending", "running", "completed", "failed"]
Level = Literal["info", "success", "warning", "error"]


# gc=False: a message is a tree made by a decoder, it can hold no cycle, and tracking thousands of them costs pauses.
class Message(Struct, tag_field="type", kw_only=True, omit_defaults=True, gc=False):
    """
    What every message has.

    `id`, `received_at`, `dialect` and `synthetic` are the relay's and never taken from a producer; the rest is
    the producer's.
    """

    project_id: ProjectId
    timestamp: Timestamp
    """Producer's clock, Unix seconds."""
    id: str | None = None
    """Cursor of the event in the log; absent on what the relay itself says."""
    received_at: float | None = None
    """Relay's clock, Unix seconds."""
    agent: Name | None = None
    parent_id: Name | None = None
    root_id: Name | None = None
    key: Name | None = None
    usage: dict[str, Any] | None = None
    message_id: Name | None = None
    """By which a repeat is recognised; producers give it, dialects take it off, no viewer sees it."""
    dialect: str | None = None
    synthetic: bool = False


class ConnectionEstablished(Message, tag="connection_established"):
    """First message of a subscription, and again in the stream after a declared gap."""

    message: str
    """GREETING; no default, for a default would be left out on the wire."""
    protocol: int | None = None
    connection_id: str | None = None
    cursor: str | None = None
    head: str | None = None
    recovered: bool | None = None
    replay: Literal["tail", "resume", "gap", "none"] | None = None
    snapshot: dict[str, Any] | None = None
    limits: dict[str, int] | None = None
    heartbeat_seconds: float | None = None
    server_time: float | None = None
    token_expires_at: float | None = None


class Budget(Struct, omit_defaults=True, frozen=True):
    """What a project is meant to use at most; beyond it somebody is told, and nothing else happens."""

    tokens: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    cost: Annotated[float, Meta(ge=0.01, le=1e6)] | None = None
    """In the relay's currency."""


class ProjectStarted(Message, tag="project_started"):
    """A project began."""

    name: str | None = None
    description: str | None = None
    project_type: str | None = None
    owner: str | None = None
    team: str | None = None
    agents: list[str] | None = None
    estimated_duration_seconds: Seconds | None = None
    budget: Budget | None = None


class ProjectProgress(Message, tag="project_progress"):
    """How far a project is, 0 to 100."""

    progress: Progress
    message: str
    stage: str | None = None


class AgentStatusUpdate(Message, tag="agent_status_update"):
    """What one agent does."""

    agent: Name
    status: Status
    progress: Progress
    task: str | None = None
    activity: Activity | Seeming | None = None


class WorkflowStageUpdate(Message, tag="workflow_stage_update"):
    """A stage of the workflow was reached or changed."""

    stage: Name
    message: str
    status: StageStatus | None = None


class WorkflowLog(Message, tag="workflow_log"):
    """One line of log."""

    level: Level
    message: Annotated[str, Meta(max_length=MAX_LOG_MESSAGE)]
    emoji: str | None = None
    source: str | None = None
    fields: dict[str, Any] | None = None


class ProjectCompleted(Message, tag="project_completed"):
    """A project ended well."""

    url: str | None = None
    completion_url: str | None = None
    deployment_url: str | None = None
    message: str | None = None
    duration_seconds: Seconds | None = None


class ProjectError(Message, tag="project_error"):
    """A project failed, or met an error it survives (`fatal` false)."""

    error: str
    code: str | None = None
    fatal: bool = True


Event = (
    ProjectStarted
    | ProjectProgress
    | AgentStatusUpdate
    | WorkflowStageUpdate
    | WorkflowLog
    | ProjectCompleted
    | ProjectError
)
"""The seven messages that workers publish and the log keeps."""

TYPES: dict[str, type[Event]] = {str(kind.__struct_config__.tag): kind for kind in get_args(Event)}
"""Each event's class by what stands in `type`."""


class Notice(Struct, tag_field="type", tag="notice", kw_only=True, omit_defaults=True):
    """What the relay tells modern viewers beside the log; legacy viewers never get one."""

    code: str
    project_id: str | None = None
    detail: str | None = None
    cursor: str | None = None
    data: dict[str, Any] | None = None
