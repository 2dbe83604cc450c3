"""
The broker is there, and nothing comes: the worst that can happen to a relay, for it looks like a quiet night.

Half-open connections, a consumer that the broker forgot, deliveries that stay on the way, alarms that stop whoever
publishes, a binding that is gone.  Each is found, told, and costs no event.
"""

import asyncio
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import setup
from relayd.testing.world import RecordingObserver
from tests.harness.audience import TRANSPORTS, Audience
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import Follower, until
from tests.harness.load import Load
from tests.harness.proxy import Direction, Proxy
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.settled import Tables
from tests.harness.stream import QUICK, Stream
from tests.harness.viewer import log, watch
from tests.harness.withholding import Withholding

HEARTBEAT = 1
"""Seconds; whoever hears nothing for three times that and a little gives the connection up."""

DIRECTIONS: list[tuple[Direction, ...]] = [("asked",), ("answered",), ("asked", "answered")]


@pytest.fixture
async def stream(amqp_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Stream]:
    """Give a stream of this test's own, bound to its exchange."""
    name = re.sub(r"\W+", "-", request.node.name)
    settings = RabbitSettings.model_validate({"url": amqp_url, "queue": name, "exchange": f"{name}-exchange", **QUICK})
    await setup(amqp_url, settings)
    async with Stream(settings) as stream:
        yield stream


def reading(url: str, proxy: Proxy | None = None, **more: object) -> Tables:
    """Return how a relay reads, quickly and through a proxy."""
    if proxy is not None:
        url = through(RabbitSettings.model_validate({"url": url}), proxy).get_secret_value()
    quick = {"backoff_seconds": 0.5, "silence_seconds": 1.0, "canary_seconds": 0.5, "stalled_seconds": 2.0}
    return {"sources.rabbitmq": {**quick, "url": url, **more}}


def through(settings: RabbitSettings, proxy: Proxy) -> SecretStr:
    """Return the URL of a proxy in front of the broker."""
    return SecretStr(re.sub(r":\d+/", f":{proxy.port}/", settings.url.get_secret_value()))


def readiness(relay: PrivateRelay) -> tuple[int, dict[str, Any]]:
    """Return status and answer of `/readyz`."""
    try:
        with urllib.request.urlopen(f"{relay.admin_url}/readyz", timeout=5) as answer:  # noqa: S310 - our own
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def note(relay: PrivateRelay) -> str:
    """Return what is amiss at the source of a relay that is ready."""
    status, answer = readiness(relay)
    return str(answer["notes"].get("source", "")) if status == 200 else ""


def canaries(relay: PrivateRelay) -> float:
    """Return how many came back."""
    return relay.metric("relayd_canary_roundtrip_seconds_count")


def numbered(first: int, last: int) -> list[bytes]:
    """Return bodies that tell their number."""
    return [b'{"n":%d}' % number for number in range(first, last)]


@pytest.mark.parametrize("directions", DIRECTIONS, ids="+".join)
async def test_a_half_open_connection_is_left_and_nothing_is_lost(
    rabbitmq: PrivateRabbit, amqp: str, tmp_path: Path, directions: tuple[Direction, ...]
) -> None:
    """
    Nothing gets through to the broker, from it, or either way, under load, and nobody closes anything.

    Heartbeats tell it, long before a stall would count; the relay comes back and every viewer has every event.
    """
    load = Load(3_000, projects=5, seed=len(directions))
    async with Proxy(rabbitmq.port) as proxy:
        tables = reading(amqp, proxy, heartbeat=HEARTBEAT, stalled_seconds=120, connect_seconds=2)
        async with PrivateRelay(tables, rabbitmq=amqp) as relay, Audience(relay, seed=load.seed) as audience:
            for project_id in load.projects:
                for transport in TRANSPORTS:
                    audience.admit(f"{transport}-{project_id}", [transport], load.last([project_id]))
            await audience.until_present()
            with load.publishing(amqp, tmp_path, rate=300) as publishing:
                await audience.until_seen(load.events)
                with proxy.swallowing(*directions):
                    began = time.monotonic()
                    await until(lambda: relay.probe("/readyz") == 503)
                    noticed = time.monotonic() - began
                await asyncio.to_thread(relay.wait_for_line, "source_detached")
                why = [line["detail"] for line in relay.lines if line["event"] == "source_detached"]
                print(f"{'+'.join(directions)}: noticed after {noticed:.1f} s: {why}")  # noqa: T201  # `pytest -s`
                if "answered" in directions:
                    assert ["no sign of life in time"] == why
                await publishing.end()
            await audience.until_done()
            assert {} == audience.broken(lambda _, project_id: load.keys(project_id))
            assert 0 == sum(one.away for one in audience.onlookers)
            assert 1 <= relay.metric('relayd_reconnects_total{cause="connection"}')
            assert 0 == relay.metric('relayd_reconnects_total{cause="stalled"}')
            assert 1 == relay.metric("relayd_consumer_up")


