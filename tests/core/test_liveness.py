"""How agents seem to be, over made-up and over random histories."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.liveness import SPOKEN, STATES, Liveness, State, Thresholds, judge_all
from relayd.core.project import fold
from relayd.core.snapshot import Agent, Snapshot, read
from relayd.protocol.messages import (
    DERIVED,
    AgentStatusUpdate,
    Message,
    ProjectCompleted,
    ProjectStarted,
    WorkflowLog,
    WorkflowStageUpdate,
)
from tests.core.words import PROJECT
from tests.protocol.strategies import quick

BEGAN = 1_000.0
NORMAL = Thresholds()
WORSE = {state: rank for rank, state in enumerate(("working", "quiet", "maybe_stuck", "lost"))} | {"waiting_on_tool": 1}
"""How bad a state looks; waiting for a person is none of them."""

Kind = Literal[
    "heartbeat", "progress", "task", "think", "tool", "ask", "wait", "rest", "log", "stage", "end", "nothing"
]
WORK: tuple[Kind, ...] = ("progress", "task", "think", "tool", "log", "stage")


class Swarm:
    """One agent, and the clock."""

    def __init__(self) -> None:
        """Begin with an agent that has just said that it works."""
        self.now = BEGAN
        self.state = Snapshot(project_id=PROJECT)
        self.card: dict[str, Any] = {"status": "working", "progress": 0, "task": "cart", "activity": None}
        self.says(ProjectStarted(project_id=PROJECT, timestamp=1.0))
        self.does("heartbeat")

    def says(self, message: Message) -> None:
        """Fold a message as it comes now."""
        fold(self.state, message, self.now)

    def does(self, kind: Kind, *, after: float = 0.0) -> "Swarm":
        """Let the agent do something, after a while; "heartbeat" repeats what it said last."""
        self.now += after
        what: dict[str, Any] = {"project_id": PROJECT, "timestamp": 1.0, "agent": "coder"}
        if kind == "log":
            self.says(WorkflowLog(**what, level="info", message="compiled"))
        elif kind == "stage":
            self.says(WorkflowStageUpdate(**what, stage="testing", message="runs"))
        elif kind != "nothing":
            self.card |= self._changes(kind)
            self.says(AgentStatusUpdate(**what, **self.card))
        return self

    def _changes(self, kind: Kind) -> dict[str, Any]:
        match kind:
            case "progress":
                return {"progress": (self.card["progress"] + 1) % 100}
            case "task":
                return {"task": f"{self.now}"}
            case "think" | "tool" | "ask" | "wait":
                names = {"think": "thinking", "tool": "using_tool", "ask": "waiting_for_human", "wait": "waiting"}
                # Something is new in any case, so that it is evidence.
                return {"status": "working", "activity": names[kind], "task": f"{self.now}"}
            case "rest":
                return {"status": "idle", "activity": None}
            case "end":
                return {"status": "completed", "activity": None}
        return {}

    def seems(self, *, after: float = 0.0, thresholds: Thresholds = NORMAL) -> Liveness:
        """Return how the agent seems to be, after so many seconds of silence."""
        return self.judged(after=after, thresholds=thresholds)["coder"]

    def judged(self, *, after: float = 0.0, thresholds: Thresholds = NORMAL) -> dict[str, Liveness]:
        """Return the same for all who are judged."""
        now = self.now + after
        return judge_all(self.state, lambda stamp: now - stamp, thresholds)

    def beats(self, seconds: float, *, every: float = 10.0) -> "Swarm":
        """Let only heartbeats come for a while."""
        for _ in range(int(seconds / every)):
            self.does("heartbeat", after=every)
        return self


def course(swarm: Swarm, seconds: Sequence[float]) -> list[State]:
    """Return how the agent seems after so many seconds of silence."""
    return [swarm.seems(after=after).state for after in seconds]


def test_one_who_falls_silent_goes_through_it_all() -> None:
    """From working to lost, each at its threshold and not a moment earlier."""
    states = course(Swarm().does("progress"), [0, 29.9, 30, 299.9, 300, 899.9, 900, 1e9])
    assert ["working", "working", "quiet", "quiet", "maybe_stuck", "maybe_stuck", "lost", "lost"] == states


def test_heartbeats_are_no_work() -> None:
    """It seems stuck however lively it repeats itself, and never lost."""
    swarm = Swarm().does("progress").beats(3_600)
    seems = swarm.seems(after=5)
    assert ("maybe_stuck", 3_605) == (seems.state, seems.idle_seconds)
    assert "no sign of work since: progress 0 → 1; signs of life go on" == seems.reason
    assert "no sign of life either" in Swarm().does("progress").seems(after=500).reason


def test_an_open_tool_may_take_long() -> None:
    """Half an hour without a word, and then as long as anybody until it is lost."""
    states = course(Swarm().does("tool"), [0, 30, 1_799, 1_800, 2_399, 2_400])
    assert ["working", "waiting_on_tool", "waiting_on_tool", "maybe_stuck", "maybe_stuck", "lost"] == states
    assert "a tool is open for longer than most" in Swarm().does("tool").seems(after=2_000).reason


@pytest.mark.parametrize("status", ["working", "idle"])
def test_who_waits_for_a_person_waits(status: str) -> None:
    """For a year if need be; some call that idle."""
    swarm = Swarm().does("ask")
    swarm.card["status"] = status
    seems = swarm.does("heartbeat").seems(after=31_536_000)
    assert ("waiting_for_human", "it says that it waits for a person") == (seems.state, seems.reason)


def test_who_waits_for_something_else_is_quiet_for_ever() -> None:
    """It said so; there is no telling for how long."""
    assert ["quiet", "quiet"] == course(Swarm().does("wait"), [0, 31_536_000])


@pytest.mark.parametrize("kind", ["rest", "end"])
def test_who_need_not_work_is_not_judged(kind: Kind) -> None:
    """Idle, completed and failed are plain words."""
    assert {} == Swarm().does(kind).judged(after=5_000)


def test_with_its_project_everybody_has_ended() -> None:
    """Nobody hangs for ever in a project that is over."""
    swarm = Swarm()
    swarm.says(ProjectCompleted(project_id=PROJECT, timestamp=1.0))
    assert {} == swarm.judged(after=5_000)


def test_what_an_older_journal_kept_is_judged_by_its_last_word() -> None:
    """It knows of no evidence; a heartbeat that comes now does not become one."""
    swarm = Swarm()
    swarm.state.agents["coder"] = Agent("working", 0, BEGAN, "cart")
    assert ("working", "its last status") == (swarm.seems(after=5).state, swarm.seems(after=5).evidence)
    swarm.does("heartbeat", after=500)
    assert ("maybe_stuck", 500) == (swarm.seems().state, swarm.seems().idle_seconds)


def test_work_of_others_is_no_work_of_its_own() -> None:
    """A line that names nobody, or somebody who has no card, is nobody's evidence."""
    swarm = Swarm().does("nothing", after=400)
    for agent in (None, "stranger"):
        swarm.says(WorkflowLog(project_id=PROJECT, timestamp=1.0, level="info", message="x", agent=agent))
    assert "maybe_stuck" == swarm.seems().state
    assert ["coder"] == list(swarm.state.agents)


