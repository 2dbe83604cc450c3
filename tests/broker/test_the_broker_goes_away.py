"""RabbitMQ is not there yet: the relay says so, serves what it has, and goes on when it comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.settled import Tables
from tests.harness.viewer import log, watch

QUICK: Tables = {"sources.rabbitmq": {"backoff_seconds": 1.0, "recreate_window_seconds": 30.0}}
"""An outage of a test is short, so the pauses between two attempts are."""


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
                status, sentence = relay.readiness()
                assert 503 == status
                assert f"RabbitMQ at 127.0.0.1:{rabbitmq.port}: " in sentence
                assert "refused" in sentence.lower()
                await rabbitmq.ctl_async("start_app")
                await until(lambda: relay.readiness() == (200, ""))
                await relay.publish(log("p", "after"))
                assert ["after"] == await viewer.lines(1)
