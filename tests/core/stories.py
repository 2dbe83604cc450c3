"""
Three stories of an agent, told through the real fold and the real judgement, and drawn.

docs/liveness.md shows them; `make docs` draws its pictures with this, and a test holds its words to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct

from relayd.core.liveness import State, Thresholds, judge_all
from relayd.core.project import fold
from relayd.core.snapshot import Snapshot
from relayd.protocol.messages import AgentStatusUpdate, Message, ProjectStarted, WorkflowLog
from tests.core.words import PROJECT

__all__ = ["STORIES", "Span", "Story", "drawn", "told"]

WHAT: dict[str, Any] = {"project_id": PROJECT, "timestamp": 0.0, "agent": "coder"}
MINUTE = 60


class Story(Struct, frozen=True, kw_only=True):
    """What an agent does, minute by minute."""

    title: str
    says: Sequence[tuple[float, Mapping[str, Any]]]
    """(minute, an update that changes its card); without `status` it works."""
    logs: Sequence[float]
    """Minutes at which it writes a line of log."""
    beats_until: float
    """It repeats itself every ten seconds up to this minute."""
    minutes: int


class Span(Struct, frozen=True):
    """A state and how long it held, in seconds since the beginning."""

    begins: int
    ends: int
    state: State | None
    """None: it need not work any more."""


STORIES = {
    "busy": Story(
        title="Busy: it thinks, waits for the tests, and goes on",
        says=[
            (0, {"activity": "thinking", "progress": 5}),
            (4, {"activity": None, "progress": 20}),
            (6, {"activity": "using_tool", "task": "the tests"}),
            (20, {"activity": None, "progress": 60}),
            (24, {"status": "completed", "progress": 100}),
        ],
        logs=[
            0.4,
            0.8,
            1.2,
            *(4 + number / 3 for number in range(1, 6)),
            *(20 + number / 3 for number in range(1, 12)),
        ],
        beats_until=24,
        minutes=26,
    ),
    "waiting": Story(
        title="Waiting: a question stands, and its answer comes after lunch",
        says=[
            (0, {"activity": None, "progress": 10}),
            (2, {"activity": "waiting_for_human", "task": "which database?"}),
            (58, {"activity": None, "progress": 30}),
            (61, {"status": "completed", "progress": 100}),
        ],
        logs=[number / 3 for number in (1, 2, 3, 4, 5, *range(175, 183))],
        beats_until=30,
        minutes=63,
    ),
    "died": Story(
        title="Died: the work hangs, the heartbeat goes on, then the machine is gone",
        says=[(0, {"activity": None, "progress": 10}), (3, {"progress": 40})],
        logs=[number / 3 for number in (1, 2, 3, 4, 5, 6, 7, 8)],
        beats_until=20,
        minutes=40,
    ),
}


def told(story: Story) -> list[Span]:
    """Return the states of a story, one after the other."""
    states = list(by_second(story))
    spans: list[Span] = []
    for state, seconds in groupby(enumerate(states), key=lambda each: each[1]):
        numbers = [number for number, _ in seconds]
        spans.append(Span(numbers[0], numbers[-1] + 1, state))
    return spans


def by_second(story: Story) -> Iterator[State | None]:
    """Return how the agent seems to be in each second."""
    state, card = Snapshot(project_id=PROJECT), dict[str, Any](status="working", progress=0)
    fold(state, ProjectStarted(project_id=PROJECT, timestamp=0.0), 1.0)
    for second in range(story.minutes * MINUTE):
        # The clock begins at 1: a time of 0 is none.
        now = second + 1.0
        for message in said(story, second, card):
            fold(state, message, now)
        judged = judge_all(state, lambda stamp: now - stamp, Thresholds())  # noqa: B023  # asked at once
        yield judged["coder"].state if judged else None


def said(story: Story, second: int, card: dict[str, Any]) -> Iterator[Message]:
    """Return what the agent says in a second, and change its card with it."""
    changes = [change for minute, change in story.says if round(minute * MINUTE) == second]
    for change in changes:
        card.update(change)
    if changes or (second % 10 == 0 and second < story.beats_until * MINUTE):
        yield AgentStatusUpdate(**WHAT, **card)
    if second in {round(minute * MINUTE) for minute in story.logs}:
        yield WorkflowLog(**WHAT, level="info", message="on it")


# -- the picture -------------------------------------------------------------------------------------------------

WIDTH, LEFT, RIGHT = 960, 108, 24
BAND = 96
"""Where the states are drawn; signs of work and of life above."""

COLOURS: dict[State | None, tuple[str, str]] = {
    "working": ("#15734a", "#fff"),
    "waiting_for_human": ("#1f5fae", "#fff"),
    "waiting_on_tool": ("#5b4b9a", "#fff"),
    "quiet": ("#c9d1da", "#1b222c"),
    "maybe_stuck": ("#f2c14e", "#1b222c"),
    "lost": ("#b3261e", "#fff"),
    None: ("#eef1f4", "#1b222c"),
}
"""Ground and letters."""

LETTER = 6.6
"""Pixels that a letter takes, about."""


def drawn(story: Story) -> str:
    """Return a picture of a story as SVG: its signs of work and of life, and how it seems to be."""
    seconds = story.minutes * MINUTE
    scale = (WIDTH - LEFT - RIGHT) / seconds
    spans = told(story)
    work = sorted({round(minute * MINUTE) for minute in (*(minute for minute, _ in story.says), *story.logs)})
    beats = range(0, round(min(story.beats_until, story.minutes) * MINUTE), 10)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 170" role="img" aria-labelledby="title desc">',
        f'<title id="title">{story.title}</title>',
        f'<desc id="desc">{"; ".join(f"{clock(span.begins)} {named(span.state)}" for span in spans)}</desc>',
        "<style>text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:#1b222c}.small{font-size:11px;fill:#5a6675}",
        "</style>",
        f'<rect width="{WIDTH}" height="170" rx="8" fill="#fff"/>',
        f'<text x="16" y="24" font-weight="600">{story.title}</text>',
        *ticks("work", 44, work, scale, colour="#15734a"),
        *ticks("heartbeats", 68, beats, scale, colour="#8b97a6"),
        f'<text x="16" y="{BAND + 18}">seems to be</text>',
    ]
    for span in spans:
        parts += band(span, scale)
    for minute in range(0, story.minutes + 1, 5 if story.minutes <= 45 else 10):
        x = LEFT + minute * MINUTE * scale
        parts.append(f'<line x1="{x:.1f}" y1="{BAND + 28}" x2="{x:.1f}" y2="{BAND + 34}" stroke="#8b97a6"/>')
        parts.append(f'<text class="small" x="{x:.1f}" y="{BAND + 48}" text-anchor="middle">{minute} min</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def ticks(name: str, y: int, at: Sequence[int], scale: float, *, colour: str) -> Iterator[str]:
    """Draw a row of moments."""
    yield f'<text x="16" y="{y + 10}">{name}</text>'
    lines = "".join(f"M{LEFT + second * scale:.1f} {y}v12" for second in at)
    yield f'<path d="{lines}" stroke="{colour}" fill="none"/>'


def band(span: Span, scale: float) -> Iterator[str]:
    """Draw how long a state held, with its name where that fits."""
    ground, ink = COLOURS[span.state]
    x, width, name = LEFT + span.begins * scale, (span.ends - span.begins) * scale, named(span.state)
    yield f'<rect x="{x:.1f}" y="{BAND}" width="{width:.1f}" height="28" fill="{ground}"><title>{name}</title></rect>'
    if width > len(name) * LETTER:
        yield (f'<text x="{x + width / 2:.1f}" y="{BAND + 18}" text-anchor="middle" style="fill:{ink}">{name}</text>')


def named(state: State | None) -> str:
    """Return a state as the page calls it."""
    return "has ended" if state is None else state


def clock(seconds: int) -> str:
    """Return minutes and seconds since the beginning."""
    return f"{seconds // MINUTE}:{seconds % MINUTE:02d}"
