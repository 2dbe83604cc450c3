"""
A crowd of all kinds watches a real relay under load, and some of them read slowly, not at all, or are gone.

Who reads keeps up and sees everything once; who is slow catches up, or is told what it missed; who is stuck is ended,
and its place is free.  Who is slow reads a part of what is published, whatever time that takes: a busy machine changes
nothing.  The seed decides what is told and who watches what; it is printed when a test fails.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random

import pytest

from tests.harness.audience import TRANSPORTS, Audience, Manner, Onlooker
from tests.harness.checker import Key
from tests.harness.collapsing import replaced
from tests.harness.daemon import PrivateRelay
from tests.harness.load import FILTERS, Load, Wanted, everything
from tests.harness.loud import Loud, dozing, stuck, vanishing

VIEWERS = 1_000
QUIET_RATE, LOUD_RATE = 250, 600
STUCK_SECONDS = 12
MAX_BACKLOG = 1_200
EVENT_BYTES = 1_500

NAP = 350
"""Events of its project that a napper sleeps through: more than the buffers hold, less than MAX_BACKLOG."""

AT_ONCE = 100
"""So many connect at a time."""


@pytest.fixture
async def relay(amqp: str) -> AsyncIterator[PrivateRelay]:
    """A relay with little patience and little memory: those behind read from its journal."""
    limits = {"max_backlog": MAX_BACKLOG, "pace_per_second": 20}
    tables = {"server": {"stuck_seconds": STUCK_SECONDS}, "limits": limits, "memory": {"timeline_events": 300}}
    async with PrivateRelay(tables, rabbitmq=amqp) as relay:
        yield relay


class Crowd:
    """Who watches what, and how; the name of each begins with its kind."""

    def __init__(self, audience: Audience, load: Load, loud: Loud, seed: int) -> None:
        self.audience = audience
        self.load = load
        self.loud = loud
        self.random = Random(seed)
        self.freed = asyncio.Event()
        self.wanted: dict[str, Wanted] = {}
        self.crawls: Manner = dozing(loud, reads=40, misses=120)
        self.naps: Manner = dozing(loud, reads=700, misses=NAP)
        self.stares: Manner = stuck(self.freed, reads=60)

    def of(self, *kinds: str) -> list[Onlooker]:
        """Return everybody of these kinds."""
        return [one for one in self.audience.onlookers if one.name.split("-")[0] in kinds]

    async def come(self, viewers: int) -> None:
        """Let so many in."""
        for transport, count in {"websocket": 6, "sse": 4, "legacy": 3, "many": 2}.items():
            self.admit("crawler", transport, count, manner=self.crawls, loud=True)
            self.admit("stuck", transport, count, manner=self.stares, loud=True)
        for transport, count in {"websocket": 4, "sse": 2, "many": 2}.items():
            self.admit("napper", transport, count, manner=self.naps, loud=True)
            folding = {"collapse": "1", "batch": "1"}
            self.admit("collapser", transport, count, manner=self.naps, loud=True, query=folding)
        self.admit("napper", "websocket", 2, manner=self.naps, loud=True, filtered="level")
        for transport, count in {"websocket": 10, "sse": 5, "longpoll": 2, "legacy": 5}.items():
            # A loud project is too fast for a frame each, so that it tells legacy viewers a gap.
            self.admit("vanished", transport, count, manner=vanishing(reads=40), loud=transport != "legacy")
        for transport in ("websocket", "sse", "longpoll", "many"):
            self.admit("neighbour", transport, 4, loud=True)
        self.admit("hurried", "legacy", 4, loud=True)
        for filtered in FILTERS:
            for transport in (*TRANSPORTS, "many"):
                self.admit(f"steady-{filtered}", transport, 1, filtered=filtered)
        for transport, count in {"sse": 30, "longpoll": 30, "legacy": 30, "many": 10}.items():
            self.admit("steady", transport, count)
            await self.audience.until_present()
        while (missing := viewers - len(self.audience.onlookers)) > 0:
            self.admit("steady", "websocket", min(missing, AT_ONCE))
            await self.audience.until_present()

    def admit(
        self,
        kind: str,
        transport: str,
        count: int,
        *,
        manner: Manner | None = None,
        loud: bool = False,
        filtered: str = "",
        query: dict[str, str] | None = None,
    ) -> None:
        """Let some more in, each to a quiet project or a `loud` one, or to several quiet ones beside it."""
        selection, wanted = FILTERS.get(filtered, ({}, everything))
        saying = [name for name in self.load.projects if not filtered or self.load.keys(name, wanted)]
        for _ in range(count):
            name = f"{kind}-{transport}-{len(self.audience.onlookers)}"
            self.wanted[name] = wanted
            noise = [self.random.choice(self.loud.projects)] if loud else []
            quiet = self.random.sample(saying, 8 if transport == "many" else not noise)
            awaits = {**self.loud.last(noise, wanted), **self.load.last(quiet, wanted)}
            asked = {**selection, **(query or {})}
            self.audience.admit(name, [transport], awaits, manner=manner, query=asked)

    def published(self, one: Onlooker, project_id: str) -> list[Key]:
        """Return what somebody was to see of a project: who vanished, up to what it saw last."""
        load = self.loud if project_id in self.loud.projects else self.load
        keys = load.keys(project_id, self.wanted[one.name])
        if one.name.startswith("vanished"):
            seen = one.seen[project_id]
            return keys[: keys.index(seen[-1]) + 1] if seen else []
        if one.folds[project_id] and not one.gaps:
            events = {(project_id, int(event["key"])): event for event in load.told[project_id]}
            excused = replaced(events, list(one.seen[project_id]), one.folds[project_id])
            return [key for key in keys if key not in excused]
        return keys


async def test_nobody_pays_for_the_slow_and_the_slow_are_told(
    relay: PrivateRelay, amqp: str, tmp_path: Path, seed: int
) -> None:
    """The quick see all of it, the slow all or a gap, the stuck are ended with 4431 and come back with their cursor."""
    load, loud = Load(3_000, projects=50, seed=seed), Loud(6_600, projects=2, seed=seed, nbytes=EVENT_BYTES)
    async with Audience(relay, seed=seed) as audience:
        crowd = Crowd(audience, load, loud, seed)
        began = time.monotonic()
        await crowd.come(VIEWERS)
        present = time.monotonic()
        assert len(crowd.of("stuck")) == await places(relay, audience, crowd.of("stuck"))
        said, _ = await asyncio.gather(
            load.publish(amqp, tmp_path, rate=QUIET_RATE), loud.publish_all(amqp, rate=LOUD_RATE)
        )
        told = time.monotonic()
        await stuck_are_ended(relay, crowd)
        crowd.freed.set()
        await audience.until_done()
        done = time.monotonic() - told
        print(f"{VIEWERS} viewers in {present - began:.1f} s; {said}; done {done:.1f} s later")  # noqa: T201  # see above
        tell(relay, crowd)
        the_quick_are_whole(crowd)
        the_slow_are_told(relay, crowd)


async def stuck_are_ended(relay: PrivateRelay, crowd: Crowd) -> None:
    """Wait until all who are stuck, and nobody else, were ended for it; none of them holds a place then."""
    names = {one.name for one in crowd.of("stuck")}
    await asyncio.to_thread(relay.wait_for_metric, 'relayd_disconnects_total{reason="stuck"}', len(names))
    ended = [line for line in relay.lines if line["event"] == "connection_ended" and line["ending"] == "stuck"]
    assert sorted(names) == sorted(line["user"] for line in ended)
    assert {4431} == {line["code"] for line in ended}
    assert 0 == await places(relay, crowd.audience, crowd.of("stuck"))


async def places(relay: PrivateRelay, audience: Audience, onlookers: Sequence[Onlooker]) -> int:
    """Return how many places these hold together, as each of them is told."""
    held = 0
    for one in onlookers:
        headers = {"Authorization": f"Bearer {relay.token(one.name)}"}
        async with audience.http.get(relay.api("/connections"), headers=headers) as answer:
            held += len((await answer.json())["connections"])
    return held


def the_quick_are_whole(crowd: Crowd) -> None:
    """Nothing lost, repeated, reordered or unexpected, no gap and no cut for those who read."""
    quick = crowd.of("steady", "neighbour", "vanished")
    reports = Audience.reports(crowd.published, quick)
    assert {} == {name: str(report) for name, report in reports.items() if report.verdict != "whole"}
    assert [] == [one.name for one in quick if one.away]
    # Whoever waits for the stuck waits as long as they are borne.
    assert STUCK_SECONDS > percentile(quick, 0.99)


def the_slow_are_told(relay: PrivateRelay, crowd: Crowd) -> None:
    """Whatever the slow have not seen lies in a gap that they were told, and they really were slow."""
    reports = Audience.reports(crowd.published, crowd.of("crawler", "napper", "collapser", "stuck", "hurried"))
    assert {} == {name: str(report) for name, report in reports.items() if report.verdict == "broken"}
    assert [] == [one.name for one in crowd.of("crawler", "hurried") if not one.gaps]
    assert [] == [one.name for one in crowd.of("napper", "collapser") if one.gaps or one.away]
    assert [] == [one.name for one in crowd.of("collapser") if not any(one.folds.values())]
    assert [] == [one.name for one in crowd.of("stuck") if not one.away]
    for transport in ("websocket", "sse"):
        behind = [one for one in crowd.of("napper") if f"-{transport}-" in one.name]
        assert relay.metric(f'relayd_replay_events_total{{transport="{transport}"}}') > NAP * len(behind)


def percentile(onlookers: Sequence[Onlooker], share: float) -> float:
    """Return the seconds within which so many of the events were seen."""
    delays = sorted(delay for one in onlookers for delay in one.delays)
    return delays[int(share * (len(delays) - 1))]


def tell(relay: PrivateRelay, crowd: Crowd) -> None:
    """Print the figures; `pytest -s` shows them."""
    for kind in ("steady", "neighbour", "vanished", "hurried", "crawler", "napper", "collapser", "stuck"):
        these = crowd.of(kind)
        events, gaps = sum(one.events for one in these), sum(one.gaps for one in these)
        collapsed = sum(said for one in these for folds in one.folds.values() for _, said in folds)
        cuts = sum(one.away for one in these)
        p50, p99 = percentile(these, 0.5), percentile(these, 0.99)
        print(  # noqa: T201  # see above
            f"{len(these):4} {kind:9} saw {events - gaps:6} events, told {gaps:3} gaps, {collapsed:5} collapsed, "
            f"{cuts:3} cuts, delay p50 {p50:.3f} s, p99 {p99:.3f} s"
        )
    names = [f'relayd_replay_events_total{{transport="{name}"}}' for name in ("websocket", "sse")]
    names += [f'relayd_gaps_total{{cause="{cause}"}}' for cause in ("lagged", "below_floor")]
    names += ['relayd_disconnects_total{reason="stuck"}']
    print(", ".join(f"{name.removeprefix('relayd_')} {relay.metric(name):.0f}" for name in names))  # noqa: T201
