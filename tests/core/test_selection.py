import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.selection import collapse, select
from relayd.core.timeline import Entry
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.messages import (
    LEVELS,
    TYPES,
    AgentStatusUpdate,
    Message,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowStageUpdate,
)
from tests.core.words import NOW, PROJECT, grown, line, mark, said
from tests.protocol.strategies import events, quick

WHAT: dict[str, Any] = {"project_id": PROJECT, "timestamp": NOW}


def entries_of(*messages: Message) -> list[Entry]:
    """Return messages as entries of a log."""
    body = grown().stage().add(0, mark(0), NOW, [said(message) for message in messages])
    return [entry for _, entry in body.entries]


STORY = entries_of(
    ProjectStarted(**WHAT, name="Shop"),
    line("compiling", level="info", agent="coder"),
    line("Straße", level="error"),
    line("done", level="success", agent="tester"),
    AgentStatusUpdate(**WHAT, agent="coder", status="working", progress=1, task="Login form"),
    ProjectProgress(**WHAT, progress=50, message="half", stage="testing"),
    ProjectError(**WHAT, error="disk full", agent="tester"),
)


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (EVERYTHING, [0, 1, 2, 3, 4, 5, 6]),
        (Selection(), [0, 1, 2, 3, 4, 5, 6]),
        (Selection(types=frozenset({"project_error", "project_started"})), [0, 6]),
        (Selection(level="info"), [0, 1, 2, 3, 4, 5, 6]),
        (Selection(level="success"), [0, 2, 3, 4, 5, 6]),
        (Selection(level="error"), [0, 2, 4, 5, 6]),
        (Selection(agent=frozenset({"coder"})), [0, 1, 2, 4, 5]),
        (Selection(agent=frozenset({"nobody"})), [0, 2, 5]),
        (Selection(q="COMPIL"), [1]),
        (Selection(q="strasse"), [2]),
        (Selection(q="login"), [4]),
        (Selection(q="test"), [3, 5, 6]),
        (Selection(q="shop"), [0]),
        (Selection(q="full"), [6]),
        (Selection(types=frozenset({"workflow_log"}), level="success", agent=frozenset({"tester"}), q="o"), [3]),
    ],
)
def test_what_a_selection_lets_pass(selection: Selection, wanted: list[int]) -> None:
    """All conditions must hold; a level concerns lines of log only, and what has no agent passes."""
    assert [STORY[index] for index in wanted] == list(select(selection, STORY))


def test_a_word_of_json_is_no_word_of_the_message() -> None:
    """`q` looks at texts, not at names of fields, ids or numbers."""
    told = entries_of(line("hi"), ProjectCompleted(**WHAT, url="http://x"))
    words = ("type", "workflow_log", PROJECT, "1000", "{", "null")
    assert [] == [word for word in words if select(Selection(q=word), told)]


@pytest.mark.parametrize("field", ["message", "stage"])
def test_words_are_found_in_every_text(field: str) -> None:
    """Whichever of the texts holds them."""
    update = WorkflowStageUpdate(**WHAT | {"message": "m", "stage": "s"} | {field: "needle"})
    assert 1 == len(select(Selection(q="needle"), entries_of(update)))


def naive(selection: Selection, entry: Entry) -> bool:
    """Return whether an entry passes, by what its JSON says."""
    said = json.loads(entry.payload)
    if selection.types is not None and said["type"] not in selection.types:
        return False
    if selection.level is not None and said["type"] == "workflow_log":
        names = list(LEVELS)
        if names.index(said["level"]) < names.index(selection.level):
            return False
    if selection.agent is not None and "agent" in said and said["agent"] not in selection.agent:
        return False
    texts = [said.get(name) for name in ("message", "error", "task", "stage", "agent", "name", "description")]
    return selection.q is None or any(selection.q.casefold() in text.casefold() for text in texts if text is not None)


selections = st.builds(
    Selection,
    types=st.none() | st.frozensets(st.sampled_from(sorted(TYPES)), min_size=1),
    level=st.none() | st.sampled_from(sorted(LEVELS)),
    agent=st.none() | st.frozensets(st.sampled_from(["coder", "tester", "n" * 256]), min_size=1),
    q=st.none() | st.sampled_from(["a", "E", "ß", "n", "0"]),
)


@quick
@given(selections, st.lists(events | st.sampled_from([line("ab", agent="coder"), line("E")]), max_size=10))
def test_a_selection_is_what_the_contract_says(selection: Selection, messages: list[Message]) -> None:
    """Against a naive reading of the bytes that travel, in order."""
    entries = entries_of(*messages)
    assert [entry for entry in entries if naive(selection, entry)] == list(select(selection, entries))


def working(agent: str, percent: int) -> AgentStatusUpdate:
    """Return a working agent."""
    return AgentStatusUpdate(**WHAT, agent=agent, status="working", progress=percent)


def test_only_the_newest_of_a_present_state_is_left() -> None:
    """By agent; lines, errors, stages and ends stay, and everything stays in order."""
    entries = entries_of(
        ProjectProgress(**WHAT, progress=1, message="a"),
        working("coder", 1),
        line("one"),
        working("tester", 5),
        ProjectProgress(**WHAT, progress=2, message="b"),
        working("coder", 2),
        line("one"),
        WorkflowStageUpdate(**WHAT, stage="s", message="m"),
        WorkflowStageUpdate(**WHAT, stage="s", message="m"),
        ProjectError(**WHAT, error="e"),
        ProjectError(**WHAT, error="e"),
    )
    assert [2, 3, 4, 5, 6, 7, 8, 9, 10] == [entries.index(entry) for entry in collapse(entries)]


def test_nothing_collapses_into_nothing() -> None:
    """There may be no entry at all."""
    assert [] == collapse([])


@quick
@given(st.lists(events | st.builds(working, st.sampled_from("ab"), st.integers(0, 100)), max_size=12))
def test_what_collapses_leads_to_the_same_state(messages: list[Message]) -> None:
    """Whoever replaces an agent's card by the next one sees the same cards in the end."""
    entries = entries_of(*messages)
    cards = {entry.agent: entry for entry in entries if entry.type == "agent_status_update"}
    kept = collapse(entries)
    assert cards == {entry.agent: entry for entry in kept if entry.type == "agent_status_update"}
    assert len(cards) == sum(entry.type == "agent_status_update" for entry in kept)
    assert sorted(kept, key=lambda entry: entry.place) == kept
