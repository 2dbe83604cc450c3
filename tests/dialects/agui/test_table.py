"""What each event of AG-UI becomes, shown on real events of its package."""

from typing import Any

import pytest
from ag_ui.core import EventType, events
from ag_ui.core.events import BaseEvent

from relayd.dialects.agui.table import ROWS, SILENT, WAITING
from relayd.protocol.messages import ProjectCompleted, ProjectError, ProjectStarted, WorkflowLog
from tests.dialects.agui.sample import CLASSES, EVERY, FINISHED, STARTED, agui, body, feed, said, short

LEGACY = {
    "THINKING_START", "THINKING_END", "THINKING_TEXT_MESSAGE_START", "THINKING_TEXT_MESSAGE_CONTENT",
    "THINKING_TEXT_MESSAGE_END",
}  # fmt: skip
BACK = ("agent_status_update", "agent", "working", 0)
DONE = ("agent_status_update", "agent", "completed", 100)


def test_every_type_of_the_package_has_a_row() -> None:
    """31 of them in version 1.0.0; one that a newer version brings is missed here."""
    assert {kind.value for kind in EventType} == (ROWS.keys() | SILENT) - LEGACY
    assert not ROWS.keys() & SILENT
    assert 31 == len(EventType) == len(CLASSES)


def test_every_class_of_the_package_is_among_the_samples() -> None:
    """So that nothing below is true of made-up events only."""
    assert set(CLASSES) == {type(event) for event in EVERY}


def test_a_whole_run_is_told() -> None:
    """In order, each event an item of its own; what is private is not in it."""
    dialect = agui(progress="/done", progress_full=1, reasoning=True)
    items = feed(dialect, *EVERY)
    assert len(EVERY) == len(items)
    assert [
        ("project_started",),
        BACK,
        ("workflow_stage_update", "agent", "running", "plan", "plan"),
        ("agent_status_update", "agent", "working", "thinking", 0),
        ("workflow_log", "agent", "info", "reasoning", "a private thought."),
        BACK,
        ("workflow_log", "agent", "info", "assistant", "Let me look."),
        ("agent_status_update", "agent", "working", "using_tool", 0, "grep"),
        ("workflow_log", "agent", "info", "grep", "calls grep"),
        ("workflow_log", "agent", "info", "grep", "grep: 3 lines"),
        BACK,
        ("agent_status_update", "agent", "working", "using_tool", 0, "sed"),
        ("agent_status_update", "s-1", "working", 0, "critic"),
        ("workflow_log", "s-1", "info", "assistant", "Not bad"),
        ("agent_status_update", "s-1", "failed", 0, "critic"),
        ("workflow_log", "s-1", "error", "critic", "no memory"),
        ("agent_status_update", "s-2", "completed", 100),
        ("workflow_log", "agent", "info", "sed", "calls sed"),
        ("project_progress", 25, "25 %"),
        ("project_progress", 50, "50 %"),
        ("workflow_log", "agent", "info", "PLAN", "PLAN"),
        ("workflow_log", "agent", "info", "cart", "cart"),
        ("workflow_stage_update", "agent", "completed", "plan", "plan"),
        ("agent_status_update", "agent", "failed", 0),
        ("project_error", "no money", "BUDGET"),
        DONE,
        ("project_completed",),
    ] == short([message for item in items for message in item.messages])
    assert all(item.reason is None for item in items)


def test_what_is_private_is_never_told() -> None:
    """Prompts, states, histories, results, patches, what a provider encrypts; reasoning unless it is wanted."""
    messages = str(feed(agui(), *EVERY))
    assert b"private" in body(*EVERY)
    assert "private" not in messages
    assert "ENCRYPTED" not in messages


def test_what_is_encrypted_is_not_even_kept() -> None:
    """An event of nobody's is rejected with its bytes; this one is not, whatever else is wrong with it."""
    secret = events.ReasoningEncryptedValueEvent(subtype="tool-call", entity_id="x", encrypted_value="ENCRYPTED")
    (item,) = feed(agui(), secret)
    assert (None, (), b"") == (item.reason, item.messages, item.raw)


