"""
What each event of AG-UI becomes: one row a type (events of AG-UI 1.0).

Law 1: how many messages a row says follows from the event alone; what is remembered changes their words only.
Law 2: prompts, states, histories and what providers encrypt are never told.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from relayd.dialects.agui.gathering import Kind, Run, remember
from relayd.dialects.agui.reading import MAIN, agent_of, attached, need, read_id, shortened
from relayd.dialects.agui.state import Pointer
from relayd.dialects.agui.usage import total
from relayd.dialects.values import read_name

__all__ = ["ROWS", "SILENT", "Known", "Row"]

Fields = dict[str, Any]

WAITING = 32
"""So many agents that wait for a human are told at the end of one run."""


class Known(Struct, frozen=True, kw_only=True):
    """An event together with what is known of its run."""

    event: Mapping[str, Any]
    agent: str
    run: Run
    progress: Pointer
    tool_texts: bool

    def status(self, status: str, *, agent: str = "", progress: int = 0, task: str | None = None) -> Fields:
        """Return what an agent does, the event's own unless it is another."""
        return {
            "type": "agent_status_update",
            "agent": agent or self.agent,
            "status": status,
            "progress": progress,
            "task": task,
        }

    def line(self, message: str, *, level: str = "info", **more: Any) -> Fields:  # noqa: ANN401 -- fields of a line
        """Return a line of log."""
        return {"type": "workflow_log", "level": level, "message": message, "agent": self.agent, **more}


class Row(Struct, frozen=True):
    """What an event says by itself, and which text it is a piece of, if any."""

    say: Callable[[Known], list[Fields]]
    piece: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    """Fields of a Piece but for agent and time."""
    ends_run: bool = False


def nothing(_: Known) -> list[Fields]:
    """Say nothing to viewers."""
    return []


def run_started(known: Known) -> list[Fields]:
    """Begin the project anew; what went into the run is the user's business."""
    names = {"key": "runId", "parent_id": "parentRunId", "root_id": "threadId"}
    ids = {ours: read_name(known.event.get(theirs)) for ours, theirs in names.items()}
    return [{"type": "project_started", "project_type": "ag-ui", **ids}, known.status("working", agent=MAIN)]


def run_finished(known: Known) -> list[Fields]:
    """End the project and its agent, or leave agents waiting; an outcome that is unknown is a success."""
    said = known.event.get("outcome")
    outcome = said if isinstance(said, Mapping) else {}
    kind = outcome.get("type")
    used = {"usage": total(known.event.get("usage"))}
    if kind == "interrupt":
        first, *others = waiting(known, outcome.get("interrupts"))
        return [{**first, **used}, *others]
    if kind == "cancelled":
        cancelled = {"type": "project_error", "error": "the run was cancelled", "code": "cancelled"}
        return [known.status("idle", agent=MAIN), {**cancelled, **used}]
    return [known.status("completed", agent=MAIN, progress=100), {"type": "project_completed", **used}]


def waiting(known: Known, interrupts: object) -> list[Fields]:
    """Return the agents that wait, each once, with what they wait for; at least the one that runs."""
    asked: dict[str, str | None] = {}
    for interrupt in interrupts if isinstance(interrupts, list) else ():
        if isinstance(interrupt, Mapping) and len(asked) < WAITING:
            words = next((text for name in ("message", "reason") if (text := interrupt.get(name))), None)
            asked.setdefault(agent_of(interrupt), words if isinstance(words, str) else None)
    return [
        known.status("waiting_for_human", agent=agent, task=task) for agent, task in (asked or {MAIN: None}).items()
    ]


def run_error(known: Known) -> list[Fields]:
    """End the project and its agent badly."""
    error = {"error": need(known.event, "message"), "code": known.event.get("code")}
    failed = {"type": "project_error", **error, "usage": total(known.event.get("usage"))}
    return [known.status("failed", agent=MAIN), failed]


def step(status: str) -> Callable[[Known], list[Fields]]:
    """Return a row for a stage that comes to a status."""

    def say(known: Known) -> list[Fields]:
        name = need(known.event, "stepName")
        return [
            {"type": "workflow_stage_update", "stage": name, "status": status, "message": name, "agent": known.agent}
        ]

    return say


def subagent_started(known: Known) -> list[Fields]:
    """An agent begins, or goes on after it was suspended."""
    name = need(known.event, "name")
    remember(known.run.agents, known.agent, name)
    parent = read_name(known.event.get("parentSubagentRunId"))
    return [{**known.status("working", task=name), "parent_id": parent}]


def subagent_finished(known: Known) -> list[Fields]:
    """An agent is done, or waits for what only a human can say."""
    outcome, name = known.event.get("outcome"), known.run.agents.get(known.agent)
    if isinstance(outcome, Mapping) and outcome.get("type") == "suspended":
        return [known.status("waiting_for_human", task=name)]
    return [known.status("completed", progress=100, task=name)]


def subagent_error(known: Known) -> list[Fields]:
    """An agent failed; the run may well go on without it."""
    error, name = need(known.event, "message"), known.run.agents.get(known.agent)
    return [known.status("failed", task=name), known.line(error, level="error", source=name)]


def tool_started(known: Known) -> list[Fields]:
    """An agent uses a tool."""
    name = need(known.event, "toolCallName")
    remember(known.run.tools, read_id(known.event, "toolCallId"), name)
    return [known.status("using_tool", task=name)]


