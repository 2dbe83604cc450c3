"""`SHOP! THE CART IS BUILT`: a project, an exclamation mark, a line of log; one event a line."""

import re

from relayd.dialects.delivery import Delivery, Item, Reason
from relayd.protocol.messages import WorkflowLog

from .settings import ShoutSettings

__all__ = ["ShoutDialect"]

SHOUT = re.compile(r"([A-Z0-9][A-Z0-9_-]{0,63})! ([^a-z]{1,1000})")


class ShoutDialect:
    """Understands what is shouted, and nothing that is said quietly."""

    Settings = ShoutSettings
    name = "shout"

    def __init__(self, settings: ShoutSettings) -> None:
        self._level = settings.level

    def claims(self, delivery: Delivery) -> bool:
        """Return whether the first line is shouted."""
        first, _, _ = delivery.body.partition(b"\n")
        return SHOUT.fullmatch(first.decode(errors="replace").strip()) is not None

    def feed(self, delivery: Delivery) -> list[Item]:
        """Return one item for each line, shouted or not."""
        return [self._read(line, delivery) for line in delivery.body.splitlines() or [b""]]

    def _read(self, line: bytes, delivery: Delivery) -> Item:
        shout = SHOUT.fullmatch(line.decode(errors="replace").strip())
        if shout is None:
            return Item(reason=Reason.BAD_FIELD, detail="write PROJECT! and a text, all of it in capitals", raw=line)
        message = WorkflowLog(
            project_id=shout[1].lower(), timestamp=delivery.received_at, level=self._level, message=shout[2]
        )
        return Item(messages=(message,), raw=line)
