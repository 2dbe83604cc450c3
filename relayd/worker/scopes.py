"""Projects, agents and stages as blocks: they begin, end and fail by themselves, and say so."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

__all__ = ["AgentScope", "ProjectScope", "Say", "Scope", "StageScope"]

Say = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Publishes an event."""


def failure(error: BaseException) -> str:
    """Return what an exception says."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class Scope:
    """What the three have in common: a project, and who says what in it."""

    def __init__(self, say: Say, project_id: str) -> None:
        """Speak of a project."""
        self._say = say
        self.project_id = project_id

    async def tell(self, kind: str, **fields: Any) -> None:  # noqa: ANN401  # a message's fields
        """Publish a message; fields that are None are left out."""
        event = {"type": kind, "project_id": self.project_id, **fields}
        await self._say({name: value for name, value in event.items() if value is not None})


class ProjectScope(Scope):
    """A project: `project_started`, and at the end `project_completed` or `project_error`."""

    def __init__(self, say: Say, project_id: str, fields: Mapping[str, Any]) -> None:
        """Begin it with these fields of `project_started`."""
        super().__init__(say, project_id)
        self._fields = fields
        self._ended: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        """Say that it has begun."""
        await self.tell("project_started", **self._fields)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Say how it has ended."""
        if error is None:
            await self.tell("project_completed", **self._ended)
        else:
            cancelled = isinstance(error, asyncio.CancelledError)
            await self.tell("project_error", error=failure(error), code="cancelled" if cancelled else None)

    def result(self, **fields: Any) -> None:  # noqa: ANN401  # fields of `project_completed`
        """Keep what `project_completed` is to say, as in `message`, `url`, `duration_seconds`."""
        self._ended |= fields

    async def progress(self, percent: float, message: str, *, stage: str | None = None) -> None:
        """Say how far it is, 0 to 100."""
        await self.tell("project_progress", progress=percent, message=message, stage=stage)

    async def log(self, message: str, *, level: str = "info", agent: str | None = None, **fields: Any) -> None:  # noqa: ANN401  # any JSON
        """Say a line; more `fields` travel with it."""
        await self.tell("workflow_log", level=level, message=message, agent=agent, fields=fields or None)

    def agent(self, name: str, *, task: str | None = None) -> "AgentScope":
        """Return an agent at work."""
        return AgentScope(self._say, self.project_id, name, task)

    def stage(self, name: str) -> "StageScope":
        """Return a stage."""
        return StageScope(self._say, self.project_id, name)


class AgentScope(Scope):
    """An agent: `working` from the beginning, `completed` or `failed` at the end."""

    def __init__(self, say: Say, project_id: str, name: str, task: str | None) -> None:
        """Begin a task."""
        super().__init__(say, project_id)
        self.name = name
        self._task = task
        self._progress = 0.0

    async def __aenter__(self) -> Self:
        """Say that it works."""
        await self.status("working")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Say how it has ended."""
        if error is None:
            await self.status("completed", progress=100)
        else:
            await self.log(failure(error), level="error")
            await self.status("failed")

    async def status(
        self, status: str, *, progress: float | None = None, task: str | None = None, activity: str | None = None
    ) -> None:
        """Say what it does; `progress` and `task` stay what they were unless they are given."""
        self._progress = self._progress if progress is None else progress
        self._task = task or self._task
        await self.tell(
            "agent_status_update",
            agent=self.name,
            status=status,
            progress=self._progress,
            task=self._task,
            activity=activity,
        )

    async def working(self, progress: float | None = None, task: str | None = None) -> None:
        """Say that it goes on."""
        await self.status("working", progress=progress, task=task)

    async def thinking(self) -> None:
        """Say that it waits for a model."""
        await self.status("working", activity="thinking")

    async def using_tool(self, tool: str) -> None:
        """Say that a tool runs; a line says which."""
        await self.status("working", activity="using_tool")
        await self.log(f"uses {tool}", tool=tool)

    async def waiting_for_human(self, question: str) -> None:
        """Say that somebody has to answer first."""
        await self.status("working", activity="waiting_for_human")
        await self.log(question, level="warning")

    async def log(self, message: str, *, level: str = "info", **fields: Any) -> None:  # noqa: ANN401  # any JSON
        """Say a line of this agent."""
        await self.tell("workflow_log", level=level, message=message, agent=self.name, fields=fields or None)


class StageScope(Scope):
    """A stage: `running`, then `completed` or `failed`."""

    def __init__(self, say: Say, project_id: str, name: str) -> None:
        """Name it."""
        super().__init__(say, project_id)
        self.name = name

    async def __aenter__(self) -> Self:
        """Say that it runs."""
        await self.tell("workflow_stage_update", stage=self.name, status="running", message="running")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Say how it has ended."""
        status, message = ("completed", "completed") if error is None else ("failed", failure(error))
        await self.tell("workflow_stage_update", stage=self.name, status=status, message=message)
