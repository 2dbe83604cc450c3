"""
A random course of faults under load, and what is true behind it.

The seed decides which strike comes when and how long it lasts; the same seed gives the same course again, as far as two
cores are ever the same twice.  Behind it everything is whole again, the swarm tells a last event of each project, and
the total-queue checker compares what was confirmed with what each viewer saw.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from random import Random
from typing import Self

from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from relayd.telemetry import events
from tests.faults.scene import LAST, Scene
from tests.faults.strikes import Lanes, Strike
from tests.harness.checker import Key, Report, check
from tests.harness.viewer import log

__all__ = ["Course", "Told"]

LOOK_SECONDS = 0.02
BACK_SECONDS = 120
"""Longest wait for everything to be whole again; a busy machine is slow."""

KINDS = ("lost", "repeated", "reordered", "unexpected")
NO_FAULT = "no fault"

FAULTS_OF_OURS = (events.INCIDENT_HAPPENED, events.JOURNAL_FAILED, events.LOG_BROKE)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What happened, and what became of what was confirmed."""

    seed: int
    strikes: Counter[str]
    seconds: float
    rate: int
    """Events a second that were asked for."""
    confirmed: int
    viewers: int
    seen: int
    connections: int
    pauses: Mapping[str, float]
    """The longest time in which nobody saw an event, in seconds, by the faults that it fell together with."""
    reports: Mapping[str, Report]

    @property
    def broken(self) -> dict[str, str]:
        """What the checker says of those who missed something or were told a gap, by `viewer/project`."""
        return {name: str(report) for name, report in self.reports.items() if report.verdict != "whole"}

    def __str__(self) -> str:
        """Return the figures in a few lines."""
        reports = self.reports.values()
        verdict = ", ".join(f"{sum(len(getattr(report, kind)) for report in reports)} {kind}" for kind in KINDS)
        struck = ", ".join(f"{count} {name}" for name, count in sorted(self.strikes.items()))
        pauses = sorted(self.pauses.items(), key=lambda item: -item[1])
        return (
            f"seed {self.seed}: {self.strikes.total()} strikes in {self.seconds:.0f} s: {struck}\n"
            f"load {self.confirmed / self.seconds:.0f} of {self.rate} events/s held, {self.confirmed} confirmed; "
            f"{self.viewers} viewers saw {self.seen} over {self.connections} connections\n"
            f"longest pauses, in s: {', '.join(f'{seconds:.1f} {name}' for name, seconds in pauses)}\n"
            f"{verdict}, {sum(report.gaps for report in reports)} gaps"
        )


class Course:
    """Strikes at a scene, and judges it in the end."""

    def __init__(self, scene: Scene, *, seed: int) -> None:
        self.scene = scene
        self.seed = seed
        self.strikes: Counter[str] = Counter()
        self.pauses: dict[str, float] = {}
        self._now: Counter[str] = Counter()
        self._began = time.monotonic()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Self]:
        """Look for pauses until the block ends."""
        watching = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            watching.cancel()

    @contextmanager
    def noted(self, name: str) -> Iterator[None]:
        """Note a strike that lasts as long as the block."""
        self._now[name] += 1
        self.strikes[name] += 1
        yield
        self._now[name] -= 1

    async def run(self, lanes: Lanes, *, rounds: int = 1, seconds: float = 0, rest: float | None) -> Told:
        """
        Strike in all lanes at once, until each went through all it has so often and the time is over; then judge.

        After a strike its lane waits until events flow, and up to `rest` seconds more; with None it goes on at once.
        Raises AssertionError when something does not come back, or when the relay tells of a fault of its own.
        """
        async with self.watched(), asyncio.TaskGroup() as group:
            for name, strikes in lanes.items():
                group.create_task(self._strike(name, strikes, rounds=rounds, seconds=seconds, rest=rest))
        return await self.judge()

    async def flow(self, events: int) -> None:
        """Return when viewers have seen so many more events that were confirmed from now on."""
        audience, publishing = self.scene.audience, self.scene.publishing
        await publishing.until_confirmed(publishing.confirmed + 1, seconds=BACK_SECONDS)
        await audience.until_seen(audience.events + events, seconds=BACK_SECONDS)

    async def judge(self) -> Told:
        """End the load once the relay is ready, let the viewers see its end, and return what became of it all."""
        await self._whole_again()
        took = time.monotonic() - self._began
        return await self._told(took)

    async def _strike(
        self, lane: str, strikes: Mapping[str, Strike], *, rounds: int, seconds: float, rest: float | None
    ) -> None:
        random = Random(f"{self.seed}/{lane}")
        done = 0
        while done < rounds or time.monotonic() - self._began < seconds:
            # Each once before any comes again: a short course leaves nothing out.
            for name in random.sample(sorted(strikes), len(strikes)):
                with self.noted(name):
                    await strikes[name](self.scene, random)
                    if rest is not None:
                        await self.flow(1)
                if rest is not None:
                    await asyncio.sleep(random.uniform(0, rest))
                self.scene.audience.ask()
            done += 1

    async def _watch(self) -> None:
        """Look how long nobody sees anything."""
        seen, since, faults = 0, time.monotonic(), Counter[str]()
        while True:
            now = time.monotonic()
            faults |= +self._now
            for name in faults or {NO_FAULT}:
                self.pauses[name] = max(self.pauses.get(name, 0.0), now - since)
            if (events_seen := self.scene.audience.events) != seen:
                seen, since, faults = events_seen, now, Counter[str]()
            await asyncio.sleep(LOOK_SECONDS)

    async def _whole_again(self) -> None:
        relay = self.scene.relay
        deadline = time.monotonic() + BACK_SECONDS
        while await asyncio.to_thread(relay.probe, "/readyz") != 200:
            assert time.monotonic() < deadline, relay.log[-5_000:]
            assert relay.process.alive, relay.process.output
            await asyncio.sleep(LOOK_SECONDS)

    async def _told(self, took: float) -> Told:
        scene = self.scene
        load, unsure = await scene.publishing.stop()
        confirmed = sum(len(load.keys(project_id)) for project_id in load.projects) - len(unsure)
        await self._say_last(load.projects)
        await scene.audience.until_done(seconds=BACK_SECONDS)
        faults = [line for line in scene.relay.lines if line["event"] in FAULTS_OF_OURS]
        assert [] == faults, "\n".join(map(str, faults))
        onlookers = scene.audience.onlookers
        published: dict[str, list[Key]] = {name: [*load.keys(name), (name, LAST)] for name in load.projects}
        return Told(
            seed=self.seed,
            strikes=self.strikes,
            seconds=took,
            rate=scene.rate,
            confirmed=confirmed,
            viewers=len(onlookers),
            seen=scene.audience.events,
            connections=sum(one.legs - one.away for one in onlookers),
            pauses=self.pauses,
            reports={
                f"{one.name}/{project_id}": check(published[project_id], seen, unconfirmed=unsure)
                for one in onlookers
                for project_id, seen in one.seen.items()
            },
        )

    async def _say_last(self, projects: list[str]) -> None:
        url = self.scene.relay.rabbitmq
        async with Publisher(RabbitSettings.model_validate({"url": url})) as publisher:
            for project_id in projects:
                event = log(project_id, "the end", key=str(LAST))
                await publisher.publish(project_id, event["type"], json.dumps(event).encode())
