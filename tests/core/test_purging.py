from collections.abc import Sequence
from typing import Any

import pytest

from relayd.core.project import fold
from relayd.core.purging import anew, scrub
from relayd.core.snapshot import Snapshot
from relayd.core.staging import entry
from relayd.core.timeline import Entry
from relayd.protocol.messages import (
    AgentStatusUpdate,
    Message,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowLog,
    WorkflowStageUpdate,
)
from tests.core.words import NOW, PROJECT, at, place

BIRD = "kanarienvogel " * 200
"""Longer than anything that a state keeps of a text."""
SAID: dict[str, Any] = {"project_id": PROJECT, "timestamp": NOW}


def swarm(text: str) -> list[Message]:
    """Return a message of each kind that says the text wherever it can."""
    return [
        ProjectStarted(**SAID, owner="ada", team="blue", name=text, description=text, project_type=text),
        AgentStatusUpdate(**SAID, agent="coder", status="working", progress=1, task=text),
        WorkflowStageUpdate(**SAID, stage=text[:200], message=text),
        ProjectProgress(
            **SAID,
            progress=40,
            message=text,
            stage=text,
            agent="coder",
            usage={text[:100]: 3, "tokens": 2, "model": text[:100], "input_tokens": 3},
        ),
        WorkflowLog(**SAID, level="warning", message=text, fields={"note": {"deep": text}}),
        ProjectError(**SAID, error=text, code=text, fatal=False),
        ProjectCompleted(**SAID, message=text, url=text[:1_500]),
    ]


def folded(messages: Sequence[Message]) -> tuple[Snapshot, list[Entry]]:
    """Return the state of a project that said these, one second after the other, and the entries."""
    state = Snapshot(project_id=PROJECT)
    entries = [entry(place(number), str(at(number)), NOW + number, message) for number, message in enumerate(messages)]
    for message, one in zip(messages, entries, strict=True):
        fold(state, message, one.received_at)
    return state, entries


@pytest.mark.parametrize("text", [BIRD, "kanarienvogel"])
def test_no_text_of_the_events_stays(text: str) -> None:
    """Neither whole nor cut, and who may see it stays decided."""
    state, entries = folded(swarm(text))
    scrub(state, entries)
    assert "kanarienvogel" not in repr(state)
    assert ("ada", "blue", {}, {}, {}) == (state.owner, state.team, state.counts, state.usage, state.spent)
    assert ("completed", 100) == (state.status, state.progress)


@pytest.mark.parametrize("kind", range(7))
def test_what_the_others_said_stays(kind: int) -> None:
    """One of seven is taken back: of the other six nothing is missing that it had not said, too."""
    mixed = [*swarm("sparrow")[:kind], swarm("kanarienvogel")[kind], *swarm("sparrow")[kind + 1 :]]
    state, entries = folded(mixed)
    scrub(state, entries[kind : kind + 1])
    assert "kanarienvogel" not in repr(state)
    assert 6 == sum(state.counts.values())
    without, _ = folded([*mixed[:kind], *mixed[kind + 1 :]])
    assert without.counts == state.counts
    assert {name: float(total) for name, total in without.usage.items()} == state.usage
    assert without.spent == state.spent
    assert without.errors == state.errors
    assert without.warnings == state.warnings
    assert without.agents.keys() == state.agents.keys()


def test_an_agent_that_has_spoken_since_keeps_its_card() -> None:
    """What was removed is not what the card shows."""
    first, second = (
        AgentStatusUpdate(**SAID, agent="coder", status="working", progress=number, task=text)
        for number, text in ((1, "kanarienvogel"), (2, "sparrow"))
    )
    state, entries = folded([first, second])
    scrub(state, entries[:1])
    assert "sparrow" == state.agents["coder"].task
    scrub(state, entries[1:])
    assert {} == state.agents


def test_a_task_that_another_event_names_is_taken_from_the_card() -> None:
    """A text that is removed stays nowhere."""
    card = AgentStatusUpdate(**SAID, agent="coder", status="working", progress=1, task="kanarienvogel")
    state, entries = folded([card, WorkflowLog(**SAID, level="info", message="kanarienvogel")])
    scrub(state, entries[1:])
    assert state.agents["coder"].task is None


def test_numbers_that_several_named_stay_with_the_others() -> None:
    """A name that nobody else used goes with its number; what is no number was never counted."""
    one = ProjectProgress(**SAID, progress=1, message="a", usage={"tokens": 5, "own": 1, "words": "many"})
    two = ProjectProgress(**SAID, progress=1, message="b", usage={"tokens": 7})
    state, entries = folded([one, two])
    scrub(state, entries[:1])
    assert {"tokens": 7} == state.usage


def test_of_a_project_who_may_see_it_is_left() -> None:
    """And when it last spoke, and where."""
    state, _ = folded(swarm("kanarienvogel"))
    state.cursor = str(at(6))
    left = anew(state)
    assert "kanarienvogel" not in repr(left)
    assert (
        Snapshot(project_id=PROJECT, owner="ada", team="blue", updated_at=state.updated_at, cursor=str(at(6))) == left
    )
