"""
What projects spend, told to those who watch them: how much, how fast, and that a budget is nearly or wholly used.

Law 1: it tells, and does nothing else; nobody is stopped for spending too much.
Law 2: what is told is no event.  It may be lost where a buffer is full; the next state has it.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from relayd.core.burn import Burn
from relayd.core.floor import BELOW_ALL
from relayd.core.snapshot import Snapshot
from relayd.core.spending import Crossing, Level, Terms, crossed, over, shown, warned
from relayd.core.staging import Staging
from relayd.core.timeline import Entry
from relayd.ports import Clock, Observer
from relayd.protocol import codec
from relayd.protocol.messages import LEVELS, Notice, ProjectStarted, WorkflowLog
from relayd.relay.asides import say_to_all
from relayd.relay.fanout import Fanout
from relayd.relay.freshness import Freshness
from relayd.relay.subscription import Watched, WatchedLog

__all__ = ["News", "Spending"]

TOLD_SECONDS = 2.0
"""Figures are told so long after they changed, and no more often."""

LIVE_SECONDS = 10.0
"""What comes while the relay is further behind its log was used at another time, and says nothing of how fast."""

Before = Mapping[str, Level]
"""By project: what it had used before a batch."""


class News(Struct, frozen=True):
    """What a batch came to in a project."""

    project: Watched
    crossings: Sequence[Crossing]


class Spending:
    """Prices and budgets, and who is told of them."""

    def __init__(self, terms: Terms | None = None) -> None:
        """Begin with terms; they may be replaced while running."""
        self.terms = terms or Terms()
        self._due: set[str] = set()
        """Projects whose figures will be told in a moment."""

    # -- around a batch -----------------------------------------------------------------------------------------

    def look(self, staging: Staging, log: WatchedLog) -> Before:
        """Return what those projects have used to which the batch has something to add."""
        found: dict[str, Level] = {}
        for project_id, said in staging.projects.items():
            # Most batches say nothing of it, and this is the way of every event.
            if any(
                message.usage or (isinstance(message, ProjectStarted) and message.budget is not None)
                for message, _ in said
            ):
                project = log.projects.get(project_id)
                # Of a partial state nobody knows what was used before.
                if project is None or not project.partial:
                    state = Snapshot(project_id=project_id) if project is None else project.state
                    found[project_id] = Level.of(state, self.terms)
        return found

    def since(self, before: Before, log: WatchedLog, *, freshness: Freshness, clock: Clock) -> Sequence[News]:
        """Return what has come to those projects since that look, and take in how fast it was."""
        if not before:
            return ()
        lag, now = freshness.lag(), clock.monotonic()
        news: list[News] = []
        for project_id, earlier in before.items():
            project = log.projects[project_id]
            later = Level.of(project.state, self.terms)
            kindle(project, earlier, later, now, live=lag is not None and lag < LIVE_SECONDS)
            news.append(News(project, list(crossed(earlier.shares, later.shares, self.terms))))
        return news

    def tell(self, news: Sequence[News], *, observer: Observer, clock: Clock, fanout: Fanout) -> None:
        """Tell the log and the metrics what was crossed, and those who watch that and, in a moment, the figures."""
        for one in news:
            for crossing in one.crossings:
                observer.crossed(crossing.reason, {"project_id": one.project.id, **crossing.plain()})
            # Who passes both at once is told the higher.
            for crossing in {crossing.what: crossing for crossing in one.crossings}.values():
                warn(one.project, crossing, clock.now())
            if one.project.channel and one.project.id not in self._due:
                self._due.add(one.project.id)
                fanout.later(TOLD_SECONDS, partial(self._report, one.project, clock))

    def _report(self, project: Watched, clock: Clock, _: float) -> None:
        """Tell those who watch and read notices what a project has come to."""
        self._due.discard(project.id)
        figures = self.shown(project, clock)
        figures.pop("warnings", None)
        say_to_all(project, msgspec.json.encode(Notice(code="SPENDING", project_id=project.id, data=figures)))

    # -- to those who look --------------------------------------------------------------------------------------

    def shown(self, project: Watched, clock: Clock) -> dict[str, Any]:
        """Return what a snapshot says beside the state itself."""
        rate = None if project.burn is None else project.burn.rate(clock.monotonic())
        return shown(project.state, self.terms, rate)

    def warned(self, state: Snapshot) -> dict[str, Any]:
        """Return the `warnings` of that alone."""
        return warned(state, self.terms)

    def spoken(self, state: Snapshot, now: float) -> Iterator[WorkflowLog]:
        """Return what of it viewers are told who know no snapshot."""
        for sentence in over(state, self.terms):
            yield line(state.project_id, sentence, now)


def kindle(project: Watched, earlier: Level, later: Level, now: float, *, live: bool) -> None:
    """Take in what was used between two looks, if that was now."""
    tokens = later.tokens - earlier.tokens
    if not live:
        # Begun anew with the next: it would count a time in which nothing was counted.
        project.burn = None
    elif project.burn is None:
        project.burn = Burn(now) if tokens else None
    else:
        project.burn.add(now, tokens=tokens, cost=later.cost - earlier.cost)


def warn(project: Watched, crossing: Crossing, now: float) -> None:
    """Tell everybody who watches a project, in a line that all can read and in a notice."""
    payload = codec.encode(line(project.id, crossing.sentence, now))
    say_to_all(project, payload, Entry(BELOW_ALL, "", payload, "workflow_log", LEVELS["warning"], None, now))
    say_to_all(
        project,
        msgspec.json.encode(
            Notice(code="BUDGET", project_id=project.id, detail=crossing.sentence, data=crossing.plain())
        ),
    )


def line(project_id: str, sentence: str, now: float) -> WorkflowLog:
    """Return a sentence as a line of log that stands in no log."""
    return WorkflowLog(
        project_id=project_id, timestamp=now, level="warning", message=sentence, source="budget", synthetic=True
    )
