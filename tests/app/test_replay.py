from pathlib import Path

import pytest
from msgspec.structs import replace

from relayd.app.clock import SystemClock
from relayd.app.replay import REPLAY_OF, headers, into_rabbitmq, replay_into
from relayd.config import load
from relayd.dialects.detect import EXCHANGE_HEADER
from relayd.plugins import settings_of
from relayd.ports import Rejected
from relayd.protocol.cursor import Place
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import setup
from relayd.testing.sources import FakeSource
from tests.harness.follower import Follower
from tests.harness.inside import inside
from tests.harness.settled import write_settings
from tests.harness.stream import QUICK, Stream
from tests.harness.viewer import watch

BODY = b'{"type":"workflow_log","project_id":"p","timestamp":1,"level":"info","message":"again"}'
EVENT = Rejected(
    cursor="c-1",
    place=Place(0, 7),
    reason="mapping_failed",
    detail="a fault of ours",
    headers={
        "x-tenant": "red",
        "message_id": "m-1",
        "content_type": "application/json",
        "user_id": "w",
        "exchange": "x",
        "dialect": "native",
    },
    body=BODY,
    received_at=1.0,
)


def test_the_new_one_names_the_old_one() -> None:
    """Its own headers stay; of what the broker said only the exchange does, by which it is understood."""
    assert {"x-tenant": "red", EXCHANGE_HEADER: "x", REPLAY_OF: "c-1"} == headers(EVENT)
    again = replace(EVENT, headers={EXCHANGE_HEADER: "first", "exchange": "swarm.events"})
    assert "first" == headers(again)[EXCHANGE_HEADER]
    assert {REPLAY_OF: "c-1"} == headers(replace(EVENT, headers={}))


async def test_an_embedded_log_takes_it_at_a_new_place(tmp_path: Path) -> None:
    """As if it came anew: viewers see it, and it is no repeat of what was rejected."""
    async with inside(tmp_path) as relay:
        config = load(write_settings(tmp_path), {}, settings_of)
        replay = replay_into(relay.rooms.source, config, SystemClock())
        assert replay is not None
        async with watch(relay, "p") as viewer:
            await viewer.frame()
            for _ in range(2):
                await replay(EVENT)
            assert ["again", "again"] == await viewer.lines(2)


async def test_a_log_that_takes_nothing_has_no_replay(tmp_path: Path) -> None:
    """Operators can look at its rejected events only."""
    config = load(write_settings(tmp_path), {}, settings_of)
    assert None is replay_into(FakeSource(), config, SystemClock())


async def test_a_stream_takes_it_through_the_exchange(amqp_url: str) -> None:
    """The same bytes and headers; confirmed before the operator is answered."""
    settings = RabbitSettings.model_validate({"url": amqp_url, "queue": "replayed", "exchange": "replays", **QUICK})
    await setup(amqp_url, settings)
    await into_rabbitmq(settings)(EVENT)
    async with Stream(settings) as stream, Follower(stream.source()) as follower:
        await follower.until_count(1)
    (delivery,) = follower.deliveries
    assert (BODY, "application/json", "c-1", "red") == (
        delivery.body,
        delivery.content_type,
        delivery.headers[REPLAY_OF],
        delivery.headers["x-tenant"],
    )
    assert delivery.message_id not in {None, "m-1"}


async def test_a_broker_that_takes_nothing_is_an_error(amqp_url: str) -> None:
    """An operator must not believe that it was published."""
    settings = RabbitSettings.model_validate({"url": amqp_url, "queue": "none", "exchange": "none", **QUICK})
    with pytest.raises(OSError, match="exchange none"):
        await into_rabbitmq(settings)(EVENT)
