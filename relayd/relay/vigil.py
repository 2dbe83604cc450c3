"""
Keeps an eye on agents: how they seem to be is derived here, for all who ask and for those who watch.

Nothing of it is kept: it is true at the moment at which it is said.  A round looks at everybody's agents, at those of
watched projects every other second, and says what has changed; nobody on the hot path knows of it.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from relayd.core.attention import Attention
from relayd.core.lifecycle import Missing, missing
from relayd.core.liveness import SPOKEN, Liveness, Since, State, Thresholds, judge_all
from relayd.core.snapshot import Snapshot
from relayd.ports import Clock
from relayd.protocol.messages import Notice, Seeming
from relayd.relay.asides import say_to_all
from relayd.relay.freshness import Freshness
from relayd.relay.subscription import Watched, WatchedLog

__all__ = ["Vigil"]

LAP_SECONDS = 2.0

REST = 16
"""Projects that nobody watches have their turn in one of so many laps."""

STRETCH = 500
"""So many agents are looked at before the loop gets its turn: one or two milliseconds."""

MOST = 100
"""So many agents' changes in one notice; the others follow in the next lap."""

NAMED = 3
"""Agents whose reasons stand in the sentence for people."""


Seen = tuple[State, str]
"""A state and why; of one who works not why, for that changes all the time."""

WORKING: Seen = ("working", "")


class Look(Struct, frozen=True):
    """What was found of a project when it was last looked at."""

    seeming: Mapping[str, Seen]
    """By name, of those who should be at work."""
    arisen: tuple[Missing, ...]


NOTHING = Look({}, ())


class Vigil:
    """Judges the agents of a log's projects."""

    def __init__(self, log: WatchedLog, freshness: Freshness, clock: Clock, thresholds: Thresholds) -> None:
        """Judge for a relay; thresholds may be set anew while it runs."""
        self.thresholds = thresholds
        self._log = log
        self._freshness = freshness
        self._clock = clock
        self._attention = Attention()
        self._looks: dict[str, Look] = {}
        self._lap = 0

    # -- for those who ask --------------------------------------------------------------------------------------

    def judge(self, state: Snapshot) -> dict[str, Liveness]:
        """Return how the agents of a project seem to be now."""
        return judge_all(state, self._listening(state), self.thresholds)

    def find(self, state: Snapshot) -> tuple[dict[str, Liveness], tuple[Missing, ...]]:
        """Return the same, and what is missing in the project's life."""
        since = self._listening(state)
        judged = judge_all(state, since, self.thresholds)
        return judged, tuple(missing(state, judged, since, self.thresholds))

    def shown(self, state: Snapshot) -> dict[str, Any]:
        """Return a state as viewers get it: with what is derived by the clock."""
        plain, (judged, found) = state.as_dict(), self.find(state)
        for name, card in plain.get("agents", {}).items():
            if name in judged:
                card["liveness"] = judged[name].as_dict()
        return {**plain, "lifecycle": [one.as_dict() for one in found]} if found else plain

    def activities(self, state: Snapshot) -> dict[str, Seeming]:
        """Return what viewers who read no liveness are told instead of what the agents said of themselves."""
        return {name: SPOKEN[one.state] for name, one in self.judge(state).items() if one.state in SPOKEN}

    def news(self, state: Snapshot) -> Notice | None:
        """
        Return how the agents of a project seem to be, for somebody who knows its state from before.

        None if all of them work and nothing is missing: that shows in the messages.
        """
        judged, found = self.find(state)
        usual = not arisen(found) and all(one.state == "working" for one in judged.values())
        return None if usual else notice(state.project_id, judged, found)

    def counts(self) -> dict[str, float]:
        """Return how many agents were in which state when they were last looked at."""
        found = Counter(state for look in self._looks.values() for state, _ in look.seeming.values())
        return {state: float(count) for state, count in found.items()}

    def _listening(self, state: Snapshot) -> Since:
        """Return how silence is counted in a project: as listened; where nobody listened yet, up to its last event."""
        self._note()

        def since(stamp: float) -> float:
            seconds = self._attention.since(stamp)
            return max(state.updated_at - stamp, 0.0) if seconds is None else seconds

        return since

    def _note(self) -> None:
        self._attention.note(self._clock.now(), self._clock.monotonic(), self._freshness.lag())

    # -- for those who watch ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look at everybody's agents in turn, and tell viewers what has changed, for ever."""
        while True:
            await asyncio.sleep(LAP_SECONDS)
            # Whether anybody has a turn or not: listening is as exact as it is often noted.
            self._note()
            self._lap += 1
            await self._go_round()

    async def _go_round(self) -> None:
        looked_at = 0
        for project in list(self._log.projects.values()):
            if not project.channel and (hash(project.id) + self._lap) % REST:
                continue
            # What a partial state lacks may be the very thing that would tell.
            if not project.partial:
                self._visit(project)
            looked_at += 1 + len(project.state.agents)
            if looked_at >= STRETCH:
                looked_at = 0
                await asyncio.sleep(0)
        for gone in self._looks.keys() - self._log.projects.keys():
            del self._looks[gone]

    def _visit(self, project: Watched) -> None:
        before = self._looks.get(project.id, NOTHING)
        judged, found = self.find(project.state)
        # Whoever was not judged before has just begun, and is thought to work.
        known = {name: before.seeming.get(name, WORKING) for name in judged}
        differing = (name for name, one in judged.items() if seen(one) != known[name])
        changed = frozenset(islice(differing, MOST if project.channel else None))
        turned = arisen(found) != before.arisen
        if project.channel and (changed or turned):
            news = {name: one for name, one in judged.items() if name in changed}
            told = notice(project.id, news, found if turned else None)
            say_to_all(project, msgspec.json.encode(told))
        seeming = {name: seen(one) if name in changed else known[name] for name, one in judged.items()}
        self._looks[project.id] = Look(seeming, arisen(found))


def seen(one: Liveness) -> Seen:
    """Return of an agent what is told again when it changes."""
    return WORKING if one.state == "working" else (one.state, one.reason)


def arisen(found: Sequence[Missing]) -> tuple[Missing, ...]:
    """Return what comes to be missing while somebody watches; a start is missing from the first event on."""
    return tuple(one for one in found if one.what != "start")


def notice(project_id: str, judged: Mapping[str, Liveness], found: Sequence[Missing] | None) -> Notice:
    """Return what is told of these agents, and, unless it is None, of what is missing in the project's life."""
    data: dict[str, Any] = {"agents": {name: one.as_dict() for name, one in judged.items()}}
    if found is not None:
        data["lifecycle"] = [one.as_dict() for one in found]
    sentences = [f"{name}: {one.state}, {one.reason}" for name, one in islice(judged.items(), NAMED)]
    more = len(judged) - len(sentences)
    detail = "; ".join([*sentences, f"and {more} more"] if more else sentences)
    return Notice(code="LIVENESS", project_id=project_id, detail=detail or None, data=data)
