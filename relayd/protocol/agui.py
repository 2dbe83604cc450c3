"""
Our messages as events of AG-UI 1.0, for viewers that speak it.

Law 1: what a message becomes follows from the message alone, so that one set of bytes is good for all who read it.
Law 2: before and behind each message a run is active, and no step, text or tool is open: whoever comes in between, or
resumes, finds everything begun that goes on.  AG-UI allows nothing outside of a run, so the next one begins at once.
Law 3: a patch of the state sets what it names, whatever was there: none can fail.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from relayd.protocol import codec
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

__all__ = ["begin", "say", "translate"]

VERSION = "1.0"
Told = dict[str, Any]

ENCODER = msgspec.json.Encoder()
DECODER: msgspec.json.Decoder[Told] = msgspec.json.Decoder(Told)


def begin(project_id: str) -> bytes:
    """Return the event that everything else comes behind."""
    return ENCODER.encode(run_started(project_id))


def translate(payload: bytes) -> list[bytes]:
    """Return the events that an encoded message of the log becomes; the first holds it whole, as `rawEvent`."""
    message = codec.decode_event(payload)
    told = SAYS[type(message)](message)
    told[0]["rawEvent"] = Raw(payload)
    moment = int(message.timestamp * 1_000)
    return [ENCODER.encode({**event, "timestamp": moment}) for event in told]


def say(payload: bytes) -> list[bytes]:
    """Return the events that something becomes which is not in the log: an opening with its state, a line, a notice."""
    said = DECODER.decode(payload)
    if said["type"] in TYPES:
        return translate(payload)
    if said["type"] != "connection_established":
        return [ENCODER.encode(custom("notice", said))]
    state = {"status": "initializing", "progress": 0, "agents": {}, **(said.pop("snapshot", None) or {})}
    snapshot = {"type": "STATE_SNAPSHOT", "snapshot": {"project_id": said["project_id"], **state}}
    return [ENCODER.encode(custom("connection_established", said)), ENCODER.encode(snapshot)]


def run_started(project_id: str) -> Told:
    """Return the beginning of a run: a project is a thread, and goes by the same name as its run."""
    return {"type": "RUN_STARTED", "threadId": project_id, "runId": project_id, "protocolVersion": VERSION}


def custom(name: str, value: object) -> Told:
    """Return an event of ours, for which AG-UI has none."""
    return {"type": "CUSTOM", "name": name, "value": value}


def patch(**fields: object) -> Told:
    """Return a change of the state; what was not said is left as it is."""
    return {
        "type": "STATE_DELTA",
        "delta": [added(f"/{name}", value) for name, value in fields.items() if value is not None],
    }


def added(path: str, value: object) -> Told:
    """Return an operation that sets a member of an object, whether it is there or not (RFC 6902 4.1)."""
    return {"op": "add", "path": path, "value": value}


def started(message: ProjectStarted) -> list[Told]:
    """Begin the state anew, as the snapshot does."""
    told = patch(
        status="in_progress",
        progress=0,
        agents={},
        stages_completed=[],
        started_at=message.timestamp,
        name=message.name,
        description=message.description,
        project_type=message.project_type,
        estimated_duration_seconds=message.estimated_duration_seconds,
    )
    told["delta"] += [added(f"/{name}", None) for name in ("stage", "message", "completed_at")]
    return [told]


def progressed(message: ProjectProgress) -> list[Told]:
    """Tell how far it is."""
    return [patch(progress=message.progress, message=message.message, stage=message.stage)]


def agent_moved(message: AgentStatusUpdate) -> list[Told]:
    """Replace the agent's entry."""
    name = message.agent.replace("~", "~0").replace("/", "~1")
    agent = {
        "status": message.status,
        "progress": message.progress,
        "last_seen": message.received_at,
        "task": message.task,
        "activity": message.activity,
    }
    value = {field: value for field, value in agent.items() if value is not None}
    return [{"type": "STATE_DELTA", "delta": [added(f"/agents/{name}", value)]}]


def staged(message: WorkflowStageUpdate) -> list[Told]:
    """Tell a step once it is done: one that began before somebody came could not end.  Until then the state has it."""
    if message.status == "completed":
        step = {"stepName": message.stage}
        return [patch(message=message.message), {"type": "STEP_STARTED", **step}, {"type": "STEP_FINISHED", **step}]
    return [patch(message=message.message, stage=message.stage if message.status in {None, "running"} else None)]


def logged(message: WorkflowLog) -> list[Told]:
    """Tell a line as a text of whoever said it."""
    text = {"messageId": message.id}
    speaker = message.agent or message.source
    begin_text = {"type": "TEXT_MESSAGE_START", **text, "role": "assistant", **({"name": speaker} if speaker else {})}
    # Clients of before version 1.0 refuse a piece without a letter in it.
    content = [{"type": "TEXT_MESSAGE_CONTENT", **text, "delta": message.message}] if message.message else []
    return [begin_text, *content, {"type": "TEXT_MESSAGE_END", **text}]


def completed(message: ProjectCompleted) -> list[Told]:
    """End the run well."""
    run = {"threadId": message.project_id, "runId": message.project_id}
    return [
        patch(status="completed", progress=100, completed_at=message.timestamp, message=message.message),
        {"type": "RUN_FINISHED", **run, "outcome": {"type": "success"}},
        run_started(message.project_id),
    ]


def erred(message: ProjectError) -> list[Told]:
    """End the run badly; an error that the project survives ends nothing."""
    code = {"code": message.code} if message.code else {}
    if not message.fatal:
        return [custom("project_error", {"error": message.error, **code})]
    return [
        patch(status="failed", completed_at=message.timestamp, message=message.error),
        {"type": "RUN_ERROR", "message": message.error, **code},
        run_started(message.project_id),
    ]


SAYS: dict[type[Event], Callable[[Any], list[Told]]] = {
    ProjectStarted: started,
    ProjectProgress: progressed,
    AgentStatusUpdate: agent_moved,
    WorkflowStageUpdate: staged,
    WorkflowLog: logged,
    ProjectCompleted: completed,
    ProjectError: erred,
}
