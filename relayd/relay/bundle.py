"""
Viewers that are served on their own: many projects on one socket, or a selection that has no group.

Their channels only mark them dirty; at its own pace the bundle gathers what is new of all its projects into one
envelope.  Nothing in this module awaits.
"""

from relayd.core.channel import Passed
from relayd.core.pacing import TokenBucket
from relayd.core.timeline import Entry
from relayd.ports import Wire
from relayd.protocol.codec import MAX_ENVELOPE_BYTES, MAX_ENVELOPE_MESSAGES
from relayd.relay.engine import Engine
from relayd.relay.fanout import cut
from relayd.relay.subscription import Subscription

__all__ = ["Bundle"]


class Bundle:
    """The subscriptions of one socket that share its pace and its envelopes."""

    def __init__(self, engine: Engine, wire: Wire, *, many: bool) -> None:
        """Serve one socket; with `many` envelopes carry a cursor for each project in them."""
        self._engine = engine
        self._wire = wire
        self._many = many
        self._bucket: TokenBucket = engine.fanout.bucket(wire.encoding)
        self._dirty: dict[Subscription, None] = {}
        self._waiting = False

    def stir(self, subscription: Subscription) -> None:
        """Note news; it is written at the end of this turn's flush or when the pace allows it."""
        self._dirty[subscription] = None
        if not self._waiting:
            self._waiting = True
            # Zero seconds: behind all other projects of this flush, so that they share an envelope.
            self._engine.fanout.later(0, self.serve)

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription that ended or fell behind."""
        self._dirty.pop(subscription, None)

    def serve(self, now: float) -> None:
        """Write what is new, as far as pace and buffer allow."""
        self._waiting = False
        slowdown = self._engine.fanout.governor.slowdown
        while self._dirty:
            frames = int(self._bucket.refill(now, slowdown))
            if frames < 1:
                self._waiting = True
                self._engine.fanout.wait(self._bucket, self.serve)
                return
            envelope = self._wire.encoding.envelope
            taken = self._gather(MAX_ENVELOPE_MESSAGES if envelope else min(frames, MAX_ENVELOPE_MESSAGES))
            entries = [entry for _, wanted, _ in taken for entry in wanted]
            if entries and not self._push(entries, taken):
                return
            if entries:
                self._bucket.take(now, 1 if envelope else len(entries), slowdown)
            self._advance(taken)

    def _gather(self, messages: int) -> list[tuple[Subscription, list[Entry], int]]:
        """Return (subscription, wanted entries, index behind what was looked at) for one envelope, in order."""
        taken: list[tuple[Subscription, list[Entry], int]] = []
        nbytes = MAX_ENVELOPE_BYTES
        for subscription in list(self._dirty):
            timeline, index = subscription.project.timeline, subscription.index
            if index is None or index < timeline.base:
                # Memory does not reach back: it reads from the journal and comes again.
                self._dirty.pop(subscription)
                subscription.fall_behind(subscription.passed)
                continue
            entries = timeline.slice(index, index + MAX_ENVELOPE_MESSAGES)
            first = nbytes == MAX_ENVELOPE_BYTES
            wanted, looked_at = cut(entries, subscription.selection, messages=messages, nbytes=nbytes, first=first)
            taken.append((subscription, wanted, index + looked_at))
            messages -= len(wanted)
            nbytes -= sum(len(entry.payload) for entry in wanted)
            if messages <= 0 or nbytes <= 0:
                break
        return taken

    def _push(self, entries: list[Entry], taken: list[tuple[Subscription, list[Entry], int]]) -> bool:
        """Write one envelope; if the buffer is full, everything that is live falls behind."""
        now = self._engine.clock.now()
        cursors = {subscription.project.id: wanted[-1].cursor for subscription, wanted, _ in taken if wanted}
        payload = self._wire.encoding.frame(entries, entries[-1].cursor, now, cursors if self._many else None)
        if not self._wire.push(payload):
            behind, self._dirty = list(self._dirty), {}
            for subscription in behind:
                subscription.fall_behind(subscription.passed)
            return False
        self._engine.observer.flushed(
            self._wire.encoding.transport,
            viewers=1,
            events=len(entries),
            nbytes=len(payload),
            oldest_age=now - min(entry.received_at for entry in entries),
        )
        return True

    def _advance(self, taken: list[tuple[Subscription, list[Entry], int]]) -> None:
        for subscription, _, index in taken:
            timeline = subscription.project.timeline
            if index != subscription.index:
                last = timeline.slice(index - 1, index)[0]
                subscription.passed = Passed(last.place, last.cursor)
                subscription.index = index
            if index == timeline.end:
                self._dirty.pop(subscription)
