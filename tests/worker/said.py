"""A publisher that keeps what is said."""

from collections.abc import Mapping
from typing import Any

from relayd.dialects.delivery import Delivery
from relayd.dialects.native import NativeDialect
from relayd.worker.publisher import encoded

__all__ = ["Said"]

FIELDS = ("stage", "agent", "status", "activity", "level", "progress", "task", "message", "error", "code", "name")


class Said(list[Mapping[str, Any]]):
    """Keeps what is said, and holds each to the contract."""

    async def publish(self, event: Mapping[str, Any]) -> None:
        self.publish_from_here(event)

    def publish_from_here(self, event: Mapping[str, Any]) -> None:
        (item,) = NativeDialect().feed(Delivery(offset=1, body=encoded(event), received_at=1.0))
        assert item.reason is None, item.detail
        self.append(event)

    def short(self) -> list[tuple[str, ...]]:
        """Return kinds and what they say."""
        return [(event["type"], *[str(event[name]) for name in FIELDS if name in event]) for event in self]
