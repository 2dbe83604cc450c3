"""
Stories of swarms that never were, told event by event: for the demo, for `relayd simulate`, and for tests.

The same seed tells the same stories.  No clock and no waiting in here: `events` says how long to wait before each
event, `burst` is given the time.
"""

from collections.abc import Iterator, Mapping
from heapq import heapreplace
from random import Random
from typing import Any

from relayd.sources.script import AGENTS, CAST, FAILURES, STAGES, Role, Stage

__all__ = ["Beat", "Swarm"]

Beat = tuple[float, dict[str, Any]]
"""Seconds to wait, and then the event, in native form and without a timestamp."""

FAILS_IN = 5
"""One story of so many ends badly."""

APART = 2.7
"""Seconds between the starts of two projects, so that they are never in the same stage."""

EMOJI = {"info": "💡", "success": "✅", "warning": "⚠️", "error": "❌"}
MODELS = ("demo-large", "demo-small")
LEVELS = ("info", "info", "info", "success", "warning")


class Swarm:
    """Tells stories of some projects; the first three are the demo's, further ones are numbered."""

    def __init__(self, seed: int, *, projects: int = 3) -> None:
        self.seed = seed
        self.roles = [*CAST[:projects], *(extra(number) for number in range(len(CAST) + 1, projects + 1))]

    def events(self, recorded: Mapping[str, Iterator[Beat]] | None = None) -> Iterator[Beat]:
        """
        Yield for ever `(seconds to wait, event)` of all projects, mixed as they happen.

        `recorded` has projects that are told another way: `(seconds until the next one, event)`, for ever.
        """
        made_up = [role for role in self.roles if role.project_id not in (recorded or {})]
        tellers = list((recorded or {}).values())
        tellers += [life(role, Random(f"{self.seed}/{role.project_id}")) for role in made_up]  # noqa: S311 - stories
        # One entry per project: when it speaks next, and its number, so that events are never compared.
        coming = [(APART * number, number) for number in range(len(tellers))]
        now = 0.0
        while True:
            at, number = coming[0]
            delay, event = next(tellers[number])
            heapreplace(coming, (at + delay, number))
            yield at - now, event
            now = at

    def burst(self, count: int, *, projects: int = 10, start: float = 0.0) -> Iterator[dict[str, Any]]:
        """
        Yield `count` events of projects `load-1`, `load-2`, … in turn, with timestamps from `start` (Unix seconds).

        Each project's events are numbered from 0 in `key`, so that whoever reads them can tell a loss from a repeat.
        """
        random = Random(f"{self.seed}/burst")  # noqa: S311 - load needs no secrets
        for number in range(count):
            sequence, project = divmod(number, projects)
            event = burst_event(random, sequence)
            yield {
                "type": event.pop("type"),
                "project_id": f"load-{project + 1}",
                "timestamp": round(start + number / 1_000, 3),
                "key": str(sequence),
                **event,
            }


def extra(number: int) -> Role:
    """Return a project beyond the demo's three."""
    return Role(f"demo-{number}", f"Project {number}", "One of many", "web")


def life(role: Role, random: Random) -> Iterator[Beat]:
    """Yield for ever `(seconds until the next one, event)`: a project that starts again whenever it has ended."""
    while True:
        for pause, event in story(role, random):
            yield pause, {"type": event.pop("type"), "project_id": role.project_id, **event}


def story(role: Role, random: Random) -> Iterator[Beat]:
    """Yield one project's story from start to end."""
    minutes = random.randint(2, 6)
    yield (
        1.0,
        {
            "type": "project_started",
            "name": role.name,
            "description": role.description,
            "project_type": role.project_type,
            "owner": "demo",
            "team": "demo",
            "agents": list(AGENTS),
            "estimated_duration_seconds": minutes * 60,
        },
    )
    fails_at = random.randrange(3, len(STAGES)) if random.randrange(FAILS_IN) == 0 else None
    for number, stage in enumerate(STAGES):
        yield from stage_of(stage, number, random)
        if number == fails_at:
            yield from failure(stage, random)
            return
    yield 1.0, {"type": "project_progress", "progress": 100, "message": "Done", "stage": "completion"}
    address = f"https://{role.project_id}.example.org"
    yield (
        random.uniform(15, 30),
        {
            "type": "project_completed",
            "url": address,
            "completion_url": address,
            "deployment_url": f"{address}/status",
            "message": f"{role.name} is live",
            "duration_seconds": minutes * 60,
        },
    )


