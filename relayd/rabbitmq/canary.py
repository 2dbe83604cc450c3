"""
A canary: an empty message that this relay publishes as workers publish events, and waits to read.

It goes through the exchange, not straight to the queue: so it proves the permission and the binding that workers need,
too.  A canary takes a place in the log as everything does, and is no event to anybody.

Law 1: one at a time.  Under an alarm the broker takes nothing and keeps what was sent for later: a canary every few
seconds would be a flock by the end of it.
Law 2: never on the connection that reads: an alarm blocks those that publish.
Law 3: a canary that does not come back is told and changes nothing else.  Viewers are served with what comes, and
whether the subscription is at fault is for the watchdog to find out.
"""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress

from relayd.dialects.delivery import CANARY_HEADER, Delivery
from relayd.ports import Clock, Observer
from relayd.rabbitmq.publish import Forbidden, NotPublished, Publisher, Unconfirmed, Unroutable
from relayd.rabbitmq.settings import RabbitSettings

__all__ = ["Canary"]

PATIENCE = 300.0
"""Seconds that a late confirm is waited for before the connection is made anew: so long an alarm costs one canary."""
REFUSED_SECONDS = 3_600.0
"""After so long somebody may have given the permission."""


class Flight:
    """One canary on its way; `sent_at` in monotonic seconds."""

    def __init__(self, sent_at: float) -> None:
        self.id = uuid.uuid4().hex
        self.sent_at = sent_at
        self.confirmed = False
        self.late = False
        self.offset: int | None = None
        """Its place, once it has arrived."""
        self.back = asyncio.Event()


class Canary:
    """
    Sends canaries, and knows how they fare.

    `due` tells whether one that is sent now could come back at once; `suspect` is told that one is in the log and has
    not arrived.
    """

    def __init__(
        self, settings: RabbitSettings, clock: Clock, *, due: Callable[[], bool], suspect: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._due = due
        self._suspect = suspect
        self._flight: Flight | None = None
        self._refused = False
        self.observer: Observer | None = None
        self.note = ""
        """What is amiss, in a sentence; empty if nothing is."""
        self.at: float | None = None
        """When one last came back, or before that when the first was sent, Unix seconds; None while there are none."""

    async def fly(self) -> None:
        """Send one every now and then, for ever: as long as the subscription lives through which they come back."""
        self._flight = None
        if not self._refused:
            self.note = ""
        while True:
            await asyncio.sleep(REFUSED_SECONDS if self._refused else self._settings.canary_seconds)
            try:
                await self._send()
            except Forbidden as error:
                self._refused, self.at = True, None
                self._miss("refused", f"no canaries: {error}, or set canary_seconds = 0")
            except Unconfirmed as error:
                if self._flight is None or not self._flight.late:
                    self._miss("unconfirmed", f"a canary was not confirmed: {error}")
            except NotPublished as error:
                self._miss("unreachable", f"no canary could be sent: {error}")

    async def _send(self) -> None:
        """Send over one connection until it is lost; raises NotPublished."""
        async with Publisher(self._settings, confirm_seconds=self._settings.stalled_seconds + PATIENCE) as publisher:
            while True:
                # Behind a backlog it would be late for a reason that the lag tells already.
                if self._due():
                    await self._round(publisher)
                await asyncio.sleep(self._settings.canary_seconds)

    async def _round(self, publisher: Publisher) -> None:
        """Send one, and return when it is back or too late; raises NotPublished for all but a missing binding."""
        bound = self._settings.stalled_seconds
        flight = self._flight = Flight(self._clock.monotonic())
        self.at = self.at or self._clock.now()
        timer = asyncio.get_running_loop().call_later(bound, self._be_late, flight)
        try:
            await publisher.publish("relayd", "canary", b"", message_id=flight.id, headers={CANARY_HEADER: True})
            flight.confirmed, self._refused = True, False
            if flight.offset is None:
                self._suspect()
            with suppress(TimeoutError):
                async with asyncio.timeout(bound):
                    await flight.back.wait()
        except Unroutable as error:
            self._miss("unroutable", f"a canary came to no queue, and so do events: {error}")
        finally:
            timer.cancel()

    def arrived(self, delivery: Delivery) -> None:
        """Look whether a delivery is the canary that is on its way."""
        if self._flight is not None and delivery.message_id == self._flight.id:
            self._flight.offset = delivery.offset

    def processed(self, offset: int) -> None:
        """Take note that the relay has dealt with everything up to there: only then a canary is back."""
        flight = self._flight
        if flight is None or flight.offset is None or flight.offset > offset:
            return
        self._flight = None
        self.at = self._clock.now()
        self.note = ""
        flight.back.set()
        if self.observer is not None:
            self.observer.canary_returned(self._clock.monotonic() - flight.sent_at)

    def _be_late(self, flight: Flight) -> None:
        if flight.back.is_set():
            return
        flight.late = True
        seconds = f"{self._settings.stalled_seconds:g} s"
        if flight.confirmed:
            self._miss(
                "lost",
                f"a canary was confirmed and is not back after {seconds}: exchange {self._settings.exchange} leads"
                f" elsewhere than to {self._settings.queue}, or this relay does not keep up",
            )
        else:
            self._miss(
                "unconfirmed",
                f"a canary is not confirmed after {seconds}: an alarm stops those who publish (`rabbitmq-diagnostics"
                " alarms`), or the stream has no quorum; what is in the log is still read",
            )

    def _miss(self, cause: str, sentence: str) -> None:
        self.note = sentence
        if self.observer is not None:
            self.observer.canary_missed(cause, sentence)
