"""
The stream as a source: connects, resumes where it was left, hands on, and says how it is.

Law 1: the position is ours.  The broker keeps none for a stream; after every loss the subscription begins at the last
message handed on, inclusive, and `resume` tells whether the log is still the same.
Law 2: a queue that is missing after a reconnect is a broker that is starting.  It is asked for again and again and
never declared: an empty log in the place of a full one would make a loss out of a wait.
Law 3: what arrived and was not handed on stays in memory over a reconnect; the next subscription waits until it is
gone, so that memory never holds more than one prefetch, nor more than one message beyond `backlog_mib`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from aiormq.abc import AbstractConnection
from msgspec.structs import replace

from relayd.dialects.delivery import Delivery
from relayd.ports import Clock, LogBreak, Observer, Position, Receipt, SourceState
from relayd.protocol.cursor import fingerprint, identity
from relayd.rabbitmq.backoff import Backoff
from relayd.rabbitmq.canary import Canary
from relayd.rabbitmq.connection import Lost, Stalled, Unreadable, close, connect, ended, way, why_ended
from relayd.rabbitmq.health import Health
from relayd.rabbitmq.resume import Resumption, resume
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.subscribed import SubscribedLog
from relayd.rabbitmq.subscription import Subscription
from relayd.rabbitmq.topology import declare
from relayd.rabbitmq.valve import Valve, ValvedTransport
from relayd.rabbitmq.watchdog import Watchdog

__all__ = ["RabbitSource"]

GATHER_SECONDS = 0.005
"""While there is a past to read, so long is gathered before it is handed on: what comes is a few messages each time,
and each time costs.  At the end of the log, where somebody waits for every event, nothing is gathered."""
STOP_SECONDS = 10.0
"""Longest wait for the reading task after it was told to end; closing a connection is bounded below that."""


class RabbitSource:
    """A stream queue of RabbitMQ, read from a position for ever."""

    Settings = RabbitSettings
    name = "rabbitmq"
    replays = True

    def __init__(self, settings: RabbitSettings, clock: Clock) -> None:
        self.log = f"rabbitmq:{settings.vhost}:{settings.queue}"
        self._settings = settings
        self._clock = clock
        self._valve = Valve(settings.backlog_mib * 2**20)
        self._way = ValvedTransport(way(settings), self._valve)
        self._identity = identity(self.log)
        self._health = Health(settings, clock.monotonic)
        self._queue: deque[Delivery | LogBreak] = deque()
        self._unsettled: deque[tuple[Subscription, int]] = deque()
        self._current: Subscription | None = None
        self._news = asyncio.Event()
        self._drained = asyncio.Event()
        self._last: Delivery | Position | None = None
        self._from_first = False
        self._reading = False
        self._observer: Observer | None = None
        self._watchdog = Watchdog(
            settings,
            self._health,
            monotonic=clock.monotonic,
            arrived=lambda: None if self._last is None else self._last.offset,
            busy=lambda: bool(self._unsettled),
        )
        self._canary = Canary(settings, clock, due=lambda: self._health.caught_up, suspect=self._watchdog.suspect)

    def report_to(self, observer: Observer) -> None:
        """Tell somebody from now on when the reading ends and begins, and how the canaries fare."""
        self._observer = self._canary.observer = observer

    def state(self) -> SourceState:
        """Return how it is now."""
        return replace(self._health.state(), note=self._canary.note, canary_at=self._canary.at)

    async def newest(self) -> int | None:
        """Return the newest offset in the log, asked for anew, -1 while it is empty; None if nobody can say."""
        return await self._watchdog.newest()

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Acknowledge the oldest deliveries handed on, soon."""
        tag, count = 0, 0
        for _ in range(min(len(receipts), len(self._unsettled))):
            subscription, its_tag = self._unsettled.popleft()
            # A tag means nothing on another channel than its own: what a dead one delivered is not acknowledged.
            if subscription is self._current:
                tag, count = its_tag, count + 1
        if count and self._current is not None:
            self._current.settle(tag, count)
        if receipts:
            self._canary.processed(receipts[-1].delivery.offset)

    def fail(self, deliveries: Sequence[Delivery]) -> None:
        """Do nothing: the stream keeps them, and they come again to whoever resumes before them."""

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Delivery] | LogBreak]:
        """Yield deliveries behind the position in the log's order, and its breaks, for ever; one reader at a time."""
        if self._reading:
            raise RuntimeError("this source is being read already; close the first reader")
        self._reading = True
        self._queue.clear()
        self._valve.empty()
        self._unsettled.clear()
        self._last = position
        self._from_first = False
        self._health.begin()
        follower = asyncio.create_task(self._follow(), name="rabbitmq")
        follower.add_done_callback(lambda _: self._news.set())
        try:
            while True:
                while not self._queue:
                    self._drained.set()
                    self._news.clear()
                    if follower.done():
                        follower.result()
                    await self._news.wait()
                if len(self._queue) < self._settings.batch and self._health.catching_up:
                    await asyncio.sleep(GATHER_SECONDS)
                yield self._take()
        finally:
            follower.cancel()
            await asyncio.wait({follower}, timeout=STOP_SECONDS)
            self._reading = False
            self._health.ended()

    def _take(self) -> Sequence[Delivery] | LogBreak:
        batch: list[Delivery] = []
        queue, limit = self._queue, self._settings.batch
        while queue and len(batch) < limit:
            head = queue[0]
            if isinstance(head, LogBreak):
                if not batch:
                    queue.popleft()
                    return head
                break
            batch.append(head)
            self._valve.went(len(head.body))
            queue.popleft()
        self._health.handed_on(batch[-1].offset, batch[-1].received_at)
        return batch

    async def _follow(self) -> None:
        backoff = Backoff(self._settings.backoff_seconds)
        careful = False
        create = self._settings.create
        while True:
            attached = False
            try:
                connection = await connect(self._settings, by=self._way, careful=careful)
                try:
                    if create:
                        await declare(connection, self._settings)
                        create = False
                    subscription = await self._attach(connection)
                    attached = True
                    self._attached()
                    if not self._health.stalled:
                        backoff.reset()
                    raise await self._stay(connection, subscription)
                except Lost as lost:
                    raise why_ended(connection, lost) from lost
                finally:
                    self._current = None
                    self._valve.open()
                    await close(connection)
            except Lost as lost:
                self._health.lost(lost)
                if attached or isinstance(lost, Stalled):
                    self._detached(lost)
                # Only after that end: reading carefully costs time for every message.
                careful = isinstance(lost, Unreadable)
            await asyncio.sleep(backoff.pause())

    async def _attach(self, connection: AbstractConnection) -> Subscription:
        """Return a subscription that hands on what comes behind the last delivery; raises Lost."""
        while self._queue:  # law 3
            self._drained.clear()
            await self._drained.wait()
        position = self._position()
        subscription = Subscription(connection, self._settings, self._clock.now)
        if position is None:
            await subscription.open(self._beginning())
            self._flow(subscription)
            return subscription
        await subscription.open(position.offset)
        found = SubscribedLog(connection, self._settings, subscription)
        how = await resume(
            found,
            position,
            self._identity,
            silence=self._settings.silence_seconds,
            patience=self._settings.stalled_seconds,
        )
        if how is Resumption.RECREATED:
            await subscription.close()
            self._break(LogBreak("recreated"))
            # There is no position now, and should this subscription be lost at once, the next begins there, too.
            self._last, self._from_first = None, True
            return await self._attach(connection)
        if how is Resumption.TRUNCATED:
            self._break(LogBreak("truncated"))
        self._flow(subscription, skip=how is Resumption.WHOLE)
        return subscription

    def _flow(self, subscription: Subscription, *, skip: bool = False) -> None:
        bound = frozenset(self._settings.bound)

        def accept(delivery: Delivery, tag: int) -> None:
            if not delivery.body:
                self._canary.arrived(delivery)
            if delivery.exchange in bound:
                self._health.came_over(delivery.exchange, delivery.received_at)
            self._queue.append(delivery)
            self._valve.came(len(delivery.body))
            self._unsettled.append((subscription, tag))
            self._last = delivery
            self._news.set()

        self._current = subscription
        position = self._last
        self._health.connected(None if position is None else position.offset)
        subscription.release(accept, skip=skip)

    async def _stay(self, connection: AbstractConnection, subscription: Subscription) -> Lost:
        """Acknowledge, watch and send canaries until the subscription is lost or stands still; return why."""
        ends = [
            asyncio.create_task(subscription.lost(), name="rabbitmq lost"),
            asyncio.create_task(self._watchdog.watch(connection), name="rabbitmq watch"),
        ]
        beside = [asyncio.create_task(subscription.acknowledge(), name="rabbitmq acknowledge")]
        if self._settings.canary_seconds:
            beside.append(asyncio.create_task(self._canary.fly(), name="rabbitmq canary"))
        try:
            done, _ = await asyncio.wait([*ends, *beside], return_when=asyncio.FIRST_COMPLETED)
            for task in done.intersection(beside):
                task.result()
            ended_by, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            why = ended_by.pop().result()
            # Before the farewells below, which take their time: what is lost is not connected.
            self._health.lost(why)
            return why
        finally:
            for task in (*ends, *beside):
                task.cancel()
            await ended([*ends, *beside])

    def _attached(self) -> None:
        if self._observer is not None:
            self._observer.attached(self._health.state().detail)

    def _detached(self, lost: Lost) -> None:
        if self._observer is not None:
            self._observer.detached(lost.cause, str(lost))

    def _break(self, log_break: LogBreak) -> None:
        self._queue.append(log_break)
        self._health.broke()
        self._news.set()

    def _position(self) -> Position | None:
        last = self._last
        if isinstance(last, Delivery):
            return Position(0, last.offset, fingerprint(self._identity, last.message_id, last.body))
        return last

    def _beginning(self) -> str:
        if self._from_first:
            return "first"
        # Counted from the first attempt: after an hour without a broker the same past is still read.
        return f"{self._settings.warm_up_seconds + int(self._health.age())}s"
