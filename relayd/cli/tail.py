"""`relayd tail`: follow a project on a terminal, in a pipe, or as raw JSON."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from relayd.cli.exits import CommandFailed, Exit, of_watch
from relayd.cli.lines import is_figures, line_of, plain
from relayd.cli.options import RelayUrl, Token
from relayd.cli.screen import Connection, Screen
from relayd.client.watch import WatchEnded, Watcher
from relayd.protocol.commands import Selection

__all__ = ["tail"]

TICK = 0.125
"""Seconds between two drawings."""


def tail(  # noqa: PLR0913 - one for each option
    project: Annotated[str, typer.Argument(help="Project to follow.")],
    *,
    url: RelayUrl = "http://127.0.0.1:8000",
    token: Token = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Only messages of this type; repeatable.")] = None,
    level: Annotated[str | None, typer.Option(help="Least level of log lines: info, success, warning, error.")] = None,
    agents: Annotated[list[str] | None, typer.Option("--agent", help="Only this agent; repeatable.")] = None,
    q: Annotated[str | None, typer.Option("--q", help="Only messages that contain this text.")] = None,
    after: Annotated[str | None, typer.Option(help="Resume behind this cursor.")] = None,
    history: Annotated[int | None, typer.Option("--tail", min=0, help="Messages of history to begin with.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the messages as they came, one per line.")] = False,
) -> None:
    """Follow a project; it resumes by itself, and says so when it could not."""
    try:
        selection = Selection(
            types=frozenset(types) if types else None, level=level, agent=frozenset(agents) if agents else None, q=q
        )
        watcher = Watcher(url, token, project, after=after, tail=history, selection=selection)
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from error
    follow = as_json if json else as_screen if sys.stdout.isatty() else as_lines
    try:
        asyncio.run(follow(watcher))
    except WatchEnded as ended:
        raise of_watch(ended) from ended
    except BrokenPipeError as error:
        # Whoever read has gone (`| head`).  Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(Exit.BROKEN_PIPE) from error


async def as_json(watcher: Watcher) -> None:
    """Print each message as it came."""
    async with every(TICK, Cuts(watcher).tell), aclosing(watcher.received()) as received:
        async for each in received:
            if (line := line_of(each.message)).kind == "GAP":
                typer.echo(f"relayd: {line.text}", err=True)
            sys.stdout.buffer.write(each.raw + b"\n")
            sys.stdout.buffer.flush()


async def as_lines(watcher: Watcher) -> None:
    """Print one line per message, at once."""
    async with every(TICK, Cuts(watcher).tell), aclosing(watcher.received()) as received:
        async for each in received:
            if not is_figures(each.message):
                typer.echo(plain(line_of(each.message)))


async def as_screen(watcher: Watcher) -> None:
    """Draw lines and panel until the relay is done."""
    screen = Screen(watcher.project_id)
    console = Console()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        async with every(TICK, lambda: draw(screen, watcher, live)), aclosing(watcher.received()) as received:
            async for each in received:
                screen.hear(each.message)


def draw(screen: Screen, watcher: Watcher, live: Live) -> None:
    """Draw what is new."""
    if (lines := screen.lines()) is not None:
        live.console.print(lines)
    silent_for = None if watcher.heard_at is None else time.monotonic() - watcher.heard_at
    live.update(screen.panel(Connection(watcher.link, watcher.detail, silent_for)), refresh=True)


class Cuts:
    """Tells on stderr what happened to the connection, each cut once."""

    def __init__(self, watcher: Watcher) -> None:
        """Begin with nothing told."""
        self.watcher = watcher
        self.told = 0

    def tell(self) -> None:
        """Tell the last cut unless it was told."""
        if self.watcher.cuts > self.told:
            self.told = self.watcher.cuts
            typer.echo(f"relayd: {self.watcher.detail}", err=True)


@asynccontextmanager
async def every(seconds: float, act: Callable[[], None]) -> AsyncGenerator[None]:
    """Act again and again beside the body, and a last time after it."""

    async def ticking() -> None:
        while True:
            act()
            await asyncio.sleep(seconds)

    task = asyncio.create_task(ticking())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        act()
