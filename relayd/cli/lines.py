"""
Messages as lines for people: what is said, apart from how it is drawn.

Law: a message is one line and nothing but a line.  Control characters are spelt out, because a stranger's text in a
terminal could otherwise move the cursor, forge lines or worse.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from relayd.client.frames import Foreign, Heard
from relayd.protocol.messages import (
    AgentStatusUpdate,
    ConnectionEstablished,
    Notice,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowLog,
    WorkflowStageUpdate,
)
from relayd.telemetry.redaction import escape

__all__ = ["Line", "is_figures", "line_of", "plain", "stamp"]

GAP = "events are missing here: the place to resume from is no longer kept, or is of another log"


FIGURES = frozenset({"SPENDING", "BUDGET"})


class Line(Struct, frozen=True):
    """What a message says, a word of its kind, and when."""

    when: float | None
    """Producer's clock, Unix seconds; None for what is not in the log."""
    kind: str
    text: str


def is_figures(message: Heard) -> bool:
    """Return whether a message holds numbers for machines; what people must know comes as a line of log, too."""
    return isinstance(message, Notice) and message.code in FIGURES


def line_of(message: Heard) -> Line:
    """Return what a message says to a person."""
    if isinstance(message, Foreign):
        return Line(
            None, "unknown", escape(f"{message.type}: this version of relayd can't read it; see it with --json")
        )
    kind, text = WORDS[type(message)](message)
    when = None if isinstance(message, Notice | ConnectionEstablished) else message.timestamp
    return Line(when, kind, escape(text))


def plain(line: Line) -> str:
    """Return a line without colours, its time in UTC."""
    return f"{stamp(line.when):<24}  {line.kind:<9}  {line.text}"


def stamp(when: float | None) -> str:
    """Return a time as ISO 8601, `-` for none."""
    if when is None:
        return "-"
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number(value: float) -> str:
    """Return a percentage without needless digits."""
    return f"{value:.1f}".removesuffix(".0") + "%"


def established(message: ConnectionEstablished) -> tuple[str, str]:
    """Say whether the past is whole."""
    if message.replay == "gap":
        return "GAP", GAP + state(message.snapshot or {})
    return "connected", ("nothing was missed" if message.recovered else message.message) + state(message.snapshot or {})


def state(snapshot: dict[str, Any]) -> str:
    """Return where a project stands, empty when nothing is known of it."""
    if "status" not in snapshot:
        return ""
    return f" ({snapshot['status']}, {number(float(snapshot.get('progress', 0)))})"


def started(message: ProjectStarted) -> tuple[str, str]:
    """Say what began."""
    return "started", " - ".join(part for part in (message.name or message.project_id, message.description) if part)


def progressed(message: ProjectProgress) -> tuple[str, str]:
    """Say how far it is."""
    return "progress", f"{number(message.progress)} - {message.message}"


def agent_moved(message: AgentStatusUpdate) -> tuple[str, str]:
    """Say what an agent does."""
    details = " - ".join(part for part in (message.task, message.activity) if part)
    return "agent", f"{message.agent}: {message.status} {number(message.progress)}" + (
        f" - {details}" if details else ""
    )


def staged(message: WorkflowStageUpdate) -> tuple[str, str]:
    """Say which stage it is."""
    return "stage", f"{message.stage}: {message.message}" + (f" ({message.status})" if message.status else "")


def logged(message: WorkflowLog) -> tuple[str, str]:
    """Say what was logged."""
    head = " ".join(part for part in (f"[{message.agent}]" if message.agent else "", message.emoji) if part)
    return message.level, f"{head} {message.message}".lstrip()


def completed(message: ProjectCompleted) -> tuple[str, str]:
    """Say where the work can be seen."""
    url = message.completion_url or message.deployment_url or message.url
    took = f"after {message.duration_seconds:.0f} s" if message.duration_seconds is not None else None
    return "completed", " - ".join(part for part in (message.message, took, url) if part) or "done"


def failed(message: ProjectError) -> tuple[str, str]:
    """Say what went wrong."""
    return "failed" if message.fatal else "error", message.error + (f" ({message.code})" if message.code else "")


def noticed(message: Notice) -> tuple[str, str]:
    """Say what the relay says of itself."""
    return "notice", f"{message.code}: {message.detail}" if message.detail else message.code


WORDS: dict[type, Callable[[Any], tuple[str, str]]] = {
    AgentStatusUpdate: agent_moved,
    ConnectionEstablished: established,
    Notice: noticed,
    ProjectCompleted: completed,
    ProjectError: failed,
    ProjectProgress: progressed,
    ProjectStarted: started,
    WorkflowLog: logged,
    WorkflowStageUpdate: staged,
}
