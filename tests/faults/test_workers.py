"""A broker that is killed and comes back under what workers publish: nothing is lost, or it is told how much."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relayd.worker.publisher import SwarmPublisher
from tests.faults.scene import NIMBLE
from tests.harness.checker import GAP, Gap, Key, check
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.viewer import Viewer, log, watch

LAST = "the last one"
TOLD = re.compile(r"(\d+) events gave way to newer ones while the broker was away")


class Worker:
    """Publishes numbered lines of a project without a pause until it is told to end."""

    def __init__(self, swarm: SwarmPublisher, project_id: str) -> None:
        self.swarm = swarm
        self.project_id = project_id
        self.said = 0
        self._over = False

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Work until the block ends; then all is said and confirmed."""
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            self._over = True
            await work
        await self.swarm.publish(log(self.project_id, LAST))
        await self.swarm.flush(seconds=60)

    async def _work(self) -> None:
        while not self._over:
            await self.swarm.publish(log(self.project_id, str(self.said)))
            self.said += 1
            await asyncio.sleep(0.001)


async def seen(viewer: Viewer) -> list[str | Gap]:
    """Return all lines that came, up to the last one, and gaps where one was told."""
    lines: list[str | Gap] = []
    while lines[-1:] != [LAST]:
        message = await viewer.message()
        if message["type"] == "workflow_log":
            lines.append(message["message"])
        elif message.get("replay") == "gap":
            lines.append(GAP)
    return lines


@pytest.mark.long
async def test_a_broker_that_is_killed_takes_nothing_along(rabbitmq: PrivateRabbit, amqp: str) -> None:
    """With `block` a viewer sees each event once; with `drop_oldest` what gave way is counted and told, to a digit."""
    async with PrivateRelay(NIMBLE, rabbitmq=amqp) as relay:
        async with (
            watch(relay, "patient") as patient,
            watch(relay, "hasty") as hasty,
            SwarmPublisher(amqp, buffer=100) as one,
            SwarmPublisher(amqp, buffer=100, when_full="drop_oldest") as other,
        ):
            waits, drops = Worker(one, "patient"), Worker(other, "hasty")
            async with waits.at_work(), drops.at_work():
                await until(lambda: min(waits.said, drops.said) > 200)
                await rabbitmq.kill_async()
                before = waits.said
                await until(lambda: drops.said > before + 500)
                await rabbitmq.start_async()
                # Both have published through the outage, and go on behind it.
                began = waits.said, drops.said
                await until(lambda: waits.said > began[0] + 300 and drops.said > began[1] + 300, seconds=60)
            whole, holed = await seen(patient), await seen(hasty)
        published: list[Key] = [*map(str, range(waits.said)), LAST]
        assert "whole" == check(published, whole).verdict, str(check(published, whole))
        assert 0 == one.lost

        told = [int(match[1]) for line in holed if isinstance(line, str) and (match := TOLD.fullmatch(line))]
        kept = [line for line in holed if isinstance(line, Gap) or not TOLD.fullmatch(line)]
        assert other.lost == sum(told) > 0
        everything: list[Key] = [*map(str, range(drops.said)), LAST]
        report = check(everything, kept)
        assert (sum(told), [], [], [], 0) == (
            len(report.lost),
            report.repeated,
            report.reordered,
            report.unexpected,
            report.gaps,
        )
