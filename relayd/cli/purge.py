"""`relayd purge`: remove an event or a project for good, over the admin listener."""

from typing import Annotated

import typer

from relayd.cli import listener
from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.options import AdminUrls
from relayd.telemetry.redaction import escape

__all__ = ["purge"]

ADMIN = [listener.ADMIN]
ABSENT = "is no admin listener of a relay that can purge"


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
        purged = listener.run(
            url, lambda there: there.purge(what), absent="is no admin listener of a relay that can purge"
        )
    except CommandFailed as failed:
        return CommandFailed(failed.status, f"{at}{failed}")
    typer.echo(f"{at}removed {purged.events:,} event{'' if purged.events == 1 else 's'}")
    for note in purged.notes:
        typer.echo(f"{at}{escape(note)}", err=True)
    return None
