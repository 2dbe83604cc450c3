"""`relayd simulate` as a real process, and what each viewer of it has to see."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

from relayd.sources.swarm import Swarm
from tests.harness.checker import Key
from tests.harness.process import Process
from tests.harness.settled import Event

__all__ = ["FILTERS", "Load", "Publishing", "Wanted", "everything"]

Wanted = Callable[[Event], bool]


def everything(_event: Event) -> bool:
    """Want it."""
    return True


FILTERS: dict[str, tuple[dict[str, str], Wanted]] = {
    "types": ({"types": "project_progress"}, lambda event: event["type"] == "project_progress"),
    "level": ({"level": "warning"}, lambda event: event.get("level", "error") in {"warning", "error"}),
    "words": ({"q": "STEP 1"}, lambda event: "Step 1" in str(event)),
}
"""Selections by name: what a viewer asks for, and which events it then gets."""


class Load:
    """So many events of so many projects, told by a seed: known before they are published."""

    def __init__(self, events: int, *, projects: int, seed: int) -> None:
        self.events = events
        self.seed = seed
        self.projects = [f"load-{number + 1}" for number in range(projects)]

    @cached_property
    def told(self) -> dict[str, list[Event]]:
        """The events by project."""
        told: dict[str, list[Event]] = {project_id: [] for project_id in self.projects}
        for event in Swarm(self.seed).burst(self.events, projects=len(self.projects)):
            told[event["project_id"]].append(event)
        return told

    def keys(self, project_id: str, wanted: Wanted = everything) -> list[Key]:
        """Return the keys of a project's events, of those that are wanted, in order."""
        return [(project_id, int(event["key"])) for event in self.told[project_id] if wanted(event)]

    def last(self, projects: Sequence[str], wanted: Wanted = everything) -> dict[str, Key]:
        """Return the last key of each of these projects."""
        return {project_id: self.keys(project_id, wanted)[-1] for project_id in projects}

    def publishing(self, amqp: str, folder: Path, *, rate: int, batch: int = 20) -> "Publishing":
        """Return who publishes them to RabbitMQ; use it as `with`."""
        return Publishing(self, amqp, folder, rate=rate, batch=batch)

    async def publish(self, amqp: str, folder: Path, *, rate: int) -> str:
        """Publish all and return what it said; raises AssertionError unless everything was confirmed, in order."""
        with self.publishing(amqp, folder, rate=rate) as publishing:
            return await publishing.end()


class Publishing:
    """A publisher that can be told to wait."""

    def __init__(self, load: Load, amqp: str, folder: Path, *, rate: int, batch: int) -> None:
        self.load = load
        self.batch = batch
        self.journal = folder / "confirmed.ndjson"
        self.process = Process(
            [
                sys.executable, "-m", "relayd", "simulate", "--events", str(load.events),
                "--projects", str(len(load.projects)), "--seed", str(load.seed), "--rate", str(rate),
                "--batch", str(batch), "--amqp", amqp, "--journal", str(self.journal),
            ],
            folder=folder,
            name="simulate",
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Begin to publish."""
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop publishing."""
        self.process.kill()

    @property
    def confirmed(self) -> int:
        """How many events were confirmed by now."""
        return self.journal.read_bytes().count(b"\n") if self.journal.exists() else 0

    async def until_confirmed(self, events: int, *, seconds: float = 60) -> None:
        """Return when so many events were confirmed, or all of them; raises AssertionError when time is up."""
        deadline = time.monotonic() + seconds
        while self.confirmed < min(events, self.load.events):
            assert time.monotonic() < deadline, self.process.output
            await asyncio.sleep(0.02)

    def pause(self) -> None:
        """Let it wait."""
        self.process.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self.process.send(signal.SIGCONT)

    @asynccontextmanager
    async def keeping_back(self, events: int) -> AsyncIterator[None]:
        """Let the last so many events wait until the block ends, however long it takes: some flow behind it, too."""

        async def keep() -> None:
            while self.confirmed < self.load.events - events:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.1)
            self.pause()

        keeping = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
            self.go_on()

    async def end(self) -> str:
        """Return what it said at its end; raises AssertionError unless everything was confirmed, in order."""
        assert self.process.child is not None
        status = await asyncio.to_thread(self.process.child.wait)
        assert status == 0, self.process.output
        assert {project_id: self.load.keys(project_id) for project_id in self.load.projects} == self._noted()
        return self.process.output.strip()

    async def stop(self) -> tuple[Load, set[Key]]:
        """
        End it in the middle, and return what it has published and those keys of it that nobody confirmed.

        Raises AssertionError when it has ended before, or has not confirmed in order.
        """
        assert self.process.alive, self.process.output
        await asyncio.to_thread(self.process.stop)
        # One body at most was on its way, or half noted.
        load = Load(self.confirmed + self.batch, projects=len(self.load.projects), seed=self.load.seed)
        confirmed = self._noted()
        unsure: set[Key] = set()
        for project_id in load.projects:
            keys, sure = load.keys(project_id), confirmed[project_id]
            assert keys[: len(sure)] == sure
            unsure.update(keys[len(sure) :])
        return load, unsure

    def _noted(self) -> dict[str, list[Key]]:
        """Return the keys of the confirmed events by project, in the order in which they were confirmed."""
        noted: dict[str, list[Key]] = {project_id: [] for project_id in self.load.projects}
        for line in self.journal.read_text(encoding="utf-8").split("\n")[:-1]:
            event = json.loads(line)
            noted[event["project_id"]].append((event["project_id"], event["seq"]))
        return noted