def test_a_run_begins_with_its_ids() -> None:
    """The thread is the root, the run the key; a run before it the parent."""
    started, _ = said(agui(), STARTED)
    assert isinstance(started, ProjectStarted)
    assert ("shop", "run-1", "run-0", "shop", 1_700_000_007.0, "ag-ui", "agui") == (
        started.project_id, started.key, started.parent_id, started.root_id, started.timestamp, started.project_type,
        started.dialect,
    )  # fmt: skip


def finished(**more: Any) -> BaseEvent:  # noqa: ANN401  # fields of the package's class
    """Return an end of a run."""
    return events.RunFinishedEvent(thread_id="shop", run_id="run-1", **more)


def test_a_run_ends_with_what_it_used() -> None:
    """A success where nothing else is said."""
    _, completed = said(agui(), FINISHED)
    assert isinstance(completed, ProjectCompleted)
    assert {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14, "model": "m-1"} == completed.usage
    assert [DONE, ("project_completed",)] == short(said(agui(), finished(outcome=events.RunFinishedSuccessOutcome())))
    # An outcome that is not known is stripped and read as a success (AG-UI 1.0).
    event = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r", "outcome": {"type": "of the future"}}
    assert [DONE, ("project_completed",)] == short(said(agui(), event))


def test_a_run_that_is_interrupted_waits_for_a_human() -> None:
    """Each agent once, with what it asks; the project is not over."""
    interrupts = [
        events.Interrupt(id="1", reason="confirmation", message="Delete it?"),
        events.Interrupt(id="2", reason="input", subagent_run_id="s-1"),
        events.Interrupt(id="3", reason="other", subagent_run_id="s-1"),
    ]
    usage = [events.TokenUsage(input_tokens=1)]
    outcome = events.RunFinishedInterruptOutcome(interrupts=interrupts)
    messages = said(agui(), finished(outcome=outcome, usage=usage))
    assert [
        ("agent_status_update", "agent", "working", "waiting_for_human", 0, "Delete it?"),
        ("agent_status_update", "s-1", "working", "waiting_for_human", 0, "input"),
    ] == short(messages)
    assert [{"input_tokens": 1, "total_tokens": 1}, None] == [message.usage for message in messages]


@pytest.mark.parametrize("interrupts", [None, [], [7], "x", {}, [{"id": "1", "reason": 7}]])
def test_an_interrupt_without_a_reason_waits_all_the_same(interrupts: object) -> None:
    """Whatever stands there."""
    outcome = {"type": "interrupt", **({} if interrupts is None else {"interrupts": interrupts})}
    event = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r", "outcome": outcome}
    assert [("agent_status_update", "agent", "working", "waiting_for_human", 0)] == short(said(agui(), event))


def test_no_more_agents_wait_than_are_told() -> None:
    """One event is no flood."""
    interrupts = [events.Interrupt(id=f"{number}", reason="r", subagent_run_id=f"s-{number}") for number in range(99)]
    outcome = events.RunFinishedInterruptOutcome(interrupts=interrupts)
    assert WAITING == len(said(agui(), finished(outcome=outcome)))


def test_a_run_that_is_cancelled_is_no_success() -> None:
    """It says who ended it: nobody's fault."""
    agent, error = said(agui(), finished(outcome=events.RunFinishedCancelledOutcome()))
    assert [("agent_status_update", "agent", "idle", 0)] == short([agent])
    assert isinstance(error, ProjectError)
    assert ("the run was cancelled", "cancelled", True) == (error.error, error.code, error.fatal)


def test_a_failed_run_says_what_it_used() -> None:
    """What failed was paid for, too."""
    usage = [events.TokenUsage(output_tokens=3)]
    event = events.RunErrorEvent(message="m", usage=usage)
    _, error = said(agui(), event, projects=frozenset({"p"}))
    assert ({"output_tokens": 3, "total_tokens": 3}, "p") == (error.usage, error.project_id)


