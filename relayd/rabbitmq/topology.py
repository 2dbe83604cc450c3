"""Exchange, stream queue and binding: declared on request, otherwise only looked at."""

import re

import aiormq
from aiormq.abc import AbstractConnection

from relayd.rabbitmq.connection import Lost, Missing, close, connect, telling_lost
from relayd.rabbitmq.settings import RabbitSettings

__all__ = ["SETTING_OF", "Other", "TopologyError", "check", "declare", "look", "setup"]

INEQUIVALENT = re.compile(r"inequivalent arg '([^']+)' for (queue|exchange) '([^']*)'")

SETTING_OF = {
    "x-max-age": "max_age",
    "x-max-length-bytes": "max_length_bytes",
    "x-stream-max-segment-size-bytes": "segment_bytes",
}
"""Which setting a queue argument comes from."""

EVERYTHING = "#"


class Other(Lost):
    """Exchange or queue exist with other arguments than configured; the message names them and the mend."""


class TopologyError(Exception):
    """Something on the broker is missing or other than configured; the message names it and the mend."""


async def setup(url: str, settings: RabbitSettings) -> None:
    """Declare exchange, stream queue and binding, however often; raises TopologyError, or Lost without a broker."""
    connection = await connect(settings.at(url), name="relayd setup")
    try:
        await declare(connection, settings)
    except Other as error:
        raise TopologyError(str(error)) from error
    except Missing as error:
        raise TopologyError(explain(str(error))) from error
    finally:
        await close(connection)


async def declare(connection: AbstractConnection, settings: RabbitSettings) -> None:
    """Declare exchange, stream queue and binding on a connection; raises Other, Missing, or Lost."""
    try:
        with telling_lost():
            channel = await connection.channel(publisher_confirms=False)
            await channel.exchange_declare(settings.exchange, exchange_type="topic", durable=True)
            await channel.queue_declare(settings.queue, durable=True, arguments=settings.queue_arguments)
            await channel.queue_bind(settings.queue, settings.exchange, EVERYTHING)
    except Missing as error:
        # A broker that starts refuses, too, and with the same code.
        if INEQUIVALENT.search(str(error)) is None:
            raise
        raise Other(explain(str(error))) from error
    await close(channel)


async def check(url: str, settings: RabbitSettings) -> None:
    """
    Look for exchange and queue and declare nothing; raises TopologyError, or Lost without a broker.

    AMQP has no way to look at a binding or at arguments: a queue that is no stream shows when it is read.
    """
    connection = await connect(settings.at(url), name="relayd check")
    try:
        for kind, name in (("exchange", settings.exchange), ("queue", settings.queue)):
            await look(connection, kind, name, settings.vhost)
    finally:
        await close(connection)


async def look(connection: AbstractConnection, kind: str, name: str, vhost: str) -> None:
    """Look for an `exchange` or a `queue`; raises TopologyError when it can't be used, or Lost."""
    try:
        with telling_lost():
            channel = await connection.channel(publisher_confirms=False)
            if kind == "exchange":
                await channel.exchange_declare(name, passive=True)
            else:
                await channel.queue_declare(name, passive=True)
        await close(channel)
    except Missing as error:
        absent = isinstance(error.__cause__, aiormq.ChannelNotFoundEntity)
        what = f"there is no {kind} {name} in vhost {vhost}" if absent else f"{kind} {name} can't be used: {error}"
        raise TopologyError(
            f"{what}; make it with `relayd rabbitmq setup`, or correct `{kind}` under [sources.rabbitmq]"
        ) from error


def explain(answer: str) -> str:
    """Return a sentence for an operator out of the broker's refusal."""
    match = INEQUIVALENT.search(answer)
    if match is None:
        return f"the broker refused: {answer}"
    argument, kind, name = match.groups()
    setting = SETTING_OF.get(argument)
    if answer.endswith("current is none"):
        setting = None  # Made with other arguments altogether, likely no stream: no setting mends that.
    mend = (
        f"set `{setting}` under [sources.rabbitmq] to what the queue has, or set a policy on the broker"
        if setting
        else f"choose another name for the {kind}, or delete it on the broker if it may go"
    )
    return f"{kind} {name} exists with another {argument}; {mend} (the broker says: {answer})"
