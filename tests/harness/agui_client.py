"""A client of AG-UI as strict as its own: what it hears has to be the package's events, in an order that it allows."""

import json
from typing import Any

from ag_ui.core import events
from pydantic import TypeAdapter

__all__ = ["StrictClient"]

EVENT: TypeAdapter[events.BaseEvent] = TypeAdapter(events.Event)


class StrictClient:
    """Keeps the state, the texts and the runs as a front end of AG-UI does, and asserts that each event may come."""

    def __init__(self) -> None:
        self.heard: list[events.BaseEvent] = []
        self.state: Any = None
        self.texts: dict[str, str] = {}
        """By message, in the order in which they began."""
        self.ends: list[str] = []
        self.raw: list[dict[str, Any]] = []
        """Our own messages, as they came along."""
        self._running = False
        self._steps: set[str] = set()
        self._open: set[str] = set()

    def hear(self, data: str) -> events.BaseEvent:
        """Take one event in."""
        plain = json.loads(data)
        event = EVENT.validate_python(plain)
        assert plain == event.model_dump(mode="json", by_alias=True), "the package knows all of it"
        assert not event.model_extra
        assert self._running == (not isinstance(event, events.RunStartedEvent)), (
            "one run at a time, nothing between two"
        )
        getattr(self, f"_{plain['type'].lower()}", lambda _: None)(event)
        if "rawEvent" in plain:
            self.raw.append(plain["rawEvent"])
        self.heard.append(event)
        return event

    def kinds(self) -> list[str]:
        """Return the types of all that was heard."""
        return [event.type.value for event in self.heard]

    def custom(self, name: str) -> list[Any]:
        """Return the values of our own events of a name."""
        return [one.value for one in self.heard if isinstance(one, events.CustomEvent) and one.name == name]

    @property
    def settled(self) -> bool:
        """Whether a run is active and nothing in it is open."""
        return self._running and not self._steps and not self._open

    def _run_started(self, _: events.RunStartedEvent) -> None:
        self._running = True

    def _run_finished(self, event: events.RunFinishedEvent) -> None:
        assert self.settled
        self._running = False
        self.ends.append(event.outcome.type if event.outcome else "success")

    def _run_error(self, event: events.RunErrorEvent) -> None:
        self._running = False
        self.ends.append(event.message)

    def _step_started(self, event: events.StepStartedEvent) -> None:
        assert event.step_name not in self._steps
        self._steps.add(event.step_name)

    def _step_finished(self, event: events.StepFinishedEvent) -> None:
        self._steps.remove(event.step_name)

    def _text_message_start(self, event: events.TextMessageStartEvent) -> None:
        assert event.message_id not in self._open
        self._open.add(event.message_id)
        self.texts.setdefault(event.message_id, "")

    def _text_message_content(self, event: events.TextMessageContentEvent) -> None:
        assert event.message_id in self._open
        assert event.delta
        self.texts[event.message_id] += event.delta

    def _text_message_end(self, event: events.TextMessageEndEvent) -> None:
        self._open.remove(event.message_id)

    def _state_snapshot(self, event: events.StateSnapshotEvent) -> None:
        self.state = event.snapshot

    def _state_delta(self, event: events.StateDeltaEvent) -> None:
        for operation in event.delta:
            assert operation.op == "add", "it can't fail, whatever the state is"
            *path, last = [part.replace("~1", "/").replace("~0", "~") for part in operation.path.split("/")[1:]]
            target = self.state
            for part in path:
                target = target[part]
            target[last] = operation.value
