"""The log is another one, or has a hole: every viewer is told a gap, and then it is live again."""

import json

from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import setup
from tests.faults.scene import NIMBLE, through
from tests.harness.audience import TRANSPORTS, Audience
from tests.harness.checker import Key, Report, check
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.proxy import Proxy
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.settled import Tables, merged
from tests.harness.stream import Stream
from tests.harness.viewer import log

PROJECT = "p"

SHORT: Tables = {"sources.rabbitmq": {"max_length_bytes": 1_000_000, "segment_bytes": 100_000}}
"""A stream that keeps a megabyte."""

SEVERAL, MEGABYTES = 20, 300
"""So many events; of the latter each is a hundredth of a megabyte."""

LINE = "x" * 10_000


class Story:
    """One project's events, numbered as they are published, and viewers of every kind who watch it to its end."""

    def __init__(self, amqp: str, audience: Audience, *, end: int) -> None:
        self.settings = RabbitSettings.model_validate({"url": amqp})
        self.audience = audience
        self.said = 0
        for transport in (*TRANSPORTS, "many"):
            audience.admit(transport, [transport], {PROJECT: (PROJECT, end - 1)})

    async def goes_on(self, events: int, *, text: str = "") -> None:
        """Publish so many more, straight to the broker."""
        async with Publisher(self.settings) as publisher:
            for number in range(self.said, self.said + events):
                body = json.dumps(log(PROJECT, text, key=str(number))).encode()
                await publisher.publish(PROJECT, "workflow_log", body)
        self.said += events

    async def is_seen(self) -> None:
        """Return when every viewer has seen the newest event."""
        newest: Key = (PROJECT, self.said - 1)
        onlookers = self.audience.onlookers
        await self.audience.until(lambda: all(newest in one.seen[PROJECT] for one in onlookers), f"{newest} not seen")

    def reports(self) -> dict[str, Report]:
        """Return what the checker says of each viewer."""
        published = [(PROJECT, number) for number in range(self.said)]
        return {one.name: check(published, one.seen[PROJECT]) for one in self.audience.onlookers}

    def gaps(self) -> set[int]:
        """
        Return how many gaps each viewer was told.

        A poll is told of a hole at once, with a cursor before it, because nothing stands behind it yet; so the next
        poll may be told once more.
        """
        return {one.gaps for one in self.audience.onlookers if one.transports != ["longpoll"]}


async def test_a_stream_that_is_made_anew_under_live_viewers(amqp: str) -> None:
    """Deleted with all that is in it and declared again: a gap for each viewer, nothing of either log is missing."""
    async with (
        PrivateRelay(NIMBLE, rabbitmq=amqp) as relay,
        Audience(relay) as audience,
        Stream(RabbitSettings.model_validate({"url": amqp})) as stream,
    ):
        story = Story(amqp, audience, end=3 * SEVERAL)
        await audience.until_present()
        await story.goes_on(SEVERAL)
        await story.is_seen()
        await stream.delete()
        await until(lambda: relay.readiness()[0] == 503)
        assert "is not there yet" in relay.readiness()[1]
        await setup(amqp, story.settings)
        await story.goes_on(SEVERAL)
        await story.is_seen()
        await story.goes_on(SEVERAL)
        await audience.until_done()
        for name, report in story.reports().items():
            assert (name, "declared", []) == (name, report.verdict, report.declared), report
        assert {1} == story.gaps()
        assert 0 == sum(one.away for one in audience.onlookers)
        assert 1 == relay.metric("relayd_stream_epoch_changes_total")
        assert len(audience.onlookers) == relay.metric('relayd_gaps_total{cause="recreated"}')
        assert (200, "") == relay.readiness()


async def test_retention_that_passes_a_relay(rabbitmq: PrivateRabbit, amqp: str) -> None:
    """First while it is cut off, then while it is stopped: what nobody can read any more is a gap, and not silence."""
    async with (
        Proxy(rabbitmq.port) as wire,
        PrivateRelay(merged(NIMBLE, SHORT), rabbitmq=through(amqp, wire)) as relay,
        Audience(relay) as audience,
    ):
        story = Story(amqp, audience, end=3 * SEVERAL + 2 * MEGABYTES)
        await audience.until_present()
        await story.goes_on(SEVERAL)
        await story.is_seen()
        with wire.shut():
            await story.goes_on(MEGABYTES, text=LINE)
        await story.is_seen()
        await story.goes_on(SEVERAL)
        await story.is_seen()
        assert 1 == relay.metric("relayd_stream_truncations_total")
        assert len(audience.onlookers) == relay.metric('relayd_gaps_total{cause="truncated"}')
        assert {1} == story.gaps()

        assert 0 == await relay.stop_async()
        await story.goes_on(MEGABYTES, text=LINE)
        await relay.start_async()
        await story.is_seen()
        await story.goes_on(SEVERAL)
        await audience.until_done()
        assert 1 == relay.metric("relayd_stream_truncations_total")
        for name, report in story.reports().items():
            assert (name, "declared") == (name, report.verdict), report
            # Of three megabytes, twice, a stream of one has lost more than half.
            assert len(report.declared) > MEGABYTES
        assert {2} == story.gaps()
        assert (200, "") == relay.readiness()
