"""Projects, agents and stages as blocks: they begin, end and fail by themselves, and say so."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self

__all__ = ["PROJECT", "AgentScope", "ProjectScope", "Scope", "StageScope", "Voice"]

Event = dict[str, Any]


class Voice(Protocol):
    """A publisher, of either kind below."""

    async def publish(self, event: Mapping[str, Any], /) -> None:
        """Take an event, and return when there was room for it."""
        ...

    def publish_from_here(self, event: Mapping[str, Any], /) -> None:
        """Take an event from code that does not await; wait for room only where that keeps no event loop."""
        ...


PROJECT: "ContextVar[ProjectScope | None]" = ContextVar("relayd_project", default=None)
"""The project around the running code; tasks and `asyncio.to_thread` inherit it."""


def failure(error: BaseException) -> str:
    """Return what an exception says."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class Scope(ABC):
    """
    What the three have in common: a project, and who says what in it.

    `async with` for code that awaits, `with` for code that does not.
    """

    def __init__(self, voice: Voice, project_id: str) -> None:
        """Speak of a project."""
        self._voice = voice
        self.project_id = project_id

    @abstractmethod
    def begins(self) -> Sequence[Event]:
        """Return what is said at its beginning."""

    @abstractmethod
    def ends(self, error: BaseException | None) -> Sequence[Event]:
        """Return what is said at its end, which may be an error."""

    def come(self) -> None:  # noqa: B027  # only a project has anything to do
        """Be what the code inside finds around it."""

    def go(self) -> None:  # noqa: B027  # the same
        """Be that no more."""

    async def __aenter__(self) -> Self:
        """Say that it has begun."""
        for event in self.begins():
            await self._voice.publish(event)
        self.come()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Say how it has ended."""
        self.go()
        for event in self.ends(error):
            await self._voice.publish(event)

    def __enter__(self) -> Self:
        """Say that it has begun."""
        for event in self.begins():
            self._voice.publish_from_here(event)
        self.come()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Say how it has ended."""
        self.go()
        for event in self.ends(error):
            self._voice.publish_from_here(event)

    def event(self, kind: str, **fields: Any) -> Event:  # noqa: ANN401  # a message's fields
        """Return a message of the project; fields that are None are left out."""
        event = {"type": kind, "project_id": self.project_id, **fields}
        return {name: value for name, value in event.items() if value is not None}

    async def tell(self, kind: str, **fields: Any) -> None:  # noqa: ANN401  # a message's fields
        """Publish a message; fields that are None are left out."""
        await self._voice.publish(self.event(kind, **fields))


class ProjectScope(Scope):
    """A project: `project_started`, and at the end `project_completed` or `project_error`."""

    def __init__(self, voice: Voice, project_id: str, fields: Mapping[str, Any]) -> None:
        """Begin it with these fields of `project_started`."""
        super().__init__(voice, project_id)
        self._fields = fields
        self._ended: dict[str, Any] = {}
        self._outer: ProjectScope | None = None

    def begins(self) -> Sequence[Event]:
        """It has started."""
        return [self.event("project_started", **self._fields)]

    def ends(self, error: BaseException | None) -> Sequence[Event]:
        """It is complete, or an error."""
        if error is None:
            return [self.event("project_completed", **self._ended)]
        cancelled = isinstance(error, asyncio.CancelledError)
        return [self.event("project_error", error=failure(error), code="cancelled" if cancelled else None)]

    def come(self) -> None:
        """Be the project of the functions that are decorated."""
        self._outer = PROJECT.get()
        PROJECT.set(self)

    def go(self) -> None:
        """Leave them to the project around this one."""
        # Not by the variable's token: a fixture or a thread may leave in another context than it entered in.
        PROJECT.set(self._outer)

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
        return AgentScope(self._voice, self.project_id, name, task)

    def stage(self, name: str) -> "StageScope":
        """Return a stage."""
        return StageScope(self._voice, self.project_id, name)


class AgentScope(Scope):
    """An agent: `working` from the beginning, `completed` or `failed` at the end."""

    def __init__(self, voice: Voice, project_id: str, name: str, task: str | None) -> None:
        """Begin a task."""
        super().__init__(voice, project_id)
        self.name = name
        self._task = task
        self._progress = 0.0

    def begins(self) -> Sequence[Event]:
        """It works."""
        return [self._status("working")]

    def ends(self, error: BaseException | None) -> Sequence[Event]:
        """It is done, or has failed for a reason that a line tells."""
        if error is None:
            return [self._status("completed", progress=100)]
        return [self._line(failure(error), "error"), self._status("failed")]

    async def status(
        self, status: str, *, progress: float | None = None, task: str | None = None, activity: str | None = None
    ) -> None:
        """Say what it does; `progress` and `task` stay what they were unless they are given."""
        await self._voice.publish(self._status(status, progress=progress, task=task, activity=activity))

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
        await self._voice.publish(self._line(message, level, **fields))

    def _status(
        self, status: str, *, progress: float | None = None, task: str | None = None, activity: str | None = None
    ) -> Event:
        self._progress = self._progress if progress is None else progress
        self._task = task or self._task
        return self.event(
            "agent_status_update",
            agent=self.name,
            status=status,
            progress=self._progress,
            task=self._task,
            activity=activity,
        )

    def _line(self, message: str, level: str, **fields: Any) -> Event:  # noqa: ANN401  # any JSON
        return self.event("workflow_log", level=level, message=message, agent=self.name, fields=fields or None)


class StageScope(Scope):
    """A stage: `running`, then `completed` or `failed`."""

    def __init__(self, voice: Voice, project_id: str, name: str) -> None:
        """Name it."""
        super().__init__(voice, project_id)
        self.name = name

    def begins(self) -> Sequence[Event]:
        """It runs."""
        return [self._is("running", "running")]

    def ends(self, error: BaseException | None) -> Sequence[Event]:
        """It is complete, or has failed."""
        return [self._is("completed", "completed") if error is None else self._is("failed", failure(error))]

    def _is(self, status: str, message: str) -> Event:
        return self.event("workflow_stage_update", stage=self.name, status=status, message=message)
