"""`relayd rejected`: events that could not be understood, over the admin listener."""

import json
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated

import typer

from relayd.cli import listener
from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.lines import stamp
from relayd.cli.listener import ADMIN
from relayd.cli.options import AdminUrl
from relayd.client.http import Admin, RejectedEvent
from relayd.telemetry.redaction import escape

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="List, show and replay events that could not be understood.")

PAGE = 500

NO_JOURNAL = "keeps no rejected events: its relay has no journal (journal.path), or it is another listener"

Number = Annotated[int, typer.Argument(min=0, help="The event's number in the list.")]


@app.command("list")
def list_rejected(
    admin: AdminUrl = ADMIN, limit: Annotated[int, typer.Option(min=1, max=PAGE, help="Most events to list.")] = 50
) -> None:
    """List the newest ones, newest first."""

    async def ask(there: Admin) -> None:
        page = await there.list_rejected(limit=limit)
        for event in page.rejected:
            typer.echo(row(event))
        if page.next is not None:
            typer.echo("there are more; see them with --limit", err=True)

    run(admin, ask)


@app.command()
def show(number: Number, admin: AdminUrl = ADMIN) -> None:
    """Show one: why it was rejected on stderr, its bytes on stdout."""

    async def ask(there: Admin) -> None:
        event = await there.show_rejected(number)
        typer.echo(row(event), err=True)
        typer.echo(f"headers: {escape(json.dumps(event.headers))}", err=True)
        if event.truncated:
            typer.echo("it was too large to be kept whole; this is its beginning", err=True)
        # Bytes to a file or a program as they are; to a terminal only what can't steer it.
        terminal = sys.stdout.isatty()
        typer.echo(escape(event.body.decode(errors="replace")) if terminal else event.body, nl=terminal)

    run(admin, ask)


@app.command()
def replay(
    *,
    number: Annotated[int | None, typer.Argument(min=0, help="The event's number in the list.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that were not replayed yet, oldest first.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Even if it was replayed before.")] = False,
    admin: AdminUrl = ADMIN,
) -> None:
    """Publish the original bytes again, after what was wrong has been mended."""
    if (number is None) == (not every):
        raise CommandFailed(Exit.USAGE, "say which event to replay: its number, or --all")

    async def ask(there: Admin) -> None:
        numbers = [number] if number is not None else await not_replayed(there)
        for each in numbers:
            await there.replay(each, again=again)
            typer.echo(f"replayed {each}")

    run(admin, ask)


async def not_replayed(there: Admin) -> list[int]:
    """Return the numbers of all events that can be and were not replayed yet, oldest first; tells what can't be."""
    found: list[int] = []
    page = await there.list_rejected(limit=PAGE)
    while True:
        for event in page.rejected:
            if event.truncated:
                typer.echo(f"left out {event.number}: only the beginning of its body was kept", err=True)
            elif event.replayed_at is None:
                found.append(event.number)
        if page.next is None:
            return found[::-1]
        page = await there.list_rejected(limit=PAGE, before=page.next)


def row(event: RejectedEvent) -> str:
    """Return an event in one line."""
    replayed = f"  (replayed {stamp(event.replayed_at)})" if event.replayed_at is not None else ""
    what = f"{event.reason}  {escape(event.detail)}  ({event.size:,} bytes)"
    return f"{event.number:>8}  {stamp(event.received_at)}  {what}{replayed}"


def run(url: str, ask: Callable[[Admin], Coroutine[None, None, None]]) -> None:
    """Ask the listener; raises CommandFailed."""
    listener.run(url, ask, absent=NO_JOURNAL)