@pytest.mark.parametrize(
    "how", [{"head_seconds": 0.3}, {"head_seconds": 3_600, "canary_seconds": 0.2}], ids=["by looking", "by a canary"]
)
async def test_a_consumer_that_the_broker_forgot_is_found(
    rabbitmq: PrivateRabbit, stream: Stream, how: dict[str, float]
) -> None:
    """The connection is well, heartbeats come, other channels answer: only nothing is delivered."""
    source, observer = stream.source(stalled_seconds=1.0, **how), RecordingObserver()
    source.report_to(observer)

    def events() -> list[bytes]:
        return [body for body in reader.bodies if body]

    async with Follower(source) as reader:
        await stream.say(numbered(0, 3))
        await reader.until(lambda: events() == numbered(0, 3))
        await reader.until_state(lambda: source.state().caught_up)
        async with rabbitmq.forgetting_consumers(stream.settings.vhost):
            await stream.say(numbered(3, 5))
            await reader.until(lambda: events() == numbered(0, 5))
            ((cause, sentence),) = observer.of("detached")
            assert "stalled" == cause
            assert re.match(rf"{stream.settings.queue} goes on behind offset \d+, and nothing came for \d+ s", sentence)
    assert [] == reader.breaks


async def test_deliveries_that_stay_on_the_way_make_no_gap(rabbitmq: PrivateRabbit, amqp: str) -> None:
    """On no connection anything is delivered: that is told, tried again, and never taken for an empty log."""
    async with Withholding(rabbitmq.port) as proxy:
        tables = reading(amqp, proxy, head_seconds=0.5)
        async with PrivateRelay(tables, rabbitmq=amqp) as relay, watch(relay, "p") as viewer:
            await relay.publish(log("p", "before"))
            assert ["before"] == await viewer.lines(1)
            proxy.withholds = True
            await relay.publish(log("p", "during"))
            await until(lambda: relay.metric('relayd_reconnects_total{cause="stalled"}') >= 3, seconds=60)
            status, answer = readiness(relay)
            assert 503 == status
            assert re.search(r"holds \d+ messages and hands out none; trying again", answer["reasons"]["source"])
            assert (0, 0) == (relay.metric("relayd_consumer_up"), relay.metric("relayd_stream_epoch_changes_total"))
            assert relay.metric("relayd_stream_lag_seconds") > 2
            proxy.withholds = False
            assert ["during"] == await viewer.lines(1)
            await until(lambda: readiness(relay) == (200, {"ready": True, "reasons": {}, "notes": {}}))
            assert (1, 0) == (relay.metric("relayd_consumer_up"), relay.metric("relayd_stream_epoch_changes_total"))


async def test_silence_is_never_taken_for_an_empty_log(rabbitmq: PrivateRabbit, stream: Stream) -> None:
    """By looks alone, for this relay sends no canaries; nor where the broker has not yet counted what it holds."""
    observer, settings = RecordingObserver(), stream.settings
    async with Withholding(rabbitmq.port) as proxy:
        source = stream.source(url=through(settings, proxy), stalled_seconds=0.5)
        source.report_to(observer)
        async with Follower(source) as reader:
            await stream.say(numbered(0, 3))
            await reader.until_count(3)
            proxy.withholds = True
            await stream.say(numbered(3, 5))
            await until(lambda: observer.of("detached") != [])
            await rabbitmq.forget_count(settings.vhost, settings.queue)
            already = len(observer.of("detached"))
            await until(lambda: len(observer.of("detached")) > already + 1)
            assert {"stalled"} == {cause for cause, _ in observer.of("detached")}
            proxy.withholds = False
            await reader.until_count(5)
    assert (numbered(0, 5), []) == (reader.bodies, reader.breaks)


