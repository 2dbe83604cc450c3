"""Real events of the package `ag-ui-protocol`, and what a dialect makes of them."""

import json
from collections.abc import Sequence
from typing import Any, get_args

from ag_ui.core import events
from ag_ui.core.events import BaseEvent
from ag_ui.core.types import Context, Tool, UserMessage
from ag_ui.encoder import EventEncoder

from relayd.dialects.agui.dialect import AguiDialect
from relayd.dialects.delivery import Delivery, Item
from relayd.dialects.settings import AguiSettings
from relayd.protocol.messages import Message

__all__ = ["CLASSES", "EVERY", "FINISHED", "STARTED", "agui", "body", "delivery", "feed", "said", "short"]

CLASSES: tuple[type[BaseEvent], ...] = get_args(get_args(events.Event)[0])
"""Every event class of the package."""

STARTED = events.RunStartedEvent(
    thread_id="shop",
    run_id="run-1",
    parent_run_id="run-0",
    protocol_version="1.0",
    timestamp=1_700_000_007_000,
    input=events.RunAgentInput(
        thread_id="shop",
        run_id="run-1",
        state={},
        messages=[UserMessage(id="u", content="a private prompt")],
        tools=[Tool(name="grep", description="finds", parameters={})],
        context=[Context(description="where", value="a private place")],
        forwarded_props={},
    ),
)
FINISHED = events.RunFinishedEvent(
    thread_id="shop",
    run_id="run-1",
    timestamp=1_700_000_009_000,
    result="a private result",
    usage=[events.TokenUsage(provider="p", model="m-1", input_tokens=10, output_tokens=4, total_tokens=14)],
)

EVERY: tuple[BaseEvent, ...] = (
    STARTED,
    events.StepStartedEvent(step_name="plan"),
    events.ReasoningStartEvent(message_id="th"),
    events.ReasoningMessageStartEvent(message_id="th"),
    events.ReasoningMessageContentEvent(message_id="th", delta="a private thought"),
    events.ReasoningMessageChunkEvent(message_id="th", delta="."),
    events.ReasoningMessageEndEvent(message_id="th"),
    events.ReasoningEncryptedValueEvent(subtype="message", entity_id="th", encrypted_value="ENCRYPTED"),
    events.ReasoningEndEvent(message_id="th"),
    events.TextMessageStartEvent(message_id="m", role="assistant"),
    events.TextMessageContentEvent(message_id="m", delta="Let me "),
    events.TextMessageContentEvent(message_id="m", delta="look."),
    events.TextMessageEndEvent(message_id="m", timestamp=1_700_000_008_000),
    events.ToolCallStartEvent(tool_call_id="c", tool_call_name="grep", parent_message_id="m"),
    events.ToolCallArgsEvent(tool_call_id="c", delta='{"pattern": '),
    events.ToolCallArgsEvent(tool_call_id="c", delta='"x"}'),
    events.ToolCallEndEvent(tool_call_id="c"),
    events.ToolCallResultEvent(message_id="r", tool_call_id="c", content="3 lines", role="tool"),
    events.ToolCallChunkEvent(tool_call_id="d", tool_call_name="sed", delta="{}"),
    events.SubagentStartedEvent(subagent_run_id="s-1", name="critic", description="reads"),
    events.TextMessageChunkEvent(message_id="n", subagent_run_id="s-1", role="assistant", delta="Not bad"),
    events.SubagentErrorEvent(subagent_run_id="s-1", message="no memory", code="OOM"),
    events.SubagentFinishedEvent(subagent_run_id="s-2"),
    events.StateSnapshotEvent(snapshot={"done": 0.25, "secret": "a private state"}),
    events.StateDeltaEvent.model_validate({"delta": [{"op": "replace", "path": "/done", "value": 0.5}]}),
    events.MessagesSnapshotEvent(messages=[UserMessage(id="u", content="a private history")]),
    events.ActivitySnapshotEvent(message_id="a", activity_type="PLAN", content={"steps": ["one"]}),
    events.ActivityDeltaEvent.model_validate(
        {
            "message_id": "a",
            "activity_type": "PLAN",
            "patch": [{"op": "add", "path": "/steps/-", "value": "a private patch"}],
        }
    ),
    events.RawEvent(event={"type": "private"}, source="vendor"),
    events.CustomEvent(name="cart", value={"items": 2}),
    events.StepFinishedEvent(step_name="plan"),
    events.RunErrorEvent(message="no money", code="BUDGET"),
    FINISHED,
)
"""A run in which every event of the package happens."""


def agui(**settings: Any) -> AguiDialect:  # noqa: ANN401  # the settings' own types
    """Return a dialect that remembers nothing yet."""
    return AguiDialect(AguiSettings(**settings))


def encoded(event: object) -> bytes:
    """Return an event as its package's encoder writes it; what is no event is made JSON."""
    if isinstance(event, BaseEvent):
        return EventEncoder().encode(event).removeprefix("data: ").strip().encode()
    return json.dumps(event).encode()


def body(*told: object) -> bytes:
    """Return one event as it is, several as an array."""
    return encoded(told[0]) if len(told) == 1 else b"[" + b",".join(map(encoded, told)) + b"]"


def delivery(*told: object, **properties: Any) -> Delivery:  # noqa: ANN401  # fields of a delivery
    """Return events as one body."""
    return Delivery(offset=1, body=body(*told), received_at=5.0, **properties)


def feed(dialect: AguiDialect, *told: object, **properties: Any) -> list[Item]:  # noqa: ANN401  # see above
    """Return what became of the events of one body."""
    return dialect.feed(delivery(*told, **properties))


def said(dialect: AguiDialect, *told: object, **properties: Any) -> list[Message]:  # noqa: ANN401  # see above
    """Return the messages of a body, of which every event could be read."""
    items = feed(dialect, *told, **properties)
    assert [""] * len(items) == [item.detail for item in items]
    return [message for item in items for message in item.messages]


def short(messages: Sequence[Message]) -> list[tuple[object, ...]]:
    """Return kinds and what they say, without what all have in common."""
    fields = ("agent", "status", "activity", "stage", "progress", "level", "source", "message", "task", "error", "code")
    return [
        (
            str(message.__struct_config__.tag),
            *[value for name in fields if (value := getattr(message, name, None)) is not None],
        )
        for message in messages
    ]
