"""`relayd admin`: who is connected, who has to end, whose tokens hold no more; over the admin listener."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar
from urllib.parse import quote

import msgspec
import typer
from msgspec import Struct

from relayd.cli import listener
from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.lines import stamp
from relayd.cli.listener import ADMIN
from relayd.cli.options import AdminUrl
from relayd.client.http import Admin
from relayd.telemetry.redaction import escape

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="See and end connections; revoke tokens.")

PAGE = 1_000

ABSENT = "takes no such orders: it is another listener, or an older relay's"

Answer = TypeVar("Answer")

User = Annotated[str | None, typer.Option("--user", metavar="USER", show_default=False, help="This user's.")]
Project = Annotated[
    str | None, typer.Option("--project", metavar="PROJECT", show_default=False, help="Those that watch this project.")
]
TokenId = Annotated[
    str | None, typer.Option("--token-id", metavar="ID", show_default=False, help="The token with this `jti`.")
]
Limit = Annotated[int, typer.Option(min=1, max=PAGE, help="Most rows to list.")]
Json = Annotated[bool, typer.Option("--json", help="Print the listener's answer, for machines.")]


class Connection(Struct, kw_only=True):
    """A row of `GET /connections`."""

    connection_id: str
    user: str
    transport: str
    projects: list[str]
    since: float
    address: str | None = None
    buffered: int | None = None
    here: bool = True


class Connections(Struct):
    """An answer of `GET /connections`."""

    connections: list[Connection]
    left_off: int = 0


class Ended(Struct):
    """An answer of `POST /disconnect`."""

    ended: int
    elsewhere: int | None = 0
    others: str = "none"


class Revoked(Struct, kw_only=True):
    """A row of `GET /revocations`, and an answer of `POST /revoke`."""

    user: str | None = None
    token_id: str | None = None
    at: float
    until: float
    ended: int = 0
    kept: str = ""
    others: str = ""


class Revocations(Struct):
    """An answer of `GET /revocations`."""

    revocations: list[Revoked]
    left_off: int = 0


@app.command()
def connections(
    *,
    user: User = None,
    project: Project = None,
    limit: Limit = 100,
    machine: Json = False,
    admin: AdminUrl = ADMIN,
) -> None:
    """List who is connected to this relay, the oldest first; with --user or --project to other relays, too."""
    query = {"limit": str(limit)} | given(user=user, project=project)
    answer = asked(admin, "GET", "/connections", Connections, query=query, shown=machine)
    if machine:
        return
    head = ("connection", "user", "transport", "since", "from", "unsent", "projects")
    table(head, [connection_row(one) for one in answer.connections])
    more(answer.left_off)


@app.command()
def disconnect(
    *,
    connection: Annotated[
        str | None, typer.Argument(metavar="CONNECTION", show_default=False, help="A connection's id.")
    ] = None,
    user: User = None,
    project: Project = None,
    reason: Annotated[str, typer.Option(help="What its viewers are told.")] = "",
    machine: Json = False,
    admin: AdminUrl = ADMIN,
) -> None:
    """End connections, on all relays; their viewers may come back in half a minute. Ends with 65 if there were none."""
    whom = exactly_one(connection_id=connection, user=user, project_id=project)
    order = {**whom, "reason": reason}
    answer = asked(admin, "POST", "/disconnect", Ended, order=order, shown=machine)
    if not machine:
        elsewhere = "" if answer.elsewhere is None else f", {answer.elsewhere} on other relays"
        typer.echo(f"ended {answer.ended} on this relay{elsewhere}")
        tell_of_others(answer.others)
    if not answer.ended and not answer.elsewhere:
        raise CommandFailed(Exit.DATA, "nobody is connected who is meant")


@app.command()
def revoke(
    *,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="USER", show_default=False, help="All tokens this user was given until now."),
    ] = None,
    token_id: TokenId = None,
    expires_at: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", show_default=False, help="With --token-id: its `exp`; until then it is remembered."
        ),
    ] = None,
    machine: Json = False,
    admin: AdminUrl = ADMIN,
) -> None:
    """Let tokens in no more, and end their connections."""
    order: dict[str, object] = {**exactly_one(user=user, token_id=token_id)}
    if expires_at is not None:
        order["expires_at"] = expires_at
    answer = asked(admin, "POST", "/revoke", Revoked, order=order, shown=machine)
    if machine:
        return
    typer.echo(f"revoked; ended {answer.ended} on this relay; kept {answer.kept}, at most until {stamp(answer.until)}")
    tell_of_others(answer.others)


@app.command()
def revocations(*, limit: Limit = 100, machine: Json = False, admin: AdminUrl = ADMIN) -> None:
    """List what is revoked, the newest first."""
    answer = asked(admin, "GET", "/revocations", Revocations, query={"limit": str(limit)}, shown=machine)
    if machine:
        return
    table(("what", "name", "revoked", "until"), [revocation_row(one) for one in answer.revocations])
    more(answer.left_off)


@app.command()
def unrevoke(*, user: User = None, token_id: TokenId = None, machine: Json = False, admin: AdminUrl = ADMIN) -> None:
    """Take a revocation back."""
    ((field, name),) = exactly_one(user=user, token=token_id).items()
    path = f"/revocations/{field}/{quote(name, safe='')}"
    answer = asked(admin, "DELETE", path, Revoked, shown=machine)
    if machine:
        return
    typer.echo("taken back")
    tell_of_others(answer.others)


def asked(
    url: str,
    method: str,
    path: str,
    kind: type[Answer],
    *,
    shown: bool,
    order: object = None,
    query: Mapping[str, str] | None = None,
) -> Answer:
    """Return what the listener answers; where it is `shown` it is printed as it came; raises CommandFailed."""

    async def ask(there: Admin) -> msgspec.Raw:
        return await there.order(method, path, msgspec.Raw, order=order, query=query)

    answer = bytes(listener.run(url, ask, absent=ABSENT))
    try:
        read = msgspec.json.decode(answer, type=kind)
    except msgspec.MsgspecError as error:
        sentence = f"what answers at {url} is no relay of this version: {error}"
        raise CommandFailed(Exit.UNAVAILABLE, sentence) from error
    if shown:
        typer.echo(answer)
    return read


def given(**named: str | None) -> dict[str, str]:
    """Return those that were said."""
    return {name: value for name, value in named.items() if value is not None}


def exactly_one(**named: str | None) -> dict[str, str]:
    """Return the one that was said; raises CommandFailed."""
    said = given(**named)
    if len(said) != 1:
        raise CommandFailed(Exit.USAGE, "say exactly one of those whom it is about; see --help")
    return said


def connection_row(one: Connection) -> tuple[str, ...]:
    """Return a connection in words; what only its own relay knows is left open."""
    address = escape(one.address or "-") if one.here else "(another relay)"
    unsent = "-" if one.buffered is None else f"{one.buffered:,}"
    projects = " ".join(map(escape, one.projects)) or "-"
    return one.connection_id, escape(one.user), one.transport, stamp(one.since), address, unsent, projects


def revocation_row(one: Revoked) -> tuple[str, ...]:
    """Return a revocation in words."""
    what, name = ("user", one.user) if one.user is not None else ("token", one.token_id)
    return what, escape(name or ""), stamp(one.at), stamp(one.until)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads, each column as wide as it must be."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def more(left_off: int) -> None:
    """Tell that there are more than were listed."""
    if left_off:
        typer.echo(f"there are {left_off} more; see them with --limit", err=True)


def tell_of_others(others: str) -> None:
    """Tell when other relays do not know."""
    if others not in {"told", "none"}:
        typer.echo(f"other relays: {others}", err=True)