class Timed(RecordingObserver):
    """Remembers for how long the log was not read."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._since = 0.0

    def attached(self, detail: str) -> None:
        super().attached(detail)
        if self._since:
            self.pauses.append(time.monotonic() - self._since)

    def detached(self, cause: str, detail: str) -> None:
        super().detached(cause, detail)
        self._since = time.monotonic()


async def test_a_stall_that_stays_is_tried_ever_more_seldom(rabbitmq: PrivateRabbit, stream: Stream) -> None:
    """To be subscribed is no success as long as nothing comes."""
    await stream.say(numbered(0, 3))
    channel = await stream.channel.get_underlay_channel()
    while not (await channel.queue_declare(stream.settings.queue, passive=True)).message_count:  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(0.1)
    async with Withholding(rabbitmq.port) as proxy:
        proxy.withholds = True
        changes = {"stalled_seconds": 0.2, "head_seconds": 0.1, "backoff_seconds": 10.0}
        source, observer = stream.source(url=through(stream.settings, proxy), **changes), Timed()
        source.report_to(observer)
        async with Follower(source) as reader:
            await until(lambda: len(observer.pauses) >= 5)
            assert source.state().stalled
            proxy.withholds = False
            await reader.until_count(3)
            await until(lambda: not source.state().stalled)
    # Drawn between 0.8 and 1.6 s, after one of at most 0.1 s; a slow machine makes it longer, never shorter.
    assert 0.8 < observer.pauses[4]


@pytest.mark.parametrize("kind", ["memory", "disk"])
async def test_an_alarm_stops_who_publishes_and_nobody_who_reads(rabbitmq: PrivateRabbit, amqp: str, kind: str) -> None:
    """A relay that starts meanwhile reads the log and is ready; its one canary waits, and that is told once."""
    async with Proxy(rabbitmq.port) as proxy:
        tables = reading(amqp, proxy, stalled_seconds=1.0)
        async with PrivateRelay(tables, rabbitmq=amqp) as relay:
            await until(lambda: canaries(relay) >= 1)
            assert 0 == await relay.stop_async()
            for number in range(20):
                await relay.publish(log("p", f"{number}"))
            async with rabbitmq.alarmed(kind):
                accepted = proxy.accepted
                await relay.start_async()
                async with watch(relay, "p") as viewer:
                    assert [f"{number}" for number in range(20)] == await viewer.lines(20)
                await until(lambda: "alarm" in note(relay))
                assert "rabbitmq-diagnostics alarms" in note(relay)
                last = relay.metric("relayd_canary_last_success_timestamp_seconds")
                # Ten intervals later it is still one canary that waits, on the one connection that was opened for it.
                await until(lambda: time.time() - last > 5)
                assert 1 == relay.metric('relayd_canary_missed_total{cause="unconfirmed"}')
                assert (200, 2, 1) == (
                    readiness(relay)[0],
                    proxy.accepted - accepted,
                    relay.metric("relayd_consumer_up"),
                )
            await until(lambda: canaries(relay) >= 2)
            assert (200, "") == (readiness(relay)[0], note(relay))
            await relay.publish(log("p", "after"))
            async with watch(relay, "p") as viewer:
                assert "after" == (await viewer.lines(21))[-1]
            told = [line["event"] for line in relay.lines if line["event"].startswith("canary_")]
            assert ["canary_missed", "canary_returned"] == told


async def test_a_binding_that_is_gone_is_told(rabbitmq: PrivateRabbit, amqp: str) -> None:
    """What workers publish goes nowhere, and the relay is ready for those who look at what there is."""
    settings = RabbitSettings()
    async with PrivateRelay(reading(amqp), rabbitmq=amqp) as relay, Stream(settings.at(amqp)) as stream:
        await until(lambda: canaries(relay) >= 1)
        channel = await stream.channel.get_underlay_channel()
        await channel.queue_unbind(settings.queue, settings.exchange, "#")
        await until(lambda: "relayd rabbitmq setup" in note(relay))
        assert 1 <= relay.metric('relayd_canary_missed_total{cause="unroutable"}')
        assert 1 == relay.metric("relayd_consumer_up")
        await setup(amqp, settings)
        await until(lambda: note(relay) == "")
        assert relay.wait_for_line("canary_returned")
