import asyncio
from collections.abc import AsyncIterator

import pytest

from relayd.dialects.delivery import CANARY_HEADER
from relayd.rabbitmq.canary import Canary
from relayd.rabbitmq.consume import RabbitSource
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import setup
from relayd.testing.world import RecordingObserver
from tests.harness.follower import Follower, WallClock, position_of, until
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.stream import Stream

OFTEN = {"canary_seconds": 0.05, "stalled_seconds": 1.0}


class Singing:
    """A source with canaries, and what it told."""

    def __init__(self, settings: RabbitSettings, **changes: object) -> None:
        self.source = RabbitSource(settings.model_copy(update={**OFTEN, **changes}), WallClock())
        self.observer = RecordingObserver()
        self.source.report_to(self.observer)

    @property
    def returned(self) -> int:
        """How many canaries came back."""
        return len(self.observer.of("canary_returned"))

    @property
    def missed(self) -> list[str]:
        """Why canaries did not."""
        return [cause for cause, _ in self.observer.of("canary_missed")]

    @property
    def note(self) -> str:
        """What the source says beside its state."""
        return self.source.state().note


@pytest.fixture
async def bound(rabbit_settings: RabbitSettings) -> AsyncIterator[Stream]:
    """Give a stream that is bound to its exchange."""
    await setup(rabbit_settings.url.get_secret_value(), rabbit_settings)
    async with Stream(rabbit_settings) as stream:
        yield stream


async def bind(stream: Stream, *, away: bool = False) -> None:
    """Bind the queue to the exchange, or take the binding away."""
    channel = await stream.channel.get_underlay_channel()
    settings = stream.settings
    if away:
        await channel.queue_unbind(settings.queue, settings.exchange, "#")
    else:
        await channel.queue_bind(settings.queue, settings.exchange, "#")


async def test_a_canary_comes_back(bound: Stream) -> None:
    """Again and again, each told apart by its id, with a header and without a body."""
    singing = Singing(bound.settings)
    async with Follower(singing.source) as reader:
        await until(lambda: singing.returned >= 3)
        state = singing.source.state()
    assert state.canary_at is not None
    assert ("", []) == (state.note, singing.missed)
    assert all(0 < seconds < 30 for seconds in singing.observer.of("canary_returned"))
    assert {b""} == {*reader.bodies}
    assert all(one.headers[CANARY_HEADER] is True for one in reader.deliveries)
    marks = {position_of(singing.source, one).fingerprint for one in reader.deliveries}
    assert len(reader.deliveries) == len(marks)


async def test_each_relay_has_its_own(bound: Stream) -> None:
    """All are in the log that all read; one that is lost is not made up for by a neighbour's."""
    other = bound.settings.model_copy(update={"exchange": f"{bound.settings.exchange}-other"})
    exchange = await bound.channel.declare_exchange(other.exchange, "topic", durable=True)
    elsewhere = await bound.channel.declare_queue(f"{other.queue}-other")
    await elsewhere.bind(exchange, "#")
    ours, theirs = Singing(other, stalled_seconds=0.3), Singing(bound.settings)
    async with Follower(ours.source) as reader, Follower(theirs.source):
        await until(lambda: len(ours.missed) >= 3 and theirs.returned >= 3)
        await reader.until_count(3)
    assert ({"lost"}, 0) == ({*ours.missed}, ours.returned)


async def test_none_are_sent_with_0(bound: Stream) -> None:
    """Events are read as ever."""
    silent = Singing(bound.settings, canary_seconds=0)
    async with Follower(silent.source) as reader:
        await bound.say([b"1"])
        await reader.until_count(1)
        await reader.until_state(lambda: silent.source.state().caught_up)
    assert ([b"1"], None, "") == (reader.bodies, silent.source.state().canary_at, silent.note)
    assert {"attached"} == {verb for verb, _ in silent.observer.told}