def tool_chunk(known: Known) -> list[Fields]:
    """Say so where the tool is named, as in the first of the shorthand's events."""
    return tool_started(known) if known.event.get("toolCallName") is not None else []


def tool_result(known: Known) -> list[Fields]:
    """Tell what a tool answered, and that the agent goes on."""
    call = read_id(known.event, "toolCallId")
    tool = known.run.tools.get(call, "a tool")
    answer = content(known.event.get("content")) if known.tool_texts else ""
    message = f"{tool}: {shortened(answer)}" if answer else f"{tool} answered"
    return [known.line(message, source=tool, key=call or None), known.status("working")]


def content(value: object) -> str:
    """Return what can be shown of a content: texts as they are, pictures and their like by their kind."""
    if isinstance(value, str):
        return value
    parts = [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []
    return " ".join(str(part.get("text")) if part.get("type") == "text" else f"[{part.get('type')}]" for part in parts)


def progressed(progress: float | None) -> list[Fields]:
    """Tell how far the project is, if that could be found."""
    if progress is None:
        return []
    return [{"type": "project_progress", "progress": progress, "message": f"{progress:g} %"}]


def activity(known: Known) -> list[Fields]:
    """Tell an activity as it is."""
    kind, value = need(known.event, "activityType"), known.event.get("content")
    return [known.line(kind, key=read_id(known.event, "messageId") or None, source=kind, **attached("content", value))]


def custom(known: Known) -> list[Fields]:
    """Tell what an application says in its own words."""
    name = need(known.event, "name")
    return [known.line(name, source=name, **attached("value", known.event.get("value")))]


def text(kind: Kind, act: str, *, said: str = "", name: str = "messageId") -> Callable[[Mapping[str, Any]], Fields]:
    """Return the reader of a piece: whose text, what is added to it, and who says it."""

    def read(event: Mapping[str, Any]) -> Fields:
        adds = need(event, "delta") if act == "add" else event.get("delta") if act == "chunk" else ""
        source = read_id(event, said) if said else ""
        delta = adds if isinstance(adds, str) else ""
        return {"kind": kind, "act": act, "id": read_id(event, name), "delta": delta, "source": source or None}

    return read


def tool(act: str, *, said: str = "") -> Callable[[Mapping[str, Any]], Fields]:
    """Return the reader of a piece of what a tool is called with."""
    return text("tool", act, said=said, name="toolCallId")


def reasoning(act: str) -> Row:
    """Return a row for a piece of what an agent reasons."""
    return Row(nothing, text("reasoning", act))


thinks = Row(lambda known: [known.status("thinking")])
goes_on = Row(lambda known: [known.status("working")])

ROWS: dict[str, Row] = {
    "RUN_STARTED": Row(run_started, ends_run=True),
    "RUN_FINISHED": Row(run_finished, ends_run=True),
    "RUN_ERROR": Row(run_error, ends_run=True),
    "STEP_STARTED": Row(step("running")),
    "STEP_FINISHED": Row(step("completed")),
    "SUBAGENT_STARTED": Row(subagent_started),
    "SUBAGENT_FINISHED": Row(subagent_finished),
    "SUBAGENT_ERROR": Row(subagent_error),
    "TEXT_MESSAGE_START": Row(nothing, text("text", "open", said="role")),
    "TEXT_MESSAGE_CONTENT": Row(nothing, text("text", "add")),
    "TEXT_MESSAGE_END": Row(nothing, text("text", "close")),
    "TEXT_MESSAGE_CHUNK": Row(nothing, text("text", "chunk", said="role")),
    "TOOL_CALL_START": Row(tool_started, tool("open", said="toolCallName")),
    "TOOL_CALL_ARGS": Row(nothing, tool("add")),
    "TOOL_CALL_END": Row(nothing, tool("close")),
    "TOOL_CALL_CHUNK": Row(tool_chunk, tool("chunk", said="toolCallName")),
    "TOOL_CALL_RESULT": Row(tool_result),
    "STATE_SNAPSHOT": Row(lambda known: progressed(known.progress.in_snapshot(known.event.get("snapshot")))),
    "STATE_DELTA": Row(lambda known: progressed(known.progress.in_patch(known.event.get("delta")))),
    "ACTIVITY_SNAPSHOT": Row(activity),
    "CUSTOM": Row(custom),
    "REASONING_START": thinks,
    "REASONING_END": goes_on,
    "REASONING_MESSAGE_START": reasoning("open"),
    "REASONING_MESSAGE_CONTENT": reasoning("add"),
    "REASONING_MESSAGE_END": reasoning("close"),
    "REASONING_MESSAGE_CHUNK": reasoning("chunk"),
    # The names that reasoning had before version 1.0; none of them carries an id.
    "THINKING_START": thinks,
    "THINKING_END": goes_on,
    "THINKING_TEXT_MESSAGE_START": reasoning("open"),
    "THINKING_TEXT_MESSAGE_CONTENT": reasoning("add"),
    "THINKING_TEXT_MESSAGE_END": reasoning("close"),
}
"""By `type`."""

SILENT = frozenset({"MESSAGES_SNAPSHOT", "ACTIVITY_DELTA", "RAW", "REASONING_ENCRYPTED_VALUE"})
"""They take their places and nothing of them is kept, told or read: whole histories, patches, providers' own events."""
