"""
The way out.  This is the hot path.

Rule 1: nothing in this module awaits.  Between reading a timeline and joining its channel no other code can run;
        that is why a hand-over from replay to live has no gap.
Rule 2: a payload is built once for a group and the same bytes are pushed to each member; no task is woken.
Rule 3: whoever's buffer is full leaves the group with what it has passed, and costs the others nothing.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from operator import attrgetter

from relayd.core.channel import Group, Passed
from relayd.core.pacing import Governor, Pace, TokenBucket
from relayd.core.selection import passes
from relayd.core.timeline import Entry
from relayd.ports import Clock, Encoding, Observer
from relayd.protocol.codec import MAX_ENVELOPE_BYTES, MAX_ENVELOPE_MESSAGES
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.relay.limits import Limits
from relayd.relay.subscription import Subscription, Watched, WatchedLog

__all__ = ["Fanout", "cut"]

PAYLOAD = attrgetter("payload")

SHORTEST_WAIT = 0.001
"""Seconds; a token that is short by a rounding error would be waited for in no time, for ever, by a coarse clock."""


def cut(
    entries: Sequence[Entry],
    selection: Selection,
    *,
    messages: int,
    nbytes: int = MAX_ENVELOPE_BYTES,
    first: bool = True,
) -> tuple[list[Entry], int]:
    """
    Return the wanted entries that fit into an envelope, and how many entries were looked at to find them.

    If the envelope is empty so far (`first`), one entry always fits: a larger event travels alone.
    """
    if selection is EVERYTHING and len(entries) <= messages and sum(map(len, map(PAYLOAD, entries))) <= nbytes:
        return list(entries), len(entries)
    wanted: list[Entry] = []
    for looked_at, entry in enumerate(entries):
        if selection is not EVERYTHING and not passes(selection, entry):
            continue
        nbytes -= len(entry.payload)
        if len(wanted) == messages or (nbytes < 0 and (wanted or not first)):
            return wanted, looked_at
        wanted.append(entry)
    return wanted, len(entries)


class Fanout:
    """Serves groups as their pace allows; what must wait stands in one queue with one timer."""

    def __init__(self, log: WatchedLog, *, observer: Observer, clock: Clock, limits: Limits) -> None:
        """Serve the viewers of a log."""
        self._log = log
        self._observer = observer
        self._clock = clock
        self.limits = limits
        self._queue: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = float("inf")
        self.governor = Governor(clock.monotonic(), clock.spent())

    def bucket(self, encoding: Encoding) -> TokenBucket:
        """Return a fresh pace for a group: the relay's own, or a slower one that the viewer asked for."""
        pace = self.limits.outbound
        if encoding.pace_ms:
            pace = Pace(rate=min(pace.rate, 1_000 / encoding.pace_ms), burst=1)
        return TokenBucket(pace, self._clock.monotonic())

    def flush(self, projects: Iterable[Watched]) -> None:
        """Serve everybody who watches these projects and whose pace allows it."""
        worked, began = self._clock.spent(), self._clock.monotonic()
        for project in projects:
            # Most projects of a large swarm are watched by nobody.
            if not project.channel:
                continue
            for group in project.channel:
                if not group.waiting:
                    self._serve(project, group, began)
            # A copy: a poll that is woken leaves at once.
            for member in list(project.channel.alone):
                member.follower.stir(member)
        self._run_queue(self._clock.monotonic())
        used = self._clock.spent()
        self.governor.spent(used - worked, self._clock.monotonic(), used)

    def later(self, seconds: float, serve: Callable[[float], None]) -> None:
        """Call `serve(now)` in so many seconds, in one queue for the whole process."""
        heapq.heappush(self._queue, (self._clock.monotonic() + seconds, next(self._number), serve))
        self._set_timer()

    def wait(self, bucket: TokenBucket, serve: Callable[[float], None]) -> None:
        """Call `serve(now)` when a bucket allows the next frame."""
        self.later(max(SHORTEST_WAIT, bucket.due(slowdown=self.governor.slowdown)), serve)

    def give_up_all(self, cause: str) -> None:
        """Tell every viewer that its past is not whole any more: the log has a hole or is another one."""
        for project in list(self._log.projects.values()):
            self.give_up(project, cause)

    def give_up(self, project: Watched, cause: str) -> None:
        """Tell every viewer of a project that its past is not whole any more."""
        for group in project.channel:
            self._jump(group, cause)
        for member in list(project.channel.alone):
            member.fall_behind(member.passed, cause)

    def _serve(self, project: Watched, group: Group[Subscription], now: float) -> None:
        timeline = project.timeline
        selection, encoding = group.key
        if group.index < timeline.base or timeline.end - group.index > self.limits.max_backlog:
            # The journal may still have what memory dropped; but it would be no help to whom the pace holds back.
            reads_on = encoding.envelope and timeline.end - group.index <= self.limits.max_backlog
            self._jump(group, "" if reads_on else "lagged")
            return
        while group.index < timeline.end and group.members:
            frames = int(group.bucket.refill(now, self.governor.slowdown))
            if frames < 1:
                self._wait(project, group)
                return
            entries = timeline.slice(group.index, group.index + MAX_ENVELOPE_MESSAGES)
            wanted, looked_at = cut(entries, selection, messages=MAX_ENVELOPE_MESSAGES if encoding.envelope else frames)
            passed = Passed(entries[looked_at - 1].place, entries[looked_at - 1].cursor)
            if wanted:
                group.bucket.take(now, 1 if encoding.envelope else len(wanted))
                at_end = group.index + looked_at == timeline.end
                self._push(group, wanted, self._log.head_cursor() if at_end else passed.cursor)
            group.index += looked_at
            group.passed = passed
        if group.members:
            project.channel.meet(group)

    def _push(self, group: Group[Subscription], wanted: Sequence[Entry], cursor: str) -> None:
        _, encoding = group.key
        now = self._clock.now()
        payload = encoding.frame(wanted, cursor, now)
        viewers = len(group.members)
        behind = [member for member in group.members if not member.push(payload)]
        for member in behind:
            member.fall_behind(group.passed)
        self._observer.flushed(
            encoding.transport,
            viewers=viewers - len(behind),
            events=len(wanted),
            nbytes=len(payload),
            oldest_age=now - wanted[0].received_at,
        )

    def _jump(self, group: Group[Subscription], cause: str) -> None:
        """Let all members go and catch up by themselves; with a cause they are told a gap."""
        for member in list(group.members):
            member.fall_behind(group.passed, cause)

    def _wait(self, project: Watched, group: Group[Subscription]) -> None:
        def serve(now: float) -> None:
            group.waiting = False
            self._serve(project, group, now)

        group.waiting = True
        self.wait(group.bucket, serve)

    def _run_queue(self, now: float) -> None:
        while self._queue and self._queue[0][0] <= now:
            heapq.heappop(self._queue)[2](now)

    def _set_timer(self) -> None:
        if not self._queue or self._queue[0][0] >= self._timer_due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = self._queue[0][0]
        delay = max(0.0, self._timer_due - self._clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        self._timer, self._timer_due = None, float("inf")
        self.flush(())
        self._set_timer()
