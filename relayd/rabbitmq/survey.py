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

from relayd.rabbitmq.connection import Lost, close, connect, telling_lost
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.subscription import edge
from relayd.rabbitmq.topology import SETTING_OF, TopologyError, amiss, look

__all__ = ["Difference", "Refused", "Survey", "differences", "product", "stream_end", "survey"]

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


class Survey(Struct, frozen=True, kw_only=True):
    """What stands on a broker."""

    product: str
    absent: dict[str, str]
    """What can't be used of `exchange` and `queue` → a sentence with the mend behind its last `; `."""
    bound: dict[str, str]
    """Each further exchange → what is wrong with it, with the mend behind the last `; `; empty if it is well."""
    differences: tuple[Difference, ...] | None
    """None where the user may not see the arguments, or there is no queue."""
    end: int | None
    """The newest offset, None for an empty stream and where it can't be read."""
    trouble: str
    """Why the stream can't be read, empty if it can."""


async def survey(settings: RabbitSettings) -> Survey:
    """Return what stands on the broker; raises Lost when that can't be reached."""
    connection = await connect(settings, name="relayd doctor")
    try:
        absent: dict[str, str] = {}
        for kind, name in (("exchange", settings.exchange), ("queue", settings.queue)):
            try:
                await look(connection, kind, name, settings.vhost)
            except TopologyError as error:
                absent[kind] = str(error)
        bound = {name: await amiss(connection, one, settings.vhost) for name, one in settings.bound.items()}
        if "queue" in absent:
            return Survey(
                product=product(connection), absent=absent, bound=bound, differences=None, end=None, trouble=""
            )
        try:
            found: tuple[Difference, ...] | None = tuple(await differences(connection, settings))
        except Refused:
            found = None
        end, trouble = None, ""
        try:
            end = await stream_end(connection, settings)
        except Lost as error:
            trouble = str(error)
        return Survey(
            product=product(connection), absent=absent, bound=bound, differences=found, end=end, trouble=trouble
        )
    finally:
        await close(connection)


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
