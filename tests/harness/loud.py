"""Projects that say more than a slow viewer can read, and viewers who are slow by what was said, not by the clock."""

import asyncio
import json
import time
from functools import cached_property

from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from relayd.sources.swarm import Swarm
from tests.harness.audience import Manner, VanishedError
from tests.harness.load import Load
from tests.harness.settled import Event

__all__ = ["Loud", "dozing", "stuck", "vanishing"]

BODY = 20
"""Events in a body."""

PADDED = {"workflow_log": "message", "project_progress": "message", "agent_status_update": "task"}


class Loud(Load):
    """So many large events, in turn of some projects of its own, published by the test's own process."""

    def __init__(self, events: int, *, projects: int, seed: int, nbytes: int) -> None:
        super().__init__(events, projects=projects, seed=seed)
        self.projects = [f"loud-{number + 1}" for number in range(projects)]
        self.nbytes = nbytes
        self.published = 0
        """So many events of all projects together were confirmed."""
        self._news = asyncio.Condition()

    @cached_property
    def told(self) -> dict[str, list[Event]]:
        """The events by project."""
        told: dict[str, list[Event]] = {project_id: [] for project_id in self.projects}
        for event in self.burst():
            told[event["project_id"]].append(event)
        return told

    def burst(self) -> list[Event]:
        """Return the events in the order in which they are published."""
        events = []
        for event in Swarm(self.seed).burst(self.events, projects=len(self.projects)):
            padded = PADDED.get(event["type"])
            text = {padded: event[padded].ljust(self.nbytes, ".")} if padded else {}
            events.append({**event, **text, "project_id": event["project_id"].replace("load-", "loud-")})
        return events

    async def publish_all(self, amqp: str, *, rate: float) -> None:
        """Publish all of them, each body once the one before is confirmed."""
        events = self.burst()
        settings = RabbitSettings.model_validate({"url": amqp})
        began = time.monotonic()
        async with Publisher(settings) as publisher:
            for start in range(0, len(events), BODY):
                await asyncio.sleep(max(0.0, began + start / rate - time.monotonic()))
                body = events[start : start + BODY]
                await publisher.publish(body[0]["project_id"], body[0]["type"], json.dumps(body).encode())
                await self.confirm(len(body))

    async def confirm(self, events: int) -> None:
        """Let everybody know that so many more are confirmed."""
        async with self._news:
            self.published += events
            self._news.notify_all()

    async def until_published(self, events: int) -> None:
        """Return when so many events of all projects together are confirmed, or all of them."""
        async with self._news:
            await self._news.wait_for(lambda: self.published >= min(events, self.events))


def dozing(loud: Loud, *, reads: int, misses: int) -> Manner:
    """Return the manner of one that reads so many messages and then none while so many of its project are published."""

    async def doze(heard: int) -> None:
        if heard % reads == 0:
            await loud.until_published(loud.published + misses * len(loud.projects))

    return doze


def stuck(freed: asyncio.Event, *, reads: int) -> Manner:
    """Return the manner of one that reads so many messages and then none at all until it is freed."""

    async def stare(heard: int) -> None:
        if heard >= reads:
            await freed.wait()

    return stare


def vanishing(*, reads: int) -> Manner:
    """Return the manner of one that reads so many messages and is gone."""

    async def vanish(heard: int) -> None:
        if heard >= reads:
            raise VanishedError
        await asyncio.sleep(0)

    return vanish
