"""AG-UI from end to end: a run of real events, published one by one as an agent does, read by those who watch."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from ag_ui.core import events

from relayd.dialects.belonging import PROJECT_HEADER
from tests.dialects.agui.sample import EVERY, body
from tests.harness.agui_client import StrictClient
from tests.harness.inside import InsideRelay, inside
from tests.transports.test_sse import stream

TABLES = {"dialects.agui": {"progress": "/done", "progress_full": 1}}


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncGenerator[InsideRelay]:
    """A relay with an empty log, that finds the progress in the state."""
    async with inside(tmp_path, TABLES) as running:
        yield running


async def publish(relay: InsideRelay, *run: events.BaseEvent, project: str = "shop") -> list[int]:
    """Publish events, each as a body of its own, and return how each was answered."""
    headers = {PROJECT_HEADER: project} if project else {}
    return [(await relay.post(body(event), headers=headers))[0] for event in run]


async def test_a_run_of_an_agent_is_a_project(relay: InsideRelay) -> None:
    """Texts in pieces are lines, tools are what its agents do, a number in its state is the progress."""
    assert {200} == set(await publish(relay, *[event for event in EVERY if event.type != "RUN_ERROR"]))
    status, project = await relay.get(relay.project("shop"))
    assert (200, "completed", 100) == (status, project["status"], project["progress"])
    assert {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14} == project["usage"]
    _, logs = await relay.get(relay.project("shop", "/logs"))
    assert ["Let me look.", "calls grep", "grep: 3 lines", "Not bad", "no memory", "calls sed", "PLAN", "cart"] == [
        line["message"] for line in logs["logs"]
    ]
    _, agents = await relay.get(relay.project("shop", "/agents"))
    assert {("agent", "completed"), ("s-1", "failed"), ("s-2", "completed")} == {
        (agent["name"], agent["status"]) for agent in agents
    }


async def test_what_goes_in_as_ag_ui_comes_out_as_ag_ui(relay: InsideRelay) -> None:
    """By the strict client's rules, to the end of the run, for one who watches from the beginning."""
    async with stream(relay, "shop", dialect="ag-ui") as viewer:
        client = StrictClient()
        await publish(relay, *EVERY)
        while len(client.ends) < 2:
            client.hear(json.dumps(await viewer.event()))
    assert ["no money", "success"] == client.ends
    assert "Let me look." in client.texts.values()
    assert {"agui"} == {message["dialect"] for message in client.raw}


async def test_a_secret_in_pieces_is_hidden(relay: InsideRelay) -> None:
    """No body of them shows it; what a tool is called with is an object, whose names tell more than its values."""
    await publish(
        relay,
        events.TextMessageStartEvent(message_id="m"),
        events.TextMessageContentEvent(message_id="m", delta="my key is AKIAIOSF"),
        events.TextMessageContentEvent(message_id="m", delta="ODNN7EXAMPLE, keep it"),
        events.TextMessageEndEvent(message_id="m"),
        events.ToolCallStartEvent(tool_call_id="c", tool_call_name="login"),
        events.ToolCallArgsEvent(tool_call_id="c", delta='{"user": "ada", "pass'),
        events.ToolCallArgsEvent(tool_call_id="c", delta='word": "hunter2"}'),
        events.ToolCallEndEvent(tool_call_id="c"),
    )
    async with relay.http.get(relay.project("shop", "/events"), headers=relay.bearer()) as answer:
        messages = (await answer.json())["messages"]
    assert "my key is [redacted], keep it" == messages[0]["message"]
    assert {"arguments": {"user": "ada", "password": "[redacted]"}} == messages[-1]["fields"]


async def test_an_event_of_nobody_s_is_told_to_nobody(relay: InsideRelay) -> None:
    """Its publisher learns the mend, and the next one that has it is taken."""
    status, answer = await relay.post(body(events.StepStartedEvent(step_name="plan")))
    assert (422, "bad_project") == (status, answer["rejected"][0]["reason"])
    assert PROJECT_HEADER in answer["detail"]
    assert [200] == await publish(relay, events.StepStartedEvent(step_name="plan"))
    status, answer = await relay.post(body(EVERY[1]), projects=["mine"], headers={PROJECT_HEADER: "theirs"})
    assert (422, "forbidden_project") == (status, answer["rejected"][0]["reason"])


async def test_the_answer_s_cursor_stands_behind_what_was_published(relay: InsideRelay) -> None:
    """Whoever goes on from there misses nothing and reads nothing again."""
    _, answer = await relay.post(body(EVERY[17]), headers={PROJECT_HEADER: "shop"})
    await publish(relay, EVERY[1])
    async with relay.http.get(
        relay.project("shop", "/events", after=answer["cursor"]), headers=relay.bearer()
    ) as resumed:
        assert ["workflow_stage_update"] == [message["type"] for message in (await resumed.json())["messages"]]
