"""
The way in: bodies become messages, messages get their places, and only then does anybody see them.

From `log.stage` to `fanout.flush` nothing awaits, except that a log which can't be read again is written to the
journal in between, before anything changed.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from relayd.core.outage import begin_partial
from relayd.core.redaction import Redactor
from relayd.core.staging import StagedBody, Staging
from relayd.dialects.delivery import Delivery, Dialect, Item, Reason
from relayd.dialects.detect import NATIVE
from relayd.ports import JournalError, LogBreak, Position, Receipt, Rejected
from relayd.protocol import codec
from relayd.protocol.cursor import Place, fingerprint
from relayd.relay.engine import Engine
from relayd.relay.keeper import Keeper
from relayd.relay.remnants import is_gone
from relayd.relay.spending import News
from relayd.relay.subscription import Watched

__all__ = ["Intake"]

SLICE_BYTES = 256 * 1024
SLICE_BODIES = 100
"""So much is taken in before the loop gets its turn."""

KEPT_BYTES = 64 * 1024
"""So much of a rejected event is kept; more would let one publisher fill the journal."""

SPARE_BYTES = 4 * 1024


class Reading(Struct, frozen=True, gc=False):
    """A delivery and what its dialect made of it."""

    delivery: Delivery
    items: Sequence[Item]


class Intake:
    """Takes what a source has, for ever."""

    def __init__(self, engine: Engine, dialect: Dialect, keeper: Keeper, redactor: Redactor) -> None:
        """Read for an engine."""
        self._engine = engine
        self._dialect = dialect
        self._keeper = keeper
        self.redactor = redactor
        self.passes = 0
        """How often it came round; a watchdog looks at it."""

    async def run(self, position: Position | None) -> None:
        """Take in from behind a position until cancelled."""
        batches = self._engine.source.batches(position)
        try:
            async for batch in batches:
                if isinstance(batch, LogBreak):
                    self._break(batch)
                else:
                    for part in slices(batch):
                        await self._take(part)
                        # The loop gets a turn: viewers are served between two parts of a large batch.
                        await asyncio.sleep(0)
                self.passes += 1
        finally:
            await batches.aclose()

    def _break(self, broken: LogBreak) -> None:
        log = self._engine.log
        if log.head is None and log.floor is None and broken.cause == "truncated":
            # Nothing was read yet, so nothing is missing in what was read.
            return
        self._keeper.raise_floor(log.break_(broken.cause))
        self._engine.observer.broke(broken.cause)
        self._engine.fanout.give_up_all(broken.cause)

    async def _take(self, deliveries: Sequence[Delivery]) -> None:
        readings = [Reading(delivery, self._read(delivery)) for delivery in deliveries]
        log, source = self._engine.log, self._engine.source
        log.pinned = {message.project_id for reading in readings for item in reading.items for message in item.messages}
        # Most batches need nobody: then nothing is awaited for each of their projects.
        missing = [name for name in log.pinned if name not in log.projects and name in log.shelved]
        try:
            if missing:
                await self._engine.past.open_all(missing)
        except JournalError as error:
            self._engine.observer.journal_failed(error)
            if not source.replays:
                source.fail(deliveries)
                return
            # They go on all the same, and their states are made whole when the journal can be read.
            for name in missing:
                begin_partial(log, name)
        if log.head is None and source.replays and deliveries[0].offset > 0 and log.floor is None:
            self._keeper.raise_floor(log.begin_at(deliveries[0].offset))
        staging = log.stage()
        bodies = [self._stage(staging, reading) for reading in readings]
        receipts = [receipt(reading, body) for reading, body in zip(readings, bodies, strict=True)]
        rejected = [
            event
            for told, reading, body in zip(receipts, readings, bodies, strict=True)
            if told.rejected
            for event in refused(reading, body, staging.epoch, self.redactor)
            if not is_gone(log.purges, event)
        ]
        if source.replays:
            touched, news = self._apply(staging)
            self._keeper.keep(staging, rejected, touched)
        else:
            try:
                await self._keeper.commit(staging, rejected)
            except JournalError:
                source.fail(deliveries)
                return
            touched, news = self._apply(staging)
            self._keeper.note(touched)
        self._engine.fanout.flush(touched)
        engine = self._engine
        engine.spending.tell(news, observer=engine.observer, clock=engine.clock, fanout=engine.fanout)
        self._tell(staging, rejected)
        limits = self._engine.limits
        log.trim(touched, events=limits.timeline_events, nbytes=limits.timeline_bytes)
        source.settle(receipts)
        await self._keeper.room()

    def _apply(self, staging: Staging) -> tuple[Sequence[Watched], Sequence[News]]:
        engine = self._engine
        before = engine.spending.look(staging, engine.log)
        touched = engine.log.apply(staging)
        return touched, engine.spending.since(before, engine.log, freshness=engine.freshness, clock=engine.clock)

    def _read(self, delivery: Delivery) -> Sequence[Item]:
        try:
            items = self._dialect.feed(delivery)
            # A body of which nothing is shown may be of any size, and a look at all of it would take its time.
            suspect = any(item.messages for item in items) and self.redactor.suspects(delivery.body)
            for item in items:
                if suspect or item.remembers:
                    for message in item.messages:
                        self.redactor.message(message)
        except Exception as error:  # noqa: BLE001  # the net for one poison event: the next must not suffer
            incident = self._engine.observer.failed("dialect", error)
            detail = f"a fault of ours while reading it, incident {incident}; replay it once that is mended"
            return [Item(reason=Reason.MAPPING_FAILED, detail=detail, raw=delivery.body)]
        if delivery.projects is None:
            return items
        return [allowed(item, delivery.projects) for item in items]

    def _stage(self, staging: Staging, reading: Reading) -> StagedBody:
        delivery = reading.delivery
        mark = fingerprint(self._engine.log.identity, delivery.message_id, delivery.body)
        return staging.add(delivery.offset, mark, delivery.received_at, reading.items)

    def _tell(self, staging: Staging, rejected: Sequence[Rejected]) -> None:
        observer = self._engine.observer
        counts = Counter([entry.type for said in staging.projects.values() for _, entry in said])
        if counts:
            observer.ingested(counts, staging.nbytes)
        if hidden := self.redactor.take():
            observer.redacted(hidden)
        if repeated := sum([body.repeated for body in staging.bodies]):
            observer.repeated(repeated)
        for event in rejected:
            observer.rejected(event)


def refused(reading: Reading, body: StagedBody, epoch: int, redactor: Redactor) -> Iterator[Rejected]:
    """Return the events of a body that could not be understood, as the journal keeps them, without their secrets."""
    delivery = reading.delivery
    for number, item in enumerate(reading.items):
        if item.reason is None:
            continue
        yield Rejected(
            cursor=body.cursors.text(number, 0),
            place=Place(epoch, body.offset, number),
            reason=item.reason.value,
            detail=redactor.text(item.detail),
            headers={
                **redactor.headers(delivery.headers),
                **{
                    name: value
                    for name in ("message_id", "content_type", "exchange", "user_id")
                    if (value := getattr(delivery, name)) is not None
                },
                **({"dialect": item.dialect} if item.dialect else {}),
            },
            # A little more than is kept is looked at, so that the cut makes no secret unrecognisable.
            body=redactor.raw(item.raw[: KEPT_BYTES + SPARE_BYTES])[:KEPT_BYTES],
            received_at=delivery.received_at,
            truncated=len(item.raw) > KEPT_BYTES,
        )


def receipt(reading: Reading, body: StagedBody) -> Receipt:
    """Return what became of a body."""
    items = reading.items
    rejected = [item for item in items if item.reason is not None]
    last = max(0, items[-1].first + len(items[-1].messages) - 1) if items else 0
    return Receipt(
        delivery=reading.delivery,
        cursor=body.cursors.text(max(0, len(items) - 1), last),
        accepted=len(items) - body.repeated - len(rejected),
        repeated=body.repeated,
        rejected=rejected,
    )


def slices(batch: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
    """Cut a batch into parts that can be taken in without keeping the loop for long."""
    part: list[Delivery] = []
    nbytes = 0
    for delivery in batch:
        part.append(delivery)
        nbytes += len(delivery.body)
        if nbytes >= SLICE_BYTES or len(part) >= SLICE_BODIES:
            yield part
            part, nbytes = [], 0
    if part:
        yield part


def allowed(item: Item, projects: frozenset[str]) -> Item:
    """Return the item, rejected if it speaks for a project that its publisher may not speak for."""
    for message in item.messages:
        if message.project_id not in projects:
            detail = f"project_id: the publisher's token does not grant {message.project_id!r}"
            return Item(
                reason=Reason.FORBIDDEN_PROJECT,
                detail=detail,
                raw=codec.encode(message),
                dialect=message.dialect or NATIVE,
            )
    return item
