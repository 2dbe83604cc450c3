"""
A demo without workers: a made-up swarm feeds an embedded source, and a recorded one where that is asked for.

Real events may be handed over beside it.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from itertools import count

from msgspec import json

from relayd.dialects.delivery import Delivery
from relayd.ports import Clock, LogBreak, Position, Receipt, SourceState, Unavailable
from relayd.sources.embedded import EmbeddedSource
from relayd.sources.recorded import Recorded
from relayd.sources.settings import SimulatorSettings
from relayd.sources.swarm import Swarm

__all__ = ["SimulatorSource"]


class SimulatorSource:
    """An embedded source with a swarm inside."""

    Settings = SimulatorSettings
    name = "simulator"
    replays = False

    def __init__(self, settings: SimulatorSettings, clock: Clock) -> None:
        """Take the settings; raises ValueError for a recording that can't be played."""
        self.log = settings.log
        self._settings = settings
        self._clock = clock
        self._embedded = EmbeddedSource(settings, clock)
        self._told = count()
        self._recorded = Recorded(settings.recording) if settings.recording else None

    async def offer(self, delivery: Delivery) -> Receipt:
        """Return what became of it once it is durable; raises Unavailable."""
        return await self._embedded.offer(delivery)

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Answer the publishers, the swarm among them."""
        self._embedded.settle(receipts)

    def fail(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the publishers that their events could not be kept."""
        self._embedded.fail(deliveries)

    def state(self) -> SourceState:
        """Return how it is now."""
        return self._embedded.state()

    async def newest(self) -> int | None:
        """Return the newest offset."""
        return await self._embedded.newest()

    async def batches(self, position: Position | None) -> AsyncGenerator[Sequence[Delivery] | LogBreak]:
        """Yield what the swarm says, and what others hand over, for ever."""
        batches = self._embedded.batches(position)
        swarm = asyncio.create_task(self._tell(), name="swarm")
        try:
            async for batch in batches:
                yield batch
        finally:
            swarm.cancel()
            await asyncio.wait({swarm})
            await batches.aclose()

    async def _tell(self) -> None:
        # After a restart the stories are told again; under the same ids they would be recognised as repeats.
        run = int(self._clock.now())
        recorded = {} if self._recorded is None else {self._recorded.project_id: self._recorded.beats()}
        for delay, event in Swarm(self._settings.seed, projects=self._settings.projects).events(recorded):
            await asyncio.sleep(delay / self._settings.speed)
            now = self._clock.now()
            delivery = Delivery(
                offset=0,
                body=json.encode({"timestamp": now, **event}),
                received_at=now,
                message_id=f"simulator-{run}-{next(self._told)}",
                content_type="application/json",
            )
            # A made-up event that can't be written is missed by nobody.
            with suppress(Unavailable):
                await self._embedded.offer(delivery)
