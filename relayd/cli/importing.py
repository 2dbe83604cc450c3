"""`relayd import`: publish a recording as a project (docs/recorder.md)."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.options import AmqpUrl, OptionalRelayUrl, Token
from relayd.cli.outlet import open_outlet
from relayd.cli.recorded import Sender, looked_through
from relayd.client.address import checked
from relayd.core.playback import moved
from relayd.files.recording import events_of

__all__ = ["import_recording"]


def import_recording(
    file: Annotated[Path, typer.Argument(help="Recording that `relayd export` wrote.")],
    *,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", show_default=False, help="Project to publish it as.")
    ] = None,
    amqp: AmqpUrl = None,
    url: OptionalRelayUrl = None,
    token: Token = None,
) -> None:
    """Publish a recording's events with their own times; what was imported before is recognised as a repeat."""
    found = looked_through(file)
    try:
        project_id = checked(found.head.project_id if name is None else name)
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, f"--as: {error}") from error

    async def publish() -> Sender:
        async with open_outlet(amqp=amqp, url=url, token=token) as outlet:
            sender = Sender(outlet)
            for event in events_of(file):
                # By project and place: a longer recording of the same project adds what is new in it.
                message_id = f"import-{project_id}-{event.id}"
                await sender.add(moved(event, project_id, message_id), cursor=event.id or "")
            await sender.flush()
            return sender

    sender = asyncio.run(publish())
    known = f", {sender.repeated} of them known already" if sender.repeated else ""
    typer.echo(f"{project_id}: {sender.confirmed} events imported{known}")
    sender.judge()
