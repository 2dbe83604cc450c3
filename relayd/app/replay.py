"""Publishing a rejected event again, after its mapping was mended: the same bytes at a new place."""

import uuid

from relayd.api.rejected import Replay
from relayd.config import Config
from relayd.dialects.delivery import Delivery, JsonValue
from relayd.dialects.detect import EXCHANGE_HEADER
from relayd.ports import Clock, Ingest, Rejected, Source, Unavailable
from relayd.rabbitmq.publish import NotPublished, Publisher
from relayd.rabbitmq.settings import RabbitSettings

__all__ = ["REPLAY_OF", "replay_into"]

REPLAY_OF = "x-relayd-replay-of"
"""Header that names the place where the event stood before."""

PROPERTIES = frozenset({"message_id", "content_type", "exchange", "user_id", "dialect"})
"""Kept among a rejected event's headers, but no headers of a new one."""


def replay_into(source: Source, config: Config, clock: Clock) -> Replay | None:
    """Return what publishes into a source, None for a source that can't be published to."""
    settings = config.source_settings
    if isinstance(settings, RabbitSettings):
        return into_rabbitmq(settings)
    return into_ingest(source, clock) if isinstance(source, Ingest) else None


def into_rabbitmq(settings: RabbitSettings) -> Replay:
    """Return what publishes into the exchange."""

    async def replay(event: Rejected) -> None:
        try:
            async with Publisher(settings) as publisher:
                # A new id, for with the old one a body that was understood in part would be taken for a repeat.
                await publisher.publish(
                    "replayed",
                    "event",
                    event.body,
                    message_id=uuid.uuid4().hex,
                    headers=headers(event),
                    content_type=str(event.headers.get("content_type", "application/json")),
                )
        except NotPublished as error:
            raise OSError(str(error)) from error

    return replay


def into_ingest(source: Ingest, clock: Clock) -> Replay:
    """Return what publishes into an embedded log."""

    async def replay(event: Rejected) -> None:
        delivery = Delivery(
            offset=0,
            body=event.body,
            received_at=clock.now(),
            message_id=uuid.uuid4().hex,
            content_type=event.headers.get("content_type"),
            user_id=event.headers.get("user_id"),
            headers=headers(event),
        )
        try:
            await source.offer(delivery)
        except Unavailable as error:
            raise OSError(str(error)) from error

    return replay


def headers(event: Rejected) -> dict[str, JsonValue]:
    """Return the headers of the event that is published."""
    kept = {name: value for name, value in event.headers.items() if name not in PROPERTIES}
    # What it came over first says what is spoken in it; over the exchange of all others it would be taken for native.
    over = {EXCHANGE_HEADER: event.headers["exchange"]} if event.headers.get("exchange") else {}
    return {**over, **kept, REPLAY_OF: event.cursor}
