import asyncio

import pytest

from relayd.worker.scopes import PROJECT, ProjectScope
from tests.worker.said import Said


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


def test_the_same_blocks_without_await() -> None:
    """For code that has no event loop."""
    said = Said()
    project = ProjectScope(said, "p", {"name": "Shop"})
    with pytest.raises(ZeroDivisionError), project, project.stage("s"), project.agent("coder", task="orders"):
        raise ZeroDivisionError
    assert [
        ("project_started", "Shop"),
        ("workflow_stage_update", "s", "running", "running"),
        ("agent_status_update", "coder", "working", "0.0", "orders"),
        ("workflow_log", "coder", "error", "ZeroDivisionError"),
        ("agent_status_update", "coder", "failed", "0.0", "orders"),
        ("workflow_stage_update", "s", "failed", "ZeroDivisionError"),
        ("project_error", "ZeroDivisionError"),
    ] == said.short()


async def test_a_project_is_around_what_runs_in_it() -> None:
    """In tasks and threads that begin there, too; inside another it is the inner one, and behind both it is none."""
    said = Said()
    async with ProjectScope(said, "outer", {}) as outer:
        async with ProjectScope(said, "inner", {}) as inner:
            assert [inner, inner] == [await asyncio.to_thread(PROJECT.get), await asyncio.create_task(found())]
        assert outer is PROJECT.get()
    assert PROJECT.get() is None


async def found() -> ProjectScope | None:
    """Return the project around a task."""
    return PROJECT.get()
