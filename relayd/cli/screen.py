"""
A project on a terminal: lines scroll by, below them stands a panel with connection, progress and agents.

This module draws; it neither follows nor waits.  Texts become `Text`, never markup: a stranger's `[red]` is no colour.
"""

from collections import deque
from datetime import datetime

import msgspec
from msgspec import Struct
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from relayd.cli.lines import Line, is_figures, line_of
from relayd.client.frames import Foreign, Heard
from relayd.client.watch import Link
from relayd.core.project import fold
from relayd.core.snapshot import Agent, Snapshot
from relayd.protocol.messages import ConnectionEstablished, Notice
from relayd.telemetry.redaction import escape

__all__ = ["Connection", "Screen"]

LINES_AT_ONCE = 200
"""Lines drawn at one tick; a terminal can't show more of a flood, so the rest is counted instead."""

AGENTS_SHOWN = 12
BAR_WIDTH = 40

STYLES = {
    "connected": "green",
    "GAP": "bold white on red",
    "notice": "magenta",
    "started": "bold cyan",
    "progress": "cyan",
    "agent": "blue",
    "stage": "bold",
    "success": "green",
    "warning": "yellow",
    "error": "red",
    "failed": "bold red",
    "completed": "bold green",
    "unknown": "dim",
}
STATUS_STYLES = {"working": "cyan", "completed": "green", "failed": "red", "in_progress": "cyan"}
LINK_STYLES = {Link.LIVE: "green", Link.POLLING: "yellow", Link.CONNECTING: "yellow", Link.WAITING: "red"}


class Connection(Struct, frozen=True):
    """How the line to the relay is at this moment; `silent_for` in seconds, None before the first word."""

    link: Link
    detail: str
    silent_for: float | None


class Screen:
    """What is known of one project, and the lines that are not drawn yet."""

    def __init__(self, project_id: str) -> None:
        """Begin with nothing known."""
        self.state = Snapshot(project_id=project_id)
        self.waiting: deque[Line] = deque(maxlen=LINES_AT_ONCE)
        self.unseen = 0

    def hear(self, message: Heard) -> None:
        """Take a message in."""
        if is_figures(message):
            return
        if len(self.waiting) == LINES_AT_ONCE:
            self.unseen += 1
        self.waiting.append(line_of(message))
        if isinstance(message, ConnectionEstablished):
            self.begin(message)
        elif not isinstance(message, Foreign | Notice):
            fold(self.state, message, message.received_at or message.timestamp)

    def begin(self, message: ConnectionEstablished) -> None:
        """Take over the state that comes with a connection, if one does."""
        try:
            self.state = msgspec.convert(message.snapshot, Snapshot)
        except msgspec.ValidationError:
            # A newer relay's snapshot, or none at all: the events that follow still tell.
            return

    def lines(self) -> RenderableType | None:
        """Return what has to be drawn above the panel since the last call, None for nothing."""
        if not self.waiting:
            return None
        drawn = [draw(line) for line in self.waiting]
        if self.unseen:
            drawn.insert(0, Text(f"          … {self.unseen:,} lines passed too quickly to be drawn", "dim"))
        self.waiting.clear()
        self.unseen = 0
        return Group(*drawn)

    def panel(self, connection: Connection) -> RenderableType:
        """Return the panel below the lines."""
        parts: list[RenderableType] = [Text("─" * BAR_WIDTH, "dim"), self.header(connection), self.progress()]
        if self.state.agents:
            parts.append(self.agents())
        return Group(*parts)

    def header(self, connection: Connection) -> Text:
        """Return name, connection and freshness in one line."""
        header = Text(no_wrap=True, overflow="ellipsis")
        header.append(escape(self.state.name or self.state.project_id), "bold")
        header.append(f"  ● {connection.link.value}", LINK_STYLES[connection.link])
        if connection.silent_for is not None:
            header.append(f"  heard {connection.silent_for:.0f} s ago", "dim")
        if connection.link is not Link.LIVE and connection.detail:
            header.append(f"  {escape(connection.detail)}", "dim")
        return header

    def progress(self) -> RenderableType:
        """Return the bar with status and stage."""
        state = self.state
        row = Table.grid(padding=(0, 1))
        words = Text(f"{state.progress:.0f}%  ")
        words.append(state.status.replace("_", " "), STATUS_STYLES.get(state.status, ""))
        if state.stage:
            words.append(f"  {escape(state.stage)}", "dim")
        row.add_row(ProgressBar(total=100, completed=state.progress, width=BAR_WIDTH), words)
        return row

    def agents(self) -> RenderableType:
        """Return a table of the agents, those that moved last on top."""
        table = Table(box=None, padding=(0, 1), show_edge=False)
        for column in ("agent", "status", "", "task"):
            table.add_column(column, no_wrap=True, overflow="ellipsis")
        recent = sorted(self.state.agents.items(), key=lambda item: -item[1].last_seen)
        for name, agent in recent[:AGENTS_SHOWN]:
            table.add_row(*agent_row(name, agent))
        if len(recent) > AGENTS_SHOWN:
            table.add_row(Text(f"and {len(recent) - AGENTS_SHOWN} more", "dim"))
        return table


def agent_row(name: str, agent: Agent) -> tuple[Text, Text, Text, Text]:
    """Return the cells of one agent."""
    doing = " - ".join(part for part in (agent.task, agent.activity) if part)
    style = STATUS_STYLES.get(agent.status, "dim")
    return Text(escape(name)), Text(agent.status, style), Text(f"{agent.progress:.0f}%"), Text(escape(doing), "dim")


def draw(line: Line) -> Text:
    """Return a line in its colours, its time in the zone of the person who reads it."""
    style = STYLES.get(line.kind, "")
    clock = datetime.fromtimestamp(line.when).astimezone().strftime("%H:%M:%S") if line.when is not None else " " * 8
    return Text.assemble((clock, "dim"), "  ", (f"{line.kind:<9}", style), "  ", (line.text, style))