def test_a_subagent_is_an_agent() -> None:
    """By its id; its name and what began it are told as long as they are remembered, and its failure is no run's."""
    start = events.SubagentStartedEvent(subagent_run_id="s", name="critic", parent_subagent_run_id="top")
    suspended = events.SubagentFinishedSuspendedOutcome(interrupt_ids=["1"])
    messages = said(
        agui(), STARTED, start,
        events.SubagentFinishedEvent(subagent_run_id="s", outcome=suspended), start,
        events.SubagentFinishedEvent(subagent_run_id="s", outcome=events.SubagentFinishedSuccessOutcome()),
    )  # fmt: skip
    assert [
        ("project_started",),
        BACK,
        ("agent_status_update", "s", "working", 0, "critic"),
        ("agent_status_update", "s", "working", "waiting_for_human", 0, "critic"),
        ("agent_status_update", "s", "working", 0, "critic"),
        ("agent_status_update", "s", "completed", 100, "critic"),
    ] == short(messages)
    assert "top" == messages[2].parent_id


def test_a_tool_s_answer_is_told_in_short() -> None:
    """Texts, and of everything else what it is; or nothing but that it came."""
    parts = [{"type": "text", "text": "see"}, {"type": "image", "source": {"type": "data", "value": "SECRET"}}, 7]
    result = {"type": "TOOL_CALL_RESULT", "threadId": "t", "messageId": "m", "toolCallId": "c", "content": parts}
    line, status = said(agui(), result)
    assert isinstance(line, WorkflowLog)
    assert ("a tool: see [image]", "c", "working") == (line.message, line.key, short([status])[0][2])
    quiet = agui(tool_texts=False)
    assert "a tool answered" == short(said(quiet, result))[0][-1]
    assert "a tool answered" == short(said(agui(), {**result, "content": None}))[0][-1]
    calls = [
        events.ToolCallStartEvent(tool_call_id="c", tool_call_name="grep"),
        events.ToolCallArgsEvent(tool_call_id="c", delta='{"a": "private"}'),
        events.ToolCallEndEvent(tool_call_id="c"),
    ]
    assert "private" not in str(said(quiet, STARTED, *calls))


def test_an_application_s_own_words_are_told() -> None:
    """With what it attaches, if that is no more than can be shown."""
    _, _, small, large, plan = said(
        agui(), STARTED, events.CustomEvent(name="cart", value=[1]), events.CustomEvent(name="cart", value="x" * 9_000),
        events.ActivitySnapshotEvent(message_id="a", activity_type="PLAN", content={"steps": []}),
    )  # fmt: skip
    assert isinstance(small, WorkflowLog)
    assert isinstance(large, WorkflowLog)
    assert isinstance(plan, WorkflowLog)
    assert ({"value": [1]}, None, {"content": {"steps": []}}) == (small.fields, large.fields, plan.fields)


def test_reasoning_of_before_version_1_is_understood() -> None:
    """Its events carry no ids."""
    old = [
        {"type": "THINKING_START", "title": "x"},
        {"type": "THINKING_TEXT_MESSAGE_START"},
        {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "hm"},
        {"type": "THINKING_TEXT_MESSAGE_END"},
        {"type": "THINKING_END"},
    ]
    assert [
        ("agent_status_update", "agent", "working", "thinking", 0),
        ("workflow_log", "agent", "info", "reasoning", "hm"),
        BACK,
    ] == short(said(agui(reasoning=True), STARTED, *old)[2:])


def test_a_shorthand_that_names_no_tool_begins_none() -> None:
    """It goes on with the last one."""
    chunks = [
        events.ToolCallChunkEvent(tool_call_id="c", tool_call_name="grep", delta='{"a":'),
        events.ToolCallChunkEvent(delta="1}"),
        events.ToolCallChunkEvent(tool_call_id="d", tool_call_name="sed"),
    ]
    messages = said(agui(), STARTED, *chunks, events.StepStartedEvent(step_name="x"))
    assert ["grep", "calls grep", "sed", "calls sed", "x"] == [line[-1] for line in short(messages[2:])]
    (called,) = [one for one in messages if isinstance(one, WorkflowLog) and one.source == "grep"]
    assert {"arguments": {"a": 1}} == called.fields
