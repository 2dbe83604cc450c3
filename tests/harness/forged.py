"""Messages that no honest library would send: properties and routing keys are whatever bytes a publisher writes."""

from collections.abc import Mapping

import aiormq
from aiormq.abc import ChannelFrame
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

__all__ = ["publish_forged"]


async def publish_forged(
    url: str,
    body: bytes,
    *,
    key: str,
    exchange: str = "",
    properties: commands.Basic.Properties | None = None,
    forged: Mapping[bytes, bytes],
) -> None:
    """
    Publish a message in whose frames honest bytes are replaced by `forged` ones of the same length.

    Returns when the broker has taken it; raises what the library raises when the broker refuses it.
    """
    connection = await aiormq.connect(url)
    channel = await connection.channel(publisher_confirms=False)
    assert isinstance(channel, aiormq.Channel)
    frame = ChannelFrame.marshall(
        frames=[
            commands.Basic.Publish(exchange=exchange, routing_key=key),
            ContentHeader(properties=properties, body_size=len(body)),
            ContentBody(body),
        ],
        channel_number=channel.number,
    )
    payload = frame.payload
    for honest, other in forged.items():
        assert len(honest) == len(other)
        assert honest in payload
        payload = payload.replace(honest, other)
    await channel.write_queue.put(ChannelFrame(payload=payload, should_close=False, drain_future=None))
    # An answer on the same channel: what was published before it has reached the queue.
    await channel.basic_qos(prefetch_count=1)
    await connection.close()
