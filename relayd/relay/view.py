"""
Views that are shared: a viewer shows what it looks at, and whoever watches the same project may follow.

The relay hands a state on and keeps none: a follower that comes later learns it with the next one.
"""

from typing import Any

import msgspec

from relayd.core.pacing import Pace, TokenBucket
from relayd.ports import Clock
from relayd.protocol.commands import MAX_VIEW_BYTES
from relayd.protocol.messages import Notice
from relayd.relay.admission import Grant
from relayd.relay.asides import say_to_all
from relayd.relay.subscription import Subscription

__all__ = ["SharedView"]

PACE = Pace(rate=4, burst=4)
"""States a second: each goes to everybody who watches the project."""


class SharedView:
    """What one connection shows of its projects."""

    def __init__(self, clock: Clock, grant: Grant) -> None:
        """Begin showing nothing."""
        self._clock = clock
        self._grant = grant
        self._bucket = TokenBucket(PACE, clock.monotonic())
        self._shown: set[Subscription] = set()

    def show(self, subscription: Subscription, state: dict[str, Any] | None) -> Notice | None:
        """Hand a state on to the others, None to end that; return what the viewer is told, if anything."""
        project_id = subscription.project.id
        if state is None:
            self.end(subscription)
            return None
        if (size := len(msgspec.json.encode(state))) > MAX_VIEW_BYTES:
            detail = f"state: {size} bytes; {MAX_VIEW_BYTES} are the most"
            return Notice(code="VIEW_TOO_LARGE", project_id=project_id, detail=detail)
        if not self._bucket.take(self._clock.monotonic()):
            detail = f"more than {PACE.rate:g} views a second; send the newest in a moment"
            return Notice(code="VIEW_TOO_OFTEN", project_id=project_id, detail=detail)
        self._shown.add(subscription)
        self._tell(subscription, state)
        return None

    def end(self, subscription: Subscription) -> None:
        """Tell those who follow that there is nothing to follow any more."""
        if subscription in self._shown:
            self._shown.remove(subscription)
            self._tell(subscription, None)

    def _tell(self, subscription: Subscription, state: dict[str, Any] | None) -> None:
        data = {"user": self._grant.viewer.user, "connection_id": self._grant.connection_id, "state": state}
        notice = msgspec.json.encode(Notice(code="VIEW", project_id=subscription.project.id, data=data))
        say_to_all(subscription.project, notice, but=subscription)
