"""
The same for code that does not await: a publisher in a thread of its own, with calls that block.

    with ThreadPublisher("amqp://…") as swarm, swarm.project("shop-1", name="Shop") as project:
        project.progress(10, "cloning")
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from relayd.worker.publisher import SwarmPublisher
from relayd.worker.scopes import Scope

__all__ = ["Blocking", "ThreadPublisher"]

T = TypeVar("T")

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class ThreadPublisher:
    """A SwarmPublisher that any thread may use; the arguments are that one's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # as said
        """Prepare."""
        self._arguments = args, kwargs
        self._publisher: SwarmPublisher | None = None

    def __enter__(self) -> Self:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relayd worker", daemon=True)
        self._thread.start()
        self._publisher = self._run(self._begin())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait until all is confirmed, for the publisher's `close_seconds` at most, and end the thread."""
        try:
            self._run(self._needed.__aexit__(kind, error, traceback))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    @property
    def lost(self) -> int:
        """Events that gave way or were not confirmed before the end."""
        return self._needed.lost

    def publish(self, event: Mapping[str, Any]) -> None:
        """Take an event, and return when there was room for it."""
        self._run(self._needed.publish(event))

    def emit_soon(self, event: Mapping[str, Any]) -> None:
        """Take an event without waiting and without raising."""
        self._needed.emit_soon(event)

    def flush(self, *, seconds: float | None = None) -> None:
        """Return when all that was taken so far is confirmed; raises TimeoutError."""
        self._run(self._needed.flush(seconds=seconds))

    def project(self, project_id: str, **fields: Any) -> "Blocking":  # noqa: ANN401  # fields of `project_started`
        """Return a project, which begins and ends with `with`; it has the methods of `ProjectScope`, without await."""
        return Blocking(self._needed.project(project_id, **fields), self._run)

    @property
    def _needed(self) -> SwarmPublisher:
        if self._publisher is None:
            raise RuntimeError("enter the publisher first: `with ThreadPublisher(url) as swarm`")
        return self._publisher

    async def _begin(self) -> SwarmPublisher:
        args, kwargs = self._arguments
        return await SwarmPublisher(*args, **kwargs).__aenter__()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class Blocking:
    """A project, an agent or a stage whose methods return when they are done."""

    def __init__(self, scope: Scope, run: Run) -> None:
        """Stand for a scope."""
        self._scope = scope
        self._run = run

    def __enter__(self) -> Self:
        """Begin it."""
        self._scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        self._scope.__exit__(kind, error, traceback)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the scope has
        """Return what the scope has of that name; what it would await is done, what it returns is as blocking."""
        found = getattr(self._scope, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # the method's own
            said = found(*args, **kwargs)
            if asyncio.iscoroutine(said):
                return self._run(said)
            return Blocking(said, self._run) if isinstance(said, Scope) else said

        return call
