"""Log lines of a worker as lines of its project: a handler for `logging`, and a processor for structlog."""

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

__all__ = ["Emitter", "SwarmHandler", "SwarmProcessor"]

LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warning"))

STRUCTLOG_LEVELS = {
    "warning": "warning",
    "warn": "warning",
    "error": "error",
    "critical": "error",
    "exception": "error",
}


class Emitter(Protocol):
    """A publisher, of either kind."""

    def emit_soon(self, event: Mapping[str, Any]) -> None:
        """Take an event without waiting and without raising."""
        ...


class SwarmHandler(logging.Handler):
    """Publishes records; `extra={"agent": …}` says whose they are."""

    def __init__(self, publisher: Emitter, project_id: str, *, agent: str | None = None, level: int = 0) -> None:
        """Publish for a project."""
        super().__init__(level)
        self._publisher = publisher
        self._project_id = project_id
        self._agent = agent

    def emit(self, record: logging.LogRecord) -> None:
        """Publish a record; the publisher's own are passed over, or each would make another."""
        if record.name.startswith(("relayd.worker", "aio_pika", "aiormq")):
            return
        level = next((name for least, name in LEVELS if record.levelno >= least), "info")
        agent = getattr(record, "agent", None) or self._agent
        event = {
            "type": "workflow_log",
            "project_id": self._project_id,
            "timestamp": record.created,
            "level": level,
            "message": self.format(record),
            "source": record.name,
            **({"agent": str(agent)} if agent else {}),
        }
        self._publisher.emit_soon(event)


class SwarmProcessor:
    """A processor of structlog that publishes what passes, and lets it pass; put it before the renderer."""

    def __init__(self, publisher: Emitter, project_id: str) -> None:
        """Publish for a project; an event's own `agent` says whose it is, other keys travel as its fields."""
        self._publisher = publisher
        self._project_id = project_id

    def __call__(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Publish an event and return it as it is."""
        fields = {
            name: value if isinstance(value, str | int | float) else repr(value)
            for name, value in event.items()
            if name not in {"event", "agent", "timestamp", "level"}
        }
        said = {
            "type": "workflow_log",
            "project_id": self._project_id,
            "level": STRUCTLOG_LEVELS.get(method, "info"),
            "message": str(event.get("event", "")),
            **({"agent": str(event["agent"])} if event.get("agent") else {}),
            **({"fields": fields} if fields else {}),
        }
        self._publisher.emit_soon(said)
        return event
