"""
What counts as a sign that an agent works.

Law 1: a repeat of what was known already is a sign of life and no more.  Whoever says the same thing every ten seconds
       may hang all the while: the thread that says it is not the one that works.
Law 2: evidence is told in words of our own; no text of an event stands in it, for it outlives the event.
"""

from relayd.core.snapshot import MAX_TASK, MAX_TEXT, Agent, Snapshot
from relayd.protocol.messages import (
    AgentStatusUpdate,
    Message,
    ProjectError,
    ProjectProgress,
    WorkflowLog,
    WorkflowStageUpdate,
)

__all__ = ["work_in"]

LINES = {WorkflowLog: "a line of log", WorkflowStageUpdate: "a stage's update", ProjectError: "an error"}
"""Messages that say something new whatever stands in them."""


def work_in(message: Message, card: Agent | None, state: Snapshot) -> str | None:
    """Return how a message shows that its agent works, in a few words; None if it does not.  `state` is that before."""
    told = LINES.get(type(message))
    if told is not None:
        return told
    if isinstance(message, AgentStatusUpdate):
        told = "its first status" if card is None else changed(message, card)
    elif isinstance(message, ProjectProgress):
        # The state holds the beginning of a long text only.
        moved = (message.progress, message.message[:MAX_TEXT]) != (state.progress, state.message)
        told = "the project's progress" if moved else None
    return told or (used(message) if message.usage else None)


def changed(message: AgentStatusUpdate, card: Agent) -> str | None:
    """Return what an update says that the card did not."""
    if message.status != card.status:
        return f"{card.status} → {message.status}"
    if message.activity != card.activity:
        return f"{spelled(card.activity)} → {spelled(message.activity)}"
    if message.progress != card.progress:
        return f"progress {card.progress:g} → {message.progress:g}"
    # The card holds the beginning of a long task only.
    return "another task" if (message.task or "")[:MAX_TASK] != (card.task or "") else None


def spelled(activity: str | None) -> str:
    """Return an activity for people."""
    return "working" if activity is None else activity.replace("_", " ")


def used(message: Message) -> str | None:
    """Return that something was used up: who spends tokens works, even if nothing else has changed."""
    values = (message.usage or {}).values()
    spent = any(isinstance(value, int | float) and not isinstance(value, bool) and value > 0 for value in values)
    return "usage" if spent else None