def test_viewers_without_liveness_are_told_what_no_agent_says() -> None:
    """Each derived state as an activity of that name, and no other."""
    assert DERIVED == SPOKEN.keys() == set(SPOKEN.values())
    assert {"working", "waiting_for_human"} == set(STATES) - SPOKEN.keys()


def test_what_viewers_get_is_short() -> None:
    """The one number with a tenth of a second."""
    seems = Swarm().does("log").seems(after=40.06)
    assert {
        "state": "quiet",
        "idle_seconds": 40.1,
        "evidence": "a line of log",
        "reason": "no sign of work since: a line of log",
    } == seems.as_dict()


# -- over random histories ---------------------------------------------------------------------------------------

KINDS: tuple[Kind, ...] = (*WORK, "heartbeat", "ask", "wait", "rest", "end", "nothing")
HISTORIES = st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0, 3_000)), max_size=15)
SILENCES = st.floats(0, 1e7)


@st.composite
def thresholds(draw: st.DrawFn) -> Thresholds:
    """Return what a configuration may set."""
    quiet, stuck, tool, lost, end = (draw(st.floats(1, 5_000)) for _ in range(5))
    return Thresholds(
        quiet=quiet, stuck=quiet + stuck, tool=quiet + stuck + tool, lost=quiet + stuck + lost, end=quiet + stuck + end
    )


