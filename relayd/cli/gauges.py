"""
Figures of a relay for people: one line in a pipe, a screen on a terminal.

This module draws; it neither asks nor waits.  What a relay says of itself becomes `Text`, never markup.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from relayd.telemetry.figures import Figures
from relayd.telemetry.labels import OTHER
from relayd.telemetry.redaction import escape

__all__ = ["Seat", "line", "screen"]

LATE_SECONDS = 5.0
"""A log this far behind is worth a colour."""
ROWS = 8
UNKNOWN = "-"


class Seat(Struct, frozen=True):
    """One connection, as the admin listener tells of it."""

    transport: str = ""
    projects: Sequence[str] = ()
    since: float = 0.0
    """Unix seconds."""


def line(now: Figures) -> str:
    """Return a look in one line of `name=value`."""
    refused = None if now.refusals is None else sum(now.refusals.values())
    words = {
        "state": "ready" if now.ready else "not-ready",
        "connections": f"{sum(now.connections.values())}",
        "lag": _seconds(now.lag_seconds),
        "canary": _seconds(now.canary_seconds),
        "in": _rate(now.events),
        "out": _rate(None if now.deliveries is None else sum(now.deliveries.values())),
        "refused": _rate(refused),
        "p50": _latency(now, "latency_p50"),
        "p99": _latency(now, "latency_p99"),
        "loop_p99": _latency(now, "loop_lag_p99"),
        "memory": _bytes(now.memory),
        "files": _of(now.files, now.max_files),
        "journal": _journal(now.journal),
    }
    told = "".join(f"  {name}: {escape(sentence)}" for name, sentence in {**now.reasons, **now.notes}.items())
    return f"{_clock(now.at)} {' '.join(f'{name}={value}' for name, value in words.items())}{told}"


def screen(now: Figures, seats: Sequence[Seat] | None, *, url: str, trouble: str = "") -> RenderableType:
    """Return the whole screen; `seats` is None where the relay does not tell of single connections."""
    parts: list[RenderableType] = [_head(now, url)]
    if trouble:
        parts.append(Text(escape(trouble), "bold red", no_wrap=True, overflow="ellipsis"))
    parts += [Text(f"✗ {name}: {escape(sentence)}", "bold red") for name, sentence in now.reasons.items()]
    parts += [Text(f"! {name}: {escape(sentence)}", "yellow") for name, sentence in now.notes.items()]
    parts += [_rows(_figures(now)), _transports(now)]
    if now.refusals:
        parts.append(_rows([("refused", "  ".join(f"{why} {_rate(rate)}" for why, rate in now.refusals.items()))]))
    if seats is not None:
        parts.append(_rows(_seats(seats, now.at)))
    return Group(*parts)


def _head(now: Figures, url: str) -> Text:
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append("● ready" if now.ready else "● not ready", "bold green" if now.ready else "bold red")
    up = "" if now.uptime is None else f"  up {_age(now.uptime)}"
    head.append(f"  relayd {escape(now.version)} at {escape(url)}{up}  {_clock(now.at)}", "dim")
    return head


def _figures(now: Figures) -> list[tuple[str, str | Text]]:
    late = now.lag_seconds is not None and now.lag_seconds > LATE_SECONDS
    source = Text("connected" if now.connected else "away", "" if now.connected else "bold red")
    source.append(f"  lag {_seconds(now.lag_seconds)}", "bold red" if late else "")
    source.append(f"  canary {_seconds(now.canary_seconds)} ago" if now.canary_seconds is not None else "")
    return [
        ("log", source),
        ("in", f"{_rate(now.events)} events  {_rate(now.rejected)} rejected  {now.projects} projects in memory"),
        ("latency", f"p50 {_latency(now, 'latency_p50')}  p99 {_latency(now, 'latency_p99')}"),
        ("loop", f"p99 {_latency(now, 'loop_lag_p99')} late"),
        ("process", f"{_bytes(now.memory)}  files {_of(now.files, now.max_files)}"),
        ("journal", Text(_journal(now.journal), "bold red" if now.journal is False else "")),
    ]


def _transports(now: Figures) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for name in ("transport", "connections", "live", "past"):
        table.add_column(name, justify="left" if name == "transport" else "right", no_wrap=True)
    for transport, count in now.connections.items():
        if transport == OTHER and not count:
            continue
        live, past = (None if of is None else of.get(transport, 0.0) for of in (now.deliveries, now.replayed))
        table.add_row(transport, str(count), _rate(live), _rate(past))
    return table


def _seats(seats: Sequence[Seat], now: float) -> list[tuple[str, str]]:
    """Return the oldest connection, and the projects that most of them watch."""
    watched: dict[str, int] = {}
    for seat in seats:
        for project in seat.projects:
            watched[project] = watched.get(project, 0) + 1
    most = sorted(watched.items(), key=lambda item: (-item[1], item[0]))[:ROWS]
    rows = [("watched", "  ".join(f"{escape(project)} {count}" for project, count in most) or UNKNOWN)]
    if seats:
        oldest = min(seats, key=lambda seat: seat.since)
        rows.append(("oldest", f"{_age(max(0.0, now - oldest.since))} over {escape(oldest.transport)}"))
    return rows


def _rows(rows: Sequence[tuple[str, str | Text]]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=9, style="dim")
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, value in rows:
        table.add_row(name, Text(value) if isinstance(value, str) else value)
    return table


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}s"


def _rate(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}/s" if 0 < value < 10 else f"{value:,.0f}/s"  # noqa: PLR2004


def _latency(now: Figures, name: str) -> str:
    value: Any = getattr(now, name)
    if value is None:
        return UNKNOWN
    told = f"{value * 1_000:.3g}ms" if value < 1 else f"{value:.3g}s"
    return f">{told}" if name in now.beyond else told


def _bytes(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value / 2**20:.0f}MiB"


def _of(value: float | None, most: float | None) -> str:
    return UNKNOWN if value is None or most is None else f"{value:.0f}/{most:.0f}"


def _journal(attached: bool | None) -> str:  # noqa: FBT001  # a value of three kinds
    return {None: "none", True: "attached", False: "away"}[attached]