def stage_of(stage: Stage, number: int, random: Random) -> Iterator[Beat]:
    """Yield what happens in one stage."""
    update = {"type": "workflow_stage_update", "stage": stage.name}
    yield 0.5, {**update, "message": stage.message, "status": "running"}
    for agent in stage.agents:
        yield 0.3, agent_update(agent, "working", random.randint(1, 20), stage.message, activity="thinking")
    for step, line in enumerate(stage.lines, 1):
        yield random.uniform(0.5, 2.5), log(random.choice(LEVELS), line, random.choice(stage.agents))
        done = round(100 * (number + step / len(stage.lines)) / len(STAGES), 1)
        progress = {"type": "project_progress", "progress": done, "message": f"{stage.message}...", "stage": stage.name}
        yield random.uniform(0.5, 1.5), progress
        for agent in stage.agents:
            share = 100 * step // (len(stage.lines) + 1)
            moved = agent_update(agent, "working", share, line, activity="using_tool")
            yield 0.2, {**moved, "usage": used(agent, line)}
    if random.randrange(8) == 0:
        yield from pause(stage, random)
    for agent in stage.agents:
        yield 0.3, agent_update(agent, "completed", 100, stage.message)
    yield 0.5, {**update, "message": f"{stage.message}: done", "status": "completed"}


def pause(stage: Stage, random: Random) -> Iterator[Beat]:
    """Yield a pause: somebody waits for a human, and goes on."""
    agent = stage.agents[0]
    yield 0.5, log("warning", "Waiting for a review", agent, emoji="⏸️")
    waiting = agent_update(agent, "idle", 50, "Waiting for a review", activity="waiting_for_human")
    yield random.uniform(4, 10), waiting
    yield 0.5, log("success", "Reviewed, going on", agent, emoji="▶️")


def failure(stage: Stage, random: Random) -> Iterator[Beat]:
    """Yield a bad end."""
    error, code = random.choice(FAILURES)
    yield 0.5, log("error", error, stage.agents[0], emoji="💥")
    yield 0.3, agent_update(stage.agents[0], "failed", 60, stage.message)
    yield 0.3, {"type": "workflow_stage_update", "stage": stage.name, "message": error, "status": "failed"}
    yield random.uniform(10, 20), {"type": "project_error", "error": error, "code": code, "fatal": True}


def agent_update(agent: str, status: str, progress: int, task: str, *, activity: str | None = None) -> dict[str, Any]:
    """Return what one agent does."""
    update: dict[str, Any] = {"type": "agent_status_update", "agent": agent, "status": status, "progress": progress}
    return {**update, "task": task} if activity is None else {**update, "task": task, "activity": activity}


def used(agent: str, line: str) -> dict[str, Any]:
    """Return what a step took of a model: the longer the line, the more there was to think about."""
    words = len(line)
    model = MODELS[AGENTS.index(agent) % len(MODELS)]
    return {
        "model": model,
        "input_tokens": 400 * words,
        "cached_input_tokens": 300 * words,
        "output_tokens": 20 * words,
    }


def log(level: str, message: str, agent: str, *, emoji: str | None = None) -> dict[str, Any]:
    """Return a line of log."""
    return {
        "type": "workflow_log",
        "level": level,
        "message": message,
        "emoji": emoji or EMOJI[level],
        "agent": agent,
        "source": "demo",
    }


def burst_event(random: Random, sequence: int) -> dict[str, Any]:
    """Return an event of a project under load: a start, and then mostly log lines, as from a real swarm."""
    if sequence == 0:
        return {"type": "project_started", "name": "Load", "owner": "demo", "team": "demo"}
    draw = random.randrange(10)
    if draw == 0:
        return {"type": "project_progress", "progress": sequence % 101, "message": f"Step {sequence}"}
    if draw == 1:
        return agent_update(random.choice(AGENTS), "working", sequence % 101, f"Step {sequence}")
    line = random.choice(random.choice(STAGES).lines)
    return {**log(random.choice(LEVELS), line, random.choice(AGENTS)), "fields": {"seq": sequence}}
