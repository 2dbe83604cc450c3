"""`relayd inspect`: what nobody understood, in groups, each with a sample and a rule that would read it."""

from typing import Annotated

import msgspec
import typer
from msgspec import Struct

from relayd.cli import listener
from relayd.cli.lines import stamp
from relayd.cli.listener import ADMIN
from relayd.cli.options import AdminUrl
from relayd.client.http import Admin
from relayd.telemetry.redaction import escape

__all__ = ["inspect"]

MOST = 100
NO_JOURNAL = "keeps no rejected events: its relay has no journal (journal.path), or it is another listener"


class Group(Struct, kw_only=True):
    """Events that were rejected alike."""

    dialect: str
    reason: str
    type: str
    count: int
    first_seen: float
    last_seen: float
    number: int
    detail: str
    sample: str
    rule: str = ""


class Unmapped(Struct):
    """The largest groups, and how many events are in no one of them."""

    groups: list[Group]
    other: int = 0
    looked_at: int = 0


def inspect(
    *,
    admin: AdminUrl = ADMIN,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="Most groups to show.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """Show what could not be understood, in groups, each with a sample and a suggested rule; the largest first."""

    async def ask(there: Admin) -> None:
        found = await there.order("GET", "/unmapped", Unmapped, query={"limit": str(limit)})
        if json:
            typer.echo(msgspec.json.encode(found))
            return
        for group in found.groups:
            typer.echo(lines(group))
        if found.other:
            typer.echo(f"{found.other:,} of {found.looked_at:,} events are in other groups", err=True)

    listener.run(admin, ask, absent=NO_JOURNAL)


def lines(group: Group) -> str:
    """Return a group: what and how often, why, a sample, and a rule where there is one."""
    what = f"{group.reason}  {group.dialect or '-'}  {escape(group.type) or '-'}"
    found = [
        f"{group.count:>8,}  {stamp(group.first_seen)} to {stamp(group.last_seen)}  {what}",
        f"{'':10}{escape(group.detail)}",
        f"{'':10}{group.number}: {escape(group.sample)}",
        *(f"{'':10}{escape(line)}" for line in group.rule.splitlines()),
    ]
    return "\n".join(found)
