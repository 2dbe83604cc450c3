"""
Where events are published to from the command line: RabbitMQ, or the HTTP ingest of a relay.

Law: what was not confirmed is sent again, the same bytes with the same message id, until the patience is over; the
relay recognises the repeat.  So what `send` returned from is in the log, and is shown once.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from msgspec import Struct

from relayd.cli.exits import CommandFailed, Exit, of_refusal
from relayd.client import http
from relayd.client.backoff import PATIENCE, Backoff
from relayd.rabbitmq.publish import NotPublished, Publisher, Unconfirmed
from relayd.rabbitmq.settings import RabbitSettings

__all__ = ["Outlet", "Parcel", "Receipt", "open_outlet"]

PATIENCE_SECONDS = 60.0
"""How long a broker or relay that was there may be away before a command gives up."""

TOO_MANY_REQUESTS = 429
SERVER_ERRORS = 500


class Parcel(Struct, frozen=True, kw_only=True):
    """
    One body to publish: an event or an array of them.

    Project and type are for the routing key; under a `message_id` the whole body is recognised as a repeat.
    """

    project_id: str
    type: str
    body: bytes
    message_id: str


class Receipt(Struct, frozen=True):
    """What is known once a body is in the log: its cursor, what was rejected of it, and how many were there (HTTP)."""

    cursor: str = ""
    rejected: Sequence[str] = ()
    repeated: int = 0


class Unsure(Exception):
    """Nobody knows whether it arrived, or it could not be taken just now; `retry_after` in seconds, 0 for any."""

    def __init__(self, sentence: str, retry_after: float = 0.0) -> None:
        """Keep the wish."""
        super().__init__(sentence)
        self.retry_after = retry_after


class Way(Protocol):
    """One way to publish."""

    async def post(self, parcel: Parcel) -> Receipt:
        """Return once it is in the log; raises Unsure, or CommandFailed when trying again would not help."""
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class ByRabbit:
    """Through the broker's confirms."""

    def __init__(self, settings: RabbitSettings) -> None:
        """Connect at the first parcel."""
        self._settings = settings
        self._publisher: Publisher | None = None
        self._took = False

    async def post(self, parcel: Parcel) -> Receipt:
        """Publish it."""
        try:
            if self._publisher is None:
                self._publisher = await Publisher(self._settings).__aenter__()
            await self._publisher.publish(parcel.project_id, parcel.type, parcel.body, message_id=parcel.message_id)
        except Unconfirmed as error:
            await self.close()
            raise Unsure(f"RabbitMQ at {self._settings.address}: {error}") from error
        except NotPublished as error:
            # A broker that starts has the exchange a moment before it has the stream that it took others into.
            if self._publisher is None or self._took:
                raise Unsure(f"RabbitMQ can't be published to: {error}") from error
            raise CommandFailed(Exit.UNAVAILABLE, f"RabbitMQ did not take it: {error}") from error
        self._took = True
        return Receipt()

    async def close(self) -> None:
        """Let go of the connection; the next parcel opens another."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await publisher.__aexit__(None, None, None)


class ByHttp:
    """Through the answer of an embedded ingest."""

    def __init__(self, url: str, token: str | None) -> None:
        """Take the relay's base address; raises ValueError."""
        self._publisher = http.Publisher(url, token)

    async def post(self, parcel: Parcel) -> Receipt:
        """Post it."""
        try:
            accepted = await self._publisher.post(parcel.body, message_id=parcel.message_id)
        except http.Refused as refused:
            if refused.status >= SERVER_ERRORS or refused.status == TOO_MANY_REQUESTS:
                raise Unsure(str(refused), refused.retry_after) from refused
            raise of_refusal(refused) from refused
        except http.Unreachable as error:
            raise Unsure(str(error)) from error
        rejected = [each.detail or each.reason for each in accepted.rejected]
        return Receipt(accepted.cursor, rejected, accepted.repeated)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._publisher.close()


class Outlet:
    """Publishes one body after another and insists."""

    def __init__(self, way: Way, *, backoff: Backoff = PATIENCE, patience: float = PATIENCE_SECONDS) -> None:
        """Take the way and how long to insist, in seconds."""
        self._way = way
        self._backoff = backoff
        self._patience = patience
        self._served = False

    async def send(self, parcel: Parcel) -> Receipt:
        """Return once it is in the log; raises CommandFailed."""
        deadline = time.monotonic() + self._patience
        attempt = 0
        while True:
            try:
                receipt = await self._way.post(parcel)
            except Unsure as unsure:
                attempt += 1
                # Jitter against a herd, no secret.
                chance = random.random()  # noqa: S311
                delay = self._backoff.delay(attempt, retry_after=unsure.retry_after, chance=chance)
                # Who was never there is more likely a wrong address than a restart.
                if not self._served:
                    raise CommandFailed(
                        Exit.UNAVAILABLE, f"{unsure}; is it running, and is the address right?"
                    ) from unsure
                if time.monotonic() + delay > deadline:
                    sentence = f"{unsure}; gave up after {self._patience:.0f} s, try again later"
                    raise CommandFailed(Exit.TEMPORARY, sentence) from unsure
                await asyncio.sleep(delay)
            else:
                self._served = True
                return receipt


@asynccontextmanager
async def open_outlet(*, amqp: str | None, url: str | None, token: str | None) -> AsyncGenerator[Outlet]:
    """Return an outlet to exactly one of broker and relay; raises CommandFailed for any other number of them."""
    way = choose(amqp=amqp, url=url, token=token)
    try:
        yield Outlet(way)
    finally:
        await way.close()


def choose(*, amqp: str | None, url: str | None, token: str | None) -> Way:
    """Return the way that was asked for; raises CommandFailed."""
    if amqp is None and url is None:
        raise CommandFailed(Exit.USAGE, "say where to publish: --amqp URL for RabbitMQ, or --url URL for a relay")
    if amqp is not None and url is not None:
        raise CommandFailed(
            Exit.USAGE, "--amqp and --url are two ways to publish; give one (RELAYD_URL and RELAYD_AMQP count, too)"
        )
    if url is not None:
        try:
            return ByHttp(url, token)
        except ValueError as error:
            raise CommandFailed(Exit.USAGE, str(error)) from error
    try:
        return ByRabbit(RabbitSettings.model_validate({"url": amqp}))
    except ValueError as error:
        # What the model says may quote the URL, and a password with it.
        raise CommandFailed(Exit.USAGE, "--amqp: write it as amqp://user:password@host:port/vhost") from error
