"""RabbitMQ restarts, is killed, or takes a channel away: viewers stay connected, and what was confirmed is shown."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relayd.rabbitmq.settings import RabbitSettings
from tests.faults.scene import NIMBLE, through
from tests.harness.audience import TRANSPORTS, Audience
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.load import Load, Publishing
from tests.harness.proxy import Proxy
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.settled import Tables
from tests.harness.stream import Stream
from tests.harness.viewer import log, watch

PATIENCE = "application:set_env(rabbit, consumer_timeout, {}), application:set_env(rabbit, channel_tick_interval, {})."
"""How long the broker bears a consumer that acknowledges nothing, and how often it looks; in ms."""


TOO_LATE = "timed out waiting for delivery acknowledgement"
"""What the broker logs then."""

STEADY: Tables = {"sources.rabbitmq": {"backoff_seconds": 1.0}}
"""With the usual heartbeat: a relay that freezes for two seconds keeps its connection."""


def everybody(audience: Audience, load: Load) -> None:
    """Let in viewers of each project over each transport, and one of all over one socket."""
    for project_id in load.projects:
        for transport in TRANSPORTS:
            audience.admit(f"{transport}-{project_id}", [transport], load.last([project_id]))
    audience.admit("many", ["many"], load.last(load.projects))


@pytest.mark.parametrize("restarted", ["in order", "after a kill"])
async def test_a_broker_that_restarts_under_load_costs_nothing(
    rabbitmq: PrivateRabbit, amqp: str, tmp_path: Path, seed: int, restarted: str
) -> None:
    """The publisher repeats what was not confirmed, the relay recognises it, and viewers notice but a pause."""
    load = Load(3_000, projects=10, seed=seed)
    async with PrivateRelay(NIMBLE, rabbitmq=amqp) as relay, Audience(relay, seed=seed) as audience:
        everybody(audience, load)
        await audience.until_present()
        with load.publishing(amqp, tmp_path, rate=800) as publishing:
            await audience.until_seen(load.events)
            if restarted == "in order":
                await stop(rabbitmq, publishing)
            else:
                await rabbitmq.kill_async()
            await until(lambda: relay.readiness()[0] == 503)
            if restarted == "in order":
                await rabbitmq.ctl_async("start_app")
            else:
                await rabbitmq.start_async()
            await publishing.end()
        await audience.until_done()
        assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
        assert 0 == sum(one.away for one in audience.onlookers)
        await until(lambda: relay.readiness() == (200, ""))


async def stop(rabbitmq: PrivateRabbit, publishing: Publishing) -> None:
    """Stop the broker; some of the load is kept for afterwards, because the command takes seconds to get there."""
    stopping = asyncio.create_task(rabbitmq.ctl_async("stop_app"))
    await until(lambda: stopping.done() or publishing.confirmed > 2_000)
    publishing.pause()
    await stopping
    publishing.go_on()


@asynccontextmanager
async def impatient(rabbitmq: PrivateRabbit) -> AsyncIterator[None]:
    """Let the broker close channels, opened from now on, that acknowledge nothing for a second, not half an hour."""
    await rabbitmq.ctl_async("eval", PATIENCE.format(1_000, 200))
    try:
        yield
    finally:
        await rabbitmq.ctl_async("eval", PATIENCE.format(1_800_000, 60_000))


async def test_a_closed_channel_is_opened_again(rabbitmq: PrivateRabbit, amqp: str, tmp_path: Path, seed: int) -> None:
    """A relay that gets no CPU acknowledges nothing, and the broker closes its channel (406): viewers see a pause."""
    load = Load(2_000, projects=4, seed=seed)
    async with (
        impatient(rabbitmq),
        PrivateRelay(STEADY, rabbitmq=amqp) as relay,
        Audience(relay, seed=seed) as audience,
    ):
        everybody(audience, load)
        await audience.until_present()
        pid, told = relay.process.pid, len(rabbitmq.log)
        with load.publishing(amqp, tmp_path, rate=400) as publishing:
            await audience.until_seen(load.events)
            relay.process.send(signal.SIGSTOP)
            await until(lambda: TOO_LATE in rabbitmq.log[told:])
            relay.process.send(signal.SIGCONT)
            await publishing.end()
        await audience.until_done()
        assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
        assert 0 == sum(one.away for one in audience.onlookers)
        assert pid == relay.process.pid
        await until(lambda: relay.readiness() == (200, ""))


async def test_a_stream_that_is_other_than_configured_is_named(rabbitmq: PrivateRabbit, amqp: str) -> None:
    """A refused declaration (406) is tried again and again, and told with its mend; mended, the relay reads."""
    other = RabbitSettings.model_validate({"url": amqp, "max_age": "1h"})
    async with (
        Proxy(rabbitmq.port) as wire,
        Stream(other) as stream,
        declared(stream),
        PrivateRelay(NIMBLE, rabbitmq=through(amqp, wire)).answering() as relay,
    ):
        pid = relay.process.pid
        await until(lambda: wire.accepted >= 4)
        status, sentence = relay.readiness()
        assert 503 == status
        assert "queue relayd.events exists with another x-max-age; set `max_age`" in sentence
        assert "trying again" in sentence
        await stream.delete()
        await until(lambda: relay.readiness() == (200, ""))
        async with watch(relay, "p") as viewer:
            await relay.publish(log("p", "mended"))
            assert ["mended"] == await viewer.lines(1)
        assert pid == relay.process.pid


@asynccontextmanager
async def declared(stream: Stream) -> AsyncIterator[None]:
    """Make the stream before the relay does."""
    await stream.declare()
    yield
