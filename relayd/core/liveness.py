"""
How an agent seems to be: derived once, here, from evidence of work.

Law 1: a heartbeat is a sign of life and never one of work.
Law 2: waiting for a person never decays, however long it takes.
Law 3: an open tool raises what is borne; whoever runs tests for twenty minutes is not stuck.
Law 4: more silence never looks better, and any evidence of work makes all well at once.
Law 5: this tells and never acts, and says no more than is known: `maybe`.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

from msgspec import Struct

from relayd.core.snapshot import Agent, Snapshot
from relayd.protocol.messages import Seeming

__all__ = ["RUNNING", "SPOKEN", "STATES", "Liveness", "Since", "State", "Thresholds", "judge", "judge_all"]

State = Literal["working", "waiting_for_human", "waiting_on_tool", "quiet", "maybe_stuck", "lost"]

STATES: tuple[State, ...] = get_args(State)

SPOKEN: dict[State, Seeming] = {
    "waiting_on_tool": "waiting_on_tool",
    "quiet": "quiet",
    "maybe_stuck": "maybe_stuck",
    "lost": "lost",
}
"""What legacy viewers, which read no liveness, are told as an activity: what the agent itself did not say."""

RUNNING = frozenset({"initializing", "in_progress", "paused"})
"""Statuses of a project whose agents may still be at work."""

Since = Callable[[float], float]
"""For how many seconds there was silence since a time of the relay's clock, in Unix seconds."""


class Thresholds(Struct, frozen=True, kw_only=True):
    """Seconds of silence and what they mean."""

    quiet: float = 30
    """Without a sign of work: `quiet`, or `waiting_on_tool` while a tool is open."""
    stuck: float = 300
    """Without a sign of work: `maybe_stuck`."""
    tool: float = 1_800
    """The same while a tool is open."""
    lost: float = 900
    """Without any sign of life: `lost`; while a tool is open, later by as much as `tool` is above `stuck`."""
    end: float = 21_600
    """Of a whole project: its end is missing."""


class Liveness(Struct, frozen=True, kw_only=True):
    """What is known of an agent that should be at work."""

    state: State
    idle_seconds: float
    """Since the last evidence of work; the only number, so that no two can differ."""
    evidence: str
    """What that was."""
    reason: str
    """Why this state, in one sentence without numbers that grow old."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for viewers."""
        return {
            "state": self.state,
            "idle_seconds": round(self.idle_seconds, 1),
            "evidence": self.evidence,
            "reason": self.reason,
        }


def judge_all(state: Snapshot, since: Since, thresholds: Thresholds) -> dict[str, Liveness]:
    """Return how the agents of a project seem to be that should be at work; none of a project that has ended."""
    if state.status not in RUNNING:
        return {}
    judged: dict[str, Liveness] = {}
    for name, agent in state.agents.items():
        if agent.status == "working" or waits(agent):
            # What an older journal kept knows no evidence: its last word has to do.
            worked_at = agent.worked_at or agent.last_seen
            idle = since(worked_at)
            silent = idle if agent.last_seen <= worked_at else since(agent.last_seen)
            judged[name] = judge(agent, idle=idle, silent=silent, thresholds=thresholds)
    return judged


def waits(agent: Agent) -> bool:
    """Tell whether an agent waits for a person; some call that idle."""
    return agent.activity == "waiting_for_human" and agent.status in {"working", "idle"}


def judge(agent: Agent, *, idle: float, silent: float, thresholds: Thresholds) -> Liveness:
    """Return how an agent seems to be after so many seconds without a sign of work, and without one of life."""
    evidence = agent.evidence or "its last status"
    state, reason = verdict(agent, evidence, idle=idle, silent=silent, thresholds=thresholds)
    return Liveness(state=state, idle_seconds=idle, evidence=evidence, reason=reason)


def verdict(agent: Agent, evidence: str, *, idle: float, silent: float, thresholds: Thresholds) -> tuple[State, str]:
    """Return the state and the sentence for it."""
    if waits(agent):
        return "waiting_for_human", "it says that it waits for a person"
    if agent.activity == "waiting":
        return "quiet", "it says that it waits"
    tool = agent.activity == "using_tool"
    return by_silence(evidence, tool=tool, idle=idle, silent=silent, thresholds=thresholds)


def by_silence(evidence: str, *, tool: bool, idle: float, silent: float, thresholds: Thresholds) -> tuple[State, str]:
    """Return the same for one that does not say that it waits; `tool` is open, or not."""
    stuck = thresholds.tool if tool else thresholds.stuck
    if silent >= thresholds.lost + stuck - thresholds.stuck:
        return "lost", f"no sign of life any more; last sign of work: {evidence}"
    if idle >= stuck:
        long = "a tool is open for longer than most; " if tool else ""
        life = "signs of life go on" if silent < thresholds.stuck else "no sign of life either"
        return "maybe_stuck", f"{long}no sign of work since: {evidence}; {life}"
    if idle >= thresholds.quiet:
        if tool:
            return "waiting_on_tool", f"a tool is open, which may take long; last sign of work: {evidence}"
        return "quiet", f"no sign of work since: {evidence}"
    return "working", f"last sign of work: {evidence}"