def lived(history: list[tuple[Kind, float]]) -> Swarm:
    """Return a swarm with a history."""
    swarm = Swarm()
    for kind, after in history:
        swarm.does(kind, after=after)
    return swarm


@quick
@given(HISTORIES, SILENCES, thresholds())
def test_it_can_always_be_told(history: list[tuple[Kind, float]], silence: float, bounds: Thresholds) -> None:
    """Whatever has happened: one of six states, a reason, and seconds that are not negative."""
    for seems in lived(history).judged(after=silence, thresholds=bounds).values():
        assert seems.state in STATES
        assert seems.reason
        assert seems.idle_seconds >= 0


@quick
@given(HISTORIES, SILENCES, SILENCES, thresholds())
def test_more_silence_never_looks_better(
    history: list[tuple[Kind, float]], silence: float, more: float, bounds: Thresholds
) -> None:
    """And the state is the same for all who ask at the same moment."""
    swarm = lived(history)
    if swarm.judged():
        sooner = swarm.seems(after=silence, thresholds=bounds)
        later = swarm.seems(after=silence + more, thresholds=bounds)
        assert WORSE.get(later.state, 0) >= WORSE.get(sooner.state, 0)
        assert later.idle_seconds >= sooner.idle_seconds


@quick
@given(HISTORIES, SILENCES, thresholds())
def test_waiting_for_a_person_never_decays(
    history: list[tuple[Kind, float]], silence: float, bounds: Thresholds
) -> None:
    """Whatever came before, and whatever repeats itself or is logged meanwhile."""
    swarm = lived([*history, ("ask", 0.0)])
    assert "waiting_for_human" == swarm.seems(after=silence, thresholds=bounds).state
    swarm.does("log", after=silence).does("heartbeat", after=silence)
    assert "waiting_for_human" == swarm.seems(after=silence, thresholds=bounds).state


@quick
@given(HISTORIES, st.sampled_from(["progress", "task", "think", "tool", "log", "stage"]), SILENCES, thresholds())
def test_any_evidence_of_work_makes_all_well(
    history: list[tuple[Kind, float]], kind: Kind, silence: float, bounds: Thresholds
) -> None:
    """At once, by itself, however bad it looked."""
    swarm = lived([*history, ("think", 0.0)]).does("nothing", after=silence).does(kind)
    assert ("working", 0) == (
        swarm.seems(thresholds=bounds).state,
        swarm.seems(thresholds=bounds).idle_seconds,
    )


@quick
@given(HISTORIES, SILENCES, thresholds())
def test_an_open_tool_is_borne_up_to_its_own_limit(
    history: list[tuple[Kind, float]], silence: float, bounds: Thresholds
) -> None:
    """Before it nobody is called stuck, let alone lost."""
    swarm = lived([*history, ("tool", 0.0)])
    seems = swarm.seems(after=silence, thresholds=bounds)
    assert (seems.idle_seconds >= bounds.tool) == (seems.state in {"maybe_stuck", "lost"})


@quick
@given(HISTORIES, st.integers(1, 30), st.floats(1, 500), thresholds())
def test_heartbeats_never_count_as_work(
    history: list[tuple[Kind, float]], beats: int, every: float, bounds: Thresholds
) -> None:
    """With or without them it has been idle for the same time; they only keep it from being called lost."""
    one, other = lived([*history, ("think", 0.0)]), lived([*history, ("think", 0.0)])
    one.beats(beats * every, every=every)
    silent = other.does("nothing", after=one.now - other.now).seems(thresholds=bounds)
    beating = one.seems(thresholds=bounds)
    assert silent.idle_seconds == beating.idle_seconds
    assert silent.evidence == beating.evidence
    if silent.state != "lost":
        assert silent.state == beating.state
    assert "lost" != beating.state


@quick
@given(HISTORIES, SILENCES)
def test_a_judgement_is_the_same_after_the_journal(history: list[tuple[Kind, float]], silence: float) -> None:
    """It keeps evidence only, and that is all that is needed."""
    swarm = lived(history)
    before = swarm.judged(after=silence)
    kept = msgspec.json.encode(swarm.state)
    assert b"idle_seconds" not in kept
    swarm.state = read(kept)
    assert before == swarm.judged(after=silence)
