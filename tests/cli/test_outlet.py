import asyncio

import aio_pika
import pytest

from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.outlet import ByHttp, ByRabbit, Outlet, Parcel, Receipt, Unsure, open_outlet
from relayd.client.backoff import Backoff
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import setup
from tests.client.small_relay import SmallRelay
from tests.harness.rabbitmq import PrivateRabbit

PARCEL = Parcel(project_id="p", type="workflow_log", body=b"{}", message_id="m-1")
SOON = Backoff(floor=0.01, cap=0.02)


class Flaky:
    """A way that is unsure as often as it is told to, and takes it then."""

    def __init__(self, *unsure: bool) -> None:
        self.unsure = list(unsure)
        self.posted: list[Parcel] = []

    async def post(self, parcel: Parcel) -> Receipt:
        self.posted.append(parcel)
        if self.unsure and self.unsure.pop(0):
            raise Unsure("no answer")
        return Receipt("c1")

    async def close(self) -> None:
        """Nothing to let go of."""


async def test_what_was_not_confirmed_is_sent_again() -> None:
    """The same parcel, message id and all, until it is in the log."""
    way = Flaky(False, True, True)
    outlet = Outlet(way, backoff=SOON)
    assert await outlet.send(PARCEL) == Receipt("c1")
    assert await outlet.send(PARCEL) == Receipt("c1")
    assert way.posted == [PARCEL] * 4


async def test_who_was_never_there_is_not_waited_for() -> None:
    """A wrong address is told at once."""
    with pytest.raises(CommandFailed, match="address") as failed:
        await Outlet(Flaky(True), backoff=SOON).send(PARCEL)
    assert Exit.UNAVAILABLE is failed.value.status


async def test_patience_ends() -> None:
    """A relay that stays away ends the command with a status that says: later."""
    outlet = Outlet(Flaky(False, *[True] * 100), backoff=SOON, patience=0.1)
    await outlet.send(PARCEL)
    with pytest.raises(CommandFailed, match="gave up") as failed:
        await outlet.send(PARCEL)
    assert Exit.TEMPORARY is failed.value.status


async def test_a_relay_that_is_busy_is_asked_again(relay: SmallRelay) -> None:
    """With the same message id, so that the relay can tell a repeat."""
    accepted = (200, {"cursor": "c1", "accepted": 1})
    relay.answers = [accepted, (500, {"detail": "oops", "code": "SERVER_ERROR"}), accepted]
    way = ByHttp(relay.url, None)
    outlet = Outlet(way, backoff=SOON)
    await outlet.send(PARCEL)
    await outlet.send(PARCEL)
    await way.close()
    assert ["m-1"] * 3 == [request.headers["Message-Id"] for request in relay.posted]


async def test_a_refusal_is_final(relay: SmallRelay) -> None:
    """A token that is no worker's does not become one by asking again."""
    relay.answers = [(403, {"detail": "no worker", "code": "FORBIDDEN"})]
    async with open_outlet(amqp=None, url=relay.url, token="t") as outlet:
        with pytest.raises(CommandFailed, match="no worker") as failed:
            await outlet.send(PARCEL)
    assert Exit.NO_PERMISSION is failed.value.status


async def test_rabbitmq_confirms(amqp_url: str) -> None:
    """A stream takes it; without one the sentence says what is missing."""
    async with open_outlet(amqp=amqp_url, url=None, token=None) as outlet:
        with pytest.raises(CommandFailed, match=r"swarm\.events"):
            await outlet.send(PARCEL)
        await setup(amqp_url, RabbitSettings())
        assert await outlet.send(PARCEL) == Receipt()


async def test_a_stream_that_was_there_is_waited_for(rabbitmq: PrivateRabbit) -> None:
    """A broker that starts knows the exchange a moment before the stream, and says that nobody wants the message."""
    url = rabbitmq.vhost("outlet")
    await setup(url, RabbitSettings())
    way = ByRabbit(RabbitSettings.model_validate({"url": url}))
    outlet = Outlet(way, backoff=SOON)
    await outlet.send(PARCEL)
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).queue_delete(RabbitSettings().queue)
    with pytest.raises(Unsure, match="no queue"):
        await way.post(PARCEL)
    sending = asyncio.create_task(outlet.send(PARCEL))
    await setup(url, RabbitSettings())
    assert Receipt() == await sending
    await way.close()
