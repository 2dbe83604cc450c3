"""
Exchange, stream queue and bindings: declared on request, otherwise only looked at.

Law: a further exchange is somebody else's.  It is made where there is none, and never made otherwise; only its type is
our business, for by another type a routing key means something else, and nothing might come.
"""

import re
from typing import Any

import aiormq
from aiormq.abc import AbstractConnection

from relayd.rabbitmq.connection import Lost, Missing, close, connect, telling_lost
from relayd.rabbitmq.settings import EVERYTHING, Binding, RabbitSettings

__all__ = ["SETTING_OF", "Other", "TopologyError", "amiss", "check", "declare", "look", "setup"]

TYPE = "type"
INEQUIVALENT = re.compile(r"inequivalent arg '([^']+)' for (queue|exchange) '([^']*)'")

SETTING_OF = {
    "x-max-age": "max_age",
    "x-max-length-bytes": "max_length_bytes",
    "x-stream-max-segment-size-bytes": "segment_bytes",
}
"""Which setting a queue argument comes from."""

UNMAKEABLE: dict[str, Any] = {"alternate-exchange": 0}
"""No exchange is made with it; of one that is there the broker looks at the type first."""


class Other(Lost):
    """Exchange or queue exist with other arguments than configured; the message names them and the mend."""


class TopologyError(Exception):
    """Something on the broker is missing or other than configured; the message names it and the mend."""


async def setup(url: str, settings: RabbitSettings) -> None:
    """Declare exchange, stream queue and bindings, however often; raises TopologyError, or Lost without a broker."""
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
    """Declare exchange, stream queue and bindings on a connection; raises Other, Missing, or Lost."""
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
    for binding in settings.bound.values():
        await _make(connection, binding)
    with telling_lost():
        channel = await connection.channel(publisher_confirms=False)
        for binding in settings.bindings:
            await channel.queue_bind(settings.queue, binding.exchange, binding.routing_key)
    await close(channel)


async def _make(connection: AbstractConnection, binding: Binding) -> None:
    """Make an exchange unless there is one; raises Other for one of another type, Missing, or Lost."""
    try:
        with telling_lost():
            channel = await connection.channel(publisher_confirms=False)
            await channel.exchange_declare(binding.exchange, exchange_type=binding.type, durable=True)
        await close(channel)
    except Missing as error:
        refusal = INEQUIVALENT.search(str(error))
        if refusal is None:
            raise
        if refusal[1] == TYPE:
            raise Other(wrong_type(binding, str(error))) from error
    except Lost as error:
        # Who may not make it may bind it all the same, if it is there.
        if not isinstance(error.__cause__, aiormq.ChannelAccessRefused):
            raise


async def check(url: str, settings: RabbitSettings) -> None:
    """
    Look for exchange and queue and declare nothing; raises TopologyError, or Lost without a broker.

    AMQP has no way to look at a binding or at arguments: a queue that is no stream shows when it is read.
    """
    connection = await connect(settings.at(url), name="relayd check")
    try:
        for kind, name in (("exchange", settings.exchange), ("queue", settings.queue)):
            await look(connection, kind, name, settings.vhost)
        for binding in settings.bound.values():
            if trouble := await amiss(connection, binding, settings.vhost):
                raise TopologyError(trouble)
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


async def amiss(connection: AbstractConnection, binding: Binding, vhost: str) -> str:
    """Return what is wrong with a further exchange and the mend behind the last `; `, nothing if it is well."""
    try:
        await look(connection, "exchange", binding.exchange, vhost)
        with telling_lost():
            channel = await connection.channel(publisher_confirms=False)
            await channel.exchange_declare(
                binding.exchange, exchange_type=binding.type, durable=True, arguments=UNMAKEABLE
            )
        await close(channel)
    except TopologyError:
        what = f"there is no exchange {binding.exchange} in vhost {vhost}"
        return f"{what}; make it with `relayd rabbitmq setup`, or correct it under [[sources.rabbitmq.bindings]]"
    except Missing as error:
        refusal = INEQUIVALENT.search(str(error))
        return wrong_type(binding, str(error)) if refusal is not None and refusal[1] == TYPE else ""
    except Lost as error:
        # Who may not make exchanges is not told of what type they are.
        if not isinstance(error.__cause__, aiormq.ChannelAccessRefused):
            raise
    return ""


def wrong_type(binding: Binding, answer: str) -> str:
    """Return a sentence for an operator about an exchange of another type."""
    return (
        f"exchange {binding.exchange} is not of type {binding.type} (the broker says: {answer});"
        " set `type` under [[sources.rabbitmq.bindings]] to what it is"
    )


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
