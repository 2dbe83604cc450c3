import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from relayd.dialects.delivery import Delivery
from relayd.dialects.native import NativeDialect
from relayd.worker.publisher import encoded
from relayd.worker.scopes import ProjectScope


class Said(list[Mapping[str, Any]]):
    """Keeps what is said, and holds each to the contract."""

    async def __call__(self, event: Mapping[str, Any]) -> None:
        (item,) = NativeDialect().feed(Delivery(offset=1, body=encoded(event), received_at=1.0))
        assert item.reason is None, item.detail
        self.append(event)

    def short(self) -> list[tuple[str, ...]]:
        """Return kinds and what they say."""
        fields = (
            "stage",
            "agent",
            "status",
            "activity",
            "level",
            "progress",
            "task",
            "message",
            "error",
            "code",
            "name",
        )
        return [(event["type"], *[str(event[name]) for name in fields if name in event]) for event in self]


async def test_a_project_begins_and_ends_by_itself() -> None:
    """With what it is told meanwhile, each as the contract has it."""
    said = Said()
    async with ProjectScope(said, "p", {"name": "Shop", "owner": "ada"}) as project:
        async with project.stage("testing"):
            await project.progress(65, "Building", stage="testing")
        async with project.agent("coder", task="orders") as agent:
            await agent.working(40)
            await agent.thinking()
            await agent.using_tool("grep")
            await agent.waiting_for_human("Which?")
        await project.log("careful", level="warning", attempt=2)
        project.result(message="done", url="https://example.org")
    assert [
        ("project_started", "Shop"),
        ("workflow_stage_update", "testing", "running", "running"),
        ("project_progress", "testing", "65", "Building"),
        ("workflow_stage_update", "testing", "completed", "completed"),
        ("agent_status_update", "coder", "working", "0.0", "orders"),
        ("agent_status_update", "coder", "working", "40", "orders"),
        ("agent_status_update", "coder", "working", "thinking", "40", "orders"),
        ("agent_status_update", "coder", "working", "using_tool", "40", "orders"),
        ("workflow_log", "coder", "info", "uses grep"),
        ("agent_status_update", "coder", "working", "waiting_for_human", "40", "orders"),
        ("workflow_log", "coder", "warning", "Which?"),
        ("agent_status_update", "coder", "completed", "100", "orders"),
        ("workflow_log", "warning", "careful"),
        ("project_completed", "done"),
    ] == said.short()
    assert {"attempt": 2} == said[-2]["fields"]


async def test_what_raises_fails_everything_around_it() -> None:
    """Agent, stage and project say so, and the exception goes on."""
    said = Said()
    with pytest.raises(ZeroDivisionError):
        async with ProjectScope(said, "p", {}) as project, project.stage("s"), project.agent("a"):
            raise ZeroDivisionError
    assert [
        ("workflow_log", "a", "error", "ZeroDivisionError"),
        ("agent_status_update", "a", "failed", "0.0"),
        ("workflow_stage_update", "s", "failed", "ZeroDivisionError"),
        ("project_error", "ZeroDivisionError"),
    ] == said.short()[3:]


async def test_a_project_that_is_cancelled_says_that() -> None:
    """It is no fault of anybody's."""
    said = Said()
    with pytest.raises(asyncio.CancelledError):
        async with ProjectScope(said, "p", {}):
            raise asyncio.CancelledError
    assert ("project_error", "CancelledError", "cancelled") == said.short()[-1]
