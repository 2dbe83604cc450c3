"""
What stands on the broker, looked at without changing anything.

AMQP has no question for the arguments of a queue: they only show when it is declared once more.  So it is declared in a
way that no broker carries out, with a leader locator that does not exist.  Of a queue that is there the broker names
the first argument that differs, and the locator comes last; one that is missing is not made, for that is invalid.
"""

import re
from typing import Any

import aiormq
from aiormq.abc import AbstractConnection
from msgspec import Struct

from relayd.rabbitmq.connection import Lost, telling_lost
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.subscription import edge
from relayd.rabbitmq.topology import SETTING_OF

__all__ = ["Difference", "Refused", "differences", "product", "stream_end"]

LOCATOR = "x-queue-leader-locator"
IMPOSSIBLE = "relayd-only-looks"
INEQUIVALENT = re.compile(r"inequivalent arg '([^']+)' for queue .* but current is (?:none$|(?:the value )?'([^']*)')")
UNKNOWN = "none"
END_SECONDS = 2.0
"""How long the end of a stream may take to show."""


class Refused(Lost):
    """The user may not do that; the message is the broker's."""


class Difference(Struct, frozen=True):
    """An argument of the queue that is not as configured."""

    argument: str
    setting: str | None
    """The key under `[sources.rabbitmq]`; None where no setting mends it."""
    configured: str
    current: str


def product(connection: AbstractConnection) -> str:
    """Return name and version of the broker as it introduced itself."""
    said: dict[str, Any] = getattr(connection, "server_properties", None) or {}
    words = [said.get("product"), said.get("version")]
    return " ".join(word.decode() if isinstance(word, bytes) else str(word) for word in words if word) or "a broker"


async def differences(connection: AbstractConnection, settings: RabbitSettings) -> list[Difference]:
    """Return what of a queue that is there differs from its settings; raises Refused, or Lost."""
    wanted: dict[str, Any] = {**settings.queue_arguments, LOCATOR: IMPOSSIBLE}
    found: list[Difference] = []
    while (told := INEQUIVALENT.search(await _refusal(connection, settings.queue, wanted))) is not None:
        name, value = told.groups()
        if name == LOCATOR or any(name == known.argument for known in found):
            break
        configured = settings.queue_arguments.get(name, UNKNOWN)
        found.append(Difference(name, SETTING_OF.get(name), str(configured), UNKNOWN if value is None else value))
        # As it is there, so that the next one that differs is named; a number must stay one.
        if value is None:
            wanted.pop(name, None)
        else:
            wanted[name] = int(value) if isinstance(configured, int) else value
    return found


async def stream_end(connection: AbstractConnection, settings: RabbitSettings) -> int | None:
    """Return the newest offset, None of an empty stream; raises Missing for what is no stream, Refused, or Lost."""
    try:
        return await edge(connection, settings, "last", patience=END_SECONDS)
    except Lost as error:
        raise _judged(error) from error


async def _refusal(connection: AbstractConnection, queue: str, arguments: dict[str, Any]) -> str:
    """Return what the broker says to such a declaration, nothing if it finds nothing wrong; raises Refused, or Lost."""
    try:
        with telling_lost():
            channel = await connection.channel(publisher_confirms=False)
            await channel.queue_declare(queue, durable=True, arguments=arguments)
            await channel.close()
    except Lost as error:
        if isinstance(error.__cause__, aiormq.ChannelPreconditionFailed):
            return str(error)
        raise _judged(error) from error
    return ""


def _judged(error: Lost) -> Lost:
    return Refused(str(error)) if isinstance(error.__cause__, aiormq.ChannelAccessRefused) else error
