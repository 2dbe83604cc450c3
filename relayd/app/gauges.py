"""Sizes that are read when somebody scrapes, never counted up and down."""

import asyncio
from collections import Counter

from relayd.ports import Shared
from relayd.relay.engine import Engine
from relayd.telemetry import catalogue
from relayd.telemetry.metrics import Metrics

__all__ = ["Lag", "register"]


SAMPLE_SECONDS = 1.0


class Lag:
    """Seconds since this relay was last seen level with the head of its log."""

    def __init__(self, engine: Engine) -> None:
        """Begin level."""
        self._engine = engine
        self._level_at = engine.clock.monotonic()

    async def run(self) -> None:
        """Look every second, for ever: seen by scrapes alone, a lag would seem as old as the last of them."""
        while True:
            self.seconds()
            await asyncio.sleep(SAMPLE_SECONDS)

    def seconds(self) -> float:
        """Return 0 while level, else for how long it has not been."""
        state, head = self._engine.source.state(), self._engine.log.head
        reached = state.head_offset is None or (head is not None and head.offset >= state.head_offset)
        now = self._engine.clock.monotonic()
        if state.connected and state.caught_up and reached:
            self._level_at = now
        return now - self._level_at


def register(metrics: Metrics, engine: Engine) -> Lag:
    """Let the metrics ask an engine."""
    log, source, presence = engine.log, engine.source, engine.presence
    lag = Lag(engine)

    def statuses() -> dict[str, float]:
        counts = Counter(project.state.status for project in log.projects.values() if project.place is not None)
        return {status: float(count) for status, count in counts.items()}

    def head_offset() -> float | None:
        offset = source.state().head_offset
        return None if offset is None else float(offset)

    def consumer_up() -> float:
        state = source.state()
        return float(state.connected and not state.stalled)

    metrics.pull(catalogue.BROKER_CONNECTED.name, lambda: float(source.state().connected))
    metrics.pull(catalogue.CONSUMED_OFFSET.name, lambda: None if log.head is None else float(log.head.offset))
    metrics.pull(catalogue.HEAD_OFFSET.name, head_offset)
    metrics.pull(catalogue.CONSUMER_UP.name, consumer_up)
    metrics.pull(catalogue.LAST_DELIVERY.name, lambda: source.state().delivered_at)
    metrics.pull(catalogue.CANARY_LAST_SUCCESS.name, lambda: source.state().canary_at)
    metrics.pull(catalogue.STREAM_LAG.name, lag.seconds)
    metrics.pull(catalogue.FLUSH_INTERVAL.name, lambda: engine.fanout.governor.slowdown / engine.limits.outbound.rate)
    metrics.pull(
        catalogue.CONNECTIONS.name,
        lambda: {transport: float(count) for transport, count in presence.counts().items()},
    )
    if isinstance(presence, Shared):
        metrics.pull(catalogue.REDIS_UP.name, lambda: float(not presence.trouble))
    metrics.pull(catalogue.PROJECTS.name, statuses)
    metrics.pull(catalogue.TIMELINE_BYTES.name, lambda: float(log.nbytes))
    metrics.pull(catalogue.TASKS.name, lambda: float(len(asyncio.all_tasks())))
    return lag
