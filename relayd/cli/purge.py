"""`relayd purge`: remove an event or a project for good, over the admin listener."""

import asyncio
from http import HTTPStatus
from typing import Annotated

import typer

from relayd.cli.exits import CommandFailed, Exit, of_refusal, unreachable
from relayd.cli.options import AdminUrls
from relayd.client.http import Admin, Purged, Refused, Unreachable
from relayd.telemetry.redaction import escape

__all__ = ["purge"]

ADMIN = ["http://127.0.0.1:8001"]


def purge(
    *,
    project: Annotated[
        str | None, typer.Argument(metavar="PROJECT", help="Remove all that this project said up to now.")
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", metavar="CURSOR", help="Remove the one event with this id.")
    ] = None,
    admin: AdminUrls = ADMIN,
) -> None:
    """Remove a project's events, or one event, for good: from memory, journal and rejected events of each relay."""
    if project is not None and event is None:
        what = {"project": project}
    elif event is not None and project is None:
        what = {"event": event}
    else:
        raise CommandFailed(Exit.USAGE, "say what to remove: a project, or one event with --event")
    # A relay that does not have it must not keep the next one from removing it.
    failures = [failed for url in admin if (failed := tried(url, what, name=len(admin) > 1)) is not None]
    if failures:
        raise CommandFailed(failures[0].status, "\n".join(map(str, failures)))


def tried(url: str, what: dict[str, str], *, name: bool) -> CommandFailed | None:
    """Have one relay remove it and print what it says; return how that failed, None if it did not."""
    at = f"{url}: " if name else ""
    try:
        purged = asyncio.run(ask(url, what))
    except CommandFailed as failed:
        return CommandFailed(failed.status, f"{at}{failed}")
    typer.echo(f"{at}removed {purged.events:,} event{'' if purged.events == 1 else 's'}")
    for note in purged.notes:
        typer.echo(f"{at}{escape(note)}", err=True)
    return None


async def ask(url: str, what: dict[str, str]) -> Purged:
    """Return what the listener answers; raises CommandFailed."""
    try:
        async with Admin(url) as listener:
            return await listener.purge(what)
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from error
    except Refused as refused:
        if refused.status == HTTPStatus.NOT_FOUND and not refused.code:
            raise CommandFailed(Exit.UNAVAILABLE, f"{url} is no admin listener of a relay that can purge") from refused
        raise of_refusal(refused) from refused
    except Unreachable as error:
        raise unreachable(error) from error