async def test_a_missing_binding_is_told(bound: Stream) -> None:
    """Events would go nowhere, and nobody else would notice; what is in the log is read as ever."""
    await bind(bound, away=True)
    singing = Singing(bound.settings)
    async with Follower(singing.source) as reader:
        await until(lambda: len(singing.missed) >= 2)
        assert {"unroutable"} == {*singing.missed}
        assert "a canary came to no queue, and so do events" in singing.note
        assert "relayd rabbitmq setup" in singing.note
        assert singing.source.state().caught_up
        await bound.say([b"by hand"])
        await reader.until_count(1)
        await bind(bound)
        await until(lambda: singing.returned > 0)
        assert "" == singing.note


async def test_a_binding_that_leads_elsewhere_is_no_stall(bound: Stream) -> None:
    """Confirmed and never seen, but not in the log: the subscription is not to blame."""
    await bind(bound, away=True)
    elsewhere = await bound.channel.declare_queue(f"{bound.settings.queue}-elsewhere")
    await elsewhere.bind(bound.settings.exchange, "#")
    singing = Singing(bound.settings, stalled_seconds=0.3)
    async with Follower(singing.source):
        await until(lambda: len(singing.missed) >= 3)
        assert {"lost"} == {*singing.missed}
        assert f"leads elsewhere than to {bound.settings.queue}" in singing.note
        assert singing.source.state().caught_up
    assert [] == singing.observer.of("detached")


async def test_a_missing_exchange_is_told(stream: Stream) -> None:
    """Nothing could be sent; reading goes on."""
    singing = Singing(stream.settings)
    async with Follower(singing.source) as reader:
        await until(lambda: len(singing.missed) >= 2)
        await stream.say([b"1"])
        await reader.until_count(1)
    assert {"unreachable"} == {*singing.missed}
    assert f"no canary could be sent: exchange {stream.settings.exchange}" in singing.note


async def test_who_may_not_write_says_so_once(rabbitmq: PrivateRabbit, bound: Stream) -> None:
    """And reads; the broker is not bothered again and again."""
    settings = bound.settings.at(rabbitmq.reader(bound.settings.vhost))
    singing, other = Singing(settings, backoff_seconds=0.05), Singing(bound.settings)
    async with Follower(singing.source) as reader, Follower(other.source):
        await until(lambda: singing.missed != [])
        assert f"no canaries: the user may not write to exchange {settings.exchange}" in singing.note
        assert "or set canary_seconds = 0" in singing.note
        await bound.say([b"1"])
        await reader.until(lambda: b"1" in reader.bodies)
        # Not after a reconnect either.
        current = singing.source._current
        assert current is not None
        await current._connection.close()
        await until(lambda: len(singing.observer.of("attached")) == 2)
        await bound.say([b"2"])
        await reader.until(lambda: b"2" in reader.bodies)
        await until(lambda: singing.source.state().caught_up)
        already = other.returned
        await until(lambda: other.returned > already + 5)
        assert (["refused"], None) == (singing.missed, singing.source.state().canary_at)
        assert "no canaries" in singing.note


async def test_a_canary_is_back_when_it_is_processed(bound: Stream) -> None:
    """What arrived and waits for the relay has served nobody; the subscription is not to blame for it."""
    singing = Singing(bound.settings, stalled_seconds=0.3, head_seconds=0.1)
    async with Follower(singing.source, settles=False) as reader:
        await reader.until_count(1)
        await until(lambda: "lost" in singing.missed)
        assert "this relay does not keep up" in singing.note
        assert 0 == singing.returned
    assert [] == singing.observer.of("detached")


async def test_none_is_sent_into_a_backlog(bound: Stream) -> None:
    """It would be late for a reason that the lag tells already."""
    asked: list[bool] = []
    due = [False]

    def is_due() -> bool:
        asked.append(due[0])
        return due[0]

    settings = bound.settings.model_copy(update=OFTEN)
    canary = Canary(settings, WallClock(), due=is_due, suspect=lambda: None)
    flying = asyncio.create_task(canary.fly())
    await until(lambda: len(asked) >= 5)
    assert canary.at is None
    due[0] = True
    await until(lambda: canary.at is not None)
    flying.cancel()
    await asyncio.wait({flying})
