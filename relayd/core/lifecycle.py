"""
What is missing in a project's life: a start, an end, the end of an agent.

Events get lost, and workers die without a last word; then a project would run for ever.  What follows from the rest is
said beside the log, marked `synthetic`, with its cause, and is taken back as soon as it is no longer so.
"""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from relayd.core.liveness import RUNNING, Liveness, Since, Thresholds
from relayd.core.snapshot import Snapshot

__all__ = ["Missing", "missing"]


class Missing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that should have been said."""

    what: Literal["start", "end", "agent"]
    """`agent`: the end of one agent, which `agent` names."""
    cause: Literal["not_seen", "agents_lost", "silent", "project_completed", "project_failed"]
    agent: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for viewers."""
        plain = {"what": self.what, "cause": self.cause, "synthetic": True}
        return plain if self.agent is None else {**plain, "agent": self.agent}


def missing(state: Snapshot, judged: Mapping[str, Liveness], since: Since, thresholds: Thresholds) -> list[Missing]:
    """Return what is missing in a project whose agents were judged so."""
    if not state.counts:
        # Nothing is known of it at all.
        return []
    found = [] if state.counts.get("project_started") else [Missing(what="start", cause="not_seen")]
    if state.status in RUNNING:
        cause = no_end(judged, since(state.updated_at), thresholds)
        return found if cause is None else [*found, Missing(what="end", cause=cause)]
    ended = [name for name, agent in state.agents.items() if agent.status == "working"]
    cause_of_all: Literal["project_completed", "project_failed"] = (
        "project_failed" if state.status == "failed" else "project_completed"
    )
    return [*found, *(Missing(what="agent", cause=cause_of_all, agent=name) for name in ended)]


def no_end(
    judged: Mapping[str, Liveness], silent: float, thresholds: Thresholds
) -> Literal["agents_lost", "silent"] | None:
    """Return why a project that runs seems to have ended without a word, None if it does not."""
    states = {liveness.state for liveness in judged.values()}
    if "waiting_for_human" in states:
        # A person may take the weekend.
        return None
    if silent >= thresholds.end:
        return "silent"
    # Somebody who gave no name may still speak for the project.
    return "agents_lost" if states == {"lost"} and silent >= thresholds.lost else None
