"""`relayd top`: how a relay does, second by second."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.live import Live

from relayd.cli.exits import CommandFailed, Exit, unreachable
from relayd.cli.gauges import Seat, line, screen
from relayd.cli.listener import ADMIN
from relayd.cli.options import AdminUrl
from relayd.client.http import Unreachable
from relayd.client.listener import Listener
from relayd.telemetry.figures import Figures, Standing, figures
from relayd.telemetry.scrape import Scrape, parse

__all__ = ["top"]

PATIENCE = 5.0
"""Seconds; a relay that takes longer to say how it is, is not well."""
MANY = 1_000
"""Connections looked at for what they watch; the listener tells of no more at once."""

FOUND = 200


class Seats(Struct):
    """What `GET /connections` answers."""

    connections: list[Seat]


SEATS = msgspec.json.Decoder(Seats)


class Look(Struct, frozen=True):
    """What was seen of a relay at one moment; without figures it could not be reached."""

    figures: Figures | None
    seats: list[Seat] | None = None
    trouble: str = ""


def top(
    *,
    admin: AdminUrl = ADMIN,
    interval: Annotated[float, typer.Option(min=0.1, max=3_600, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look for one interval, print, and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print each look as JSON, one per line.")] = False,
) -> None:
    """Watch how a relay does: a screen on a terminal, else a line for each interval."""
    drawn = sys.stdout.isatty() and not json and not once
    try:
        asyncio.run(draw(admin, interval) if drawn else tell(admin, interval, once=once, as_json=json))
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from error
    except Unreachable as error:
        raise unreachable(error) from error
    except BrokenPipeError as error:
        # Whoever read has gone (`| head`).  Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(Exit.BROKEN_PIPE) from error


async def tell(url: str, interval: float, *, once: bool, as_json: bool) -> None:
    """Print a line for each look, or of the first; raises Unreachable if the relay is not there at the beginning."""
    async for look in looks(url, interval):
        if look.figures is None:
            typer.echo(f"relayd: {look.trouble}", err=True)
            continue
        typer.echo(msgspec.json.encode(look.figures) if as_json else line(look.figures))
        if once:
            return


async def draw(url: str, interval: float) -> None:
    """Draw the newest look until interrupted; raises Unreachable if the relay is not there at the beginning."""
    with Live(console=Console(), auto_refresh=False, screen=False) as live:
        last: Figures | None = None
        async for look in looks(url, interval):
            last = look.figures or last
            if last is not None:
                live.update(screen(last, look.seats, url=url, trouble=look.trouble), refresh=True)


async def looks(url: str, interval: float) -> AsyncGenerator[Look]:
    """Yield a look after each interval, the first after two scrapes; raises Unreachable for the very first."""
    async with Listener(url, seconds=PATIENCE) as listener:
        before: Scrape | None = (await see(listener, None))[1]
        while True:
            await asyncio.sleep(interval)
            try:
                look, scrape = await see(listener, before)
            except Unreachable as error:
                # It restarts, or is gone: what counts is that the person sees it, and sees it come back.
                before = None
                yield Look(None, trouble=str(error))
            else:
                before = scrape
                yield look


async def see(listener: Listener, before: Scrape | None) -> tuple[Look, Scrape]:
    """Return a look and the scrape that it rests on; raises Unreachable."""
    standing = standing_of((await listener.get("/readyz")).told(), listener.url)
    metrics = await listener.get("/metrics")
    try:
        scrape = parse(metrics.text, time.monotonic())
    except ValueError as error:
        raise Unreachable(f"what answers at {listener.url} is no relay: {error}") from error
    seats = await listener.get(f"/connections?limit={MANY}")
    look = Look(figures(standing, before, scrape, now=time.time()), seats_of(seats.status, seats.body))
    return look, scrape


def standing_of(told: dict[str, Any], url: str) -> Standing:
    """Return what `/readyz` says; raises Unreachable if it is no relay that says it."""
    try:
        return msgspec.convert(told, Standing)
    except msgspec.ValidationError as error:
        raise Unreachable(f"what answers at {url} is no relay's admin listener: {error}") from error


def seats_of(status: int, body: bytes) -> list[Seat] | None:
    """Return the single connections, None from a relay that does not tell of them."""
    if status != FOUND:
        return None
    try:
        return SEATS.decode(body).connections
    except msgspec.DecodeError:
        return None
