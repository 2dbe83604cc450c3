"""RabbitMQ is not there yet, goes away, comes back: the relay says so, serves what it has, and loses nothing."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.audience import TRANSPORTS, Audience
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.load import Load
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.settled import Tables
from tests.harness.viewer import log, watch

QUICK: Tables = {"sources.rabbitmq": {"backoff_seconds": 1.0, "recreate_window_seconds": 30.0}}
"""An outage of a test is short, so the pauses between two attempts are."""


def readiness(relay: PrivateRelay) -> tuple[int, str]:
    """Return the status of `/readyz`, and what it says of the source."""
    try:
        with urllib.request.urlopen(f"{relay.admin_url}/readyz", timeout=5) as answer:  # noqa: S310 - our own
            return answer.status, json.loads(answer.read())["reasons"].get("source", "")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["reasons"].get("source", "")


@asynccontextmanager
async def stopped(rabbitmq: PrivateRabbit) -> AsyncIterator[None]:
    """Stop the broker; whatever happens, those who come later find it running."""
    await rabbitmq.ctl_async("stop_app")
    try:
        yield
    finally:
        await rabbitmq.ctl_async("start_app")


async def test_a_relay_waits_for_its_broker(rabbitmq: PrivateRabbit, amqp: str) -> None:
    """Started while nobody listens there it serves history, says what is missing, and goes on when the broker comes."""
    async with PrivateRelay(QUICK, rabbitmq=amqp) as relay:
        await relay.publish([log("p", f"before {number}") for number in range(3)])
        async with watch(relay, "p") as viewer:
            assert ["before 0", "before 1", "before 2"] == await viewer.lines(3)
        assert 0 == await relay.stop_async()
        async with stopped(rabbitmq):
            before = len(relay.lines)
            await relay.start_async(ready=False)
            # The operators' listener answers first.
            await asyncio.to_thread(relay.wait_for_line, "started", after=before)
            async with watch(relay, "p") as viewer:
                assert ["before 0", "before 1", "before 2"] == await viewer.lines(3)
                status, sentence = readiness(relay)
                assert 503 == status
                assert f"RabbitMQ at 127.0.0.1:{rabbitmq.port}: " in sentence
                assert "refused" in sentence.lower()
                await rabbitmq.ctl_async("start_app")
                await until(lambda: readiness(relay) == (200, ""))
                await relay.publish(log("p", "after"))
                assert ["after"] == await viewer.lines(1)


async def test_a_broker_that_restarts_under_load_costs_nothing(
    rabbitmq: PrivateRabbit, amqp: str, tmp_path: Path, seed: int
) -> None:
    """The publisher repeats what was not confirmed, the relay recognises it, and viewers notice but a pause."""
    load = Load(3_000, projects=10, seed=seed)
    async with PrivateRelay(QUICK, rabbitmq=amqp) as relay, Audience(relay, seed=seed) as audience:
        for project_id in load.projects:
            for transport in TRANSPORTS:
                audience.admit(f"{transport}-{project_id}", [transport], load.last([project_id]))
        await audience.until_present()
        with load.publishing(amqp, tmp_path, rate=800) as publishing:
            await audience.until_seen(load.events)
            stopping = asyncio.create_task(rabbitmq.ctl_async("stop_app"))
            # The command takes seconds to get there; some of the load is kept for afterwards.
            await until(lambda: stopping.done() or publishing.confirmed > 2_000)
            publishing.pause()
            await stopping
            publishing.go_on()
            assert 503 == readiness(relay)[0]
            await rabbitmq.ctl_async("start_app")
            await publishing.end()
        await audience.until_done()
        assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
        assert 0 == sum(one.away for one in audience.onlookers)
        await until(lambda: readiness(relay) == (200, ""))
