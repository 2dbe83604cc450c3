"""`relayd emit`: publish one event by hand."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import uuid4

import msgspec
import typer

from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.options import AmqpUrl, OptionalRelayUrl, Token
from relayd.cli.outlet import Parcel, Receipt, open_outlet
from relayd.dialects.delivery import Delivery
from relayd.dialects.native import NativeDialect

__all__ = ["emit"]

RESERVED = ("type", "project_id")


def emit(
    project: Annotated[str, typer.Argument(help="Project the event belongs to.")],
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="Type of the event, like workflow_log.")],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Its fields; JSON, else text.")
    ] = None,
    *,
    amqp: AmqpUrl = None,
    url: OptionalRelayUrl = None,
    token: Token = None,
    force: Annotated[bool, typer.Option("--force", help="Publish it even if no relay would understand it.")] = False,
) -> None:
    """Publish one event; prints it, and on stderr where it stands."""
    event = {"type": kind, "project_id": project, "timestamp": time.time(), **fields(values or [])}
    body = msgspec.json.encode(event)
    if not force and (wrong := misunderstood(body)):
        raise CommandFailed(Exit.DATA, f"{wrong} (--force publishes it all the same)")
    parcel = Parcel(project_id=project, type=kind, body=body, message_id=str(uuid4()))

    async def publish() -> Receipt:
        async with open_outlet(amqp=amqp, url=url, token=token) as outlet:
            return await outlet.send(parcel)

    receipt = asyncio.run(publish())
    if receipt.rejected:
        raise CommandFailed(Exit.DATA, f"the relay could not understand it: {receipt.rejected[0]}")
    typer.echo(body)
    typer.echo(f"cursor {receipt.cursor}" if receipt.cursor else f"confirmed, message id {parcel.message_id}", err=True)


def misunderstood(body: bytes) -> str:
    """Return why a relay would reject the event, empty when it would not."""
    (item,) = NativeDialect().feed(Delivery(offset=0, body=body, received_at=time.time()))
    return item.detail if item.reason is not None else ""


def fields(values: Sequence[str]) -> dict[str, Any]:
    """Return `key=value` words as fields: a value that is JSON as what it means, any other as text."""
    found: dict[str, Any] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key:
            raise CommandFailed(Exit.USAGE, f"{value!r}: write fields as key=value")
        if key in RESERVED:
            raise CommandFailed(Exit.USAGE, f"{value!r}: {key} is given by the first two arguments; leave it out")
        try:
            found[key] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            found[key] = text
    return found
