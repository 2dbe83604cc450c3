"""Which dialect a body is in; bodies too large for any are refused before anything parses them."""

from collections.abc import Sequence

from msgspec.structs import replace

from relayd.dialects.belonging import adopt_owner
from relayd.dialects.delivery import CANARY_HEADER, Claimant, Delivery, Dialect, Item, Reason

__all__ = ["DIALECT_HEADER", "MAX_BODY_BYTES", "NATIVE", "Detector"]

DIALECT_HEADER = "x-relayd-dialect"
"""A producer's own word for what it speaks; it beats every guess."""

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Largest body."""

NATIVE = "native"


class Detector:
    """Hands each delivery to the dialect that its header names, that claims it, or that is the default."""

    name = "detect"

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        """
        Take the dialects in the order in which they may claim; `native`, or else the first, gets what nobody claims.

        Raises ValueError when there is none.
        """
        if not dialects:
            raise ValueError("dialects: none is in use; name at least `native`")
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._claimants = [dialect for dialect in dialects if isinstance(dialect, Claimant)]
        self._default = self._dialects.get(NATIVE, dialects[0])

    def feed(self, delivery: Delivery) -> list[Item]:
        """Return one item per raw event of the body, in order, rejected ones included; a canary is no event."""
        if CANARY_HEADER in delivery.headers:
            # Before any dialect: whatever speaks here, nobody is to be told of it, and nobody to take it for poison.
            return []
        if len(delivery.body) > MAX_BODY_BYTES:
            detail = f"a body of {len(delivery.body)} bytes; {MAX_BODY_BYTES} are the most, send several"
            return [rejected(delivery, Reason.BODY_TOO_LARGE, detail, delivery.body)]
        named = delivery.headers.get(DIALECT_HEADER)
        dialect = self._claimed(delivery) if named is None else self._dialects.get(str(named))
        if dialect is None:
            detail = f"{DIALECT_HEADER}: {str(named)[:60]!r} is not in use here; there is {', '.join(self._dialects)}"
            return [rejected(delivery, Reason.UNKNOWN_DIALECT, detail, delivery.body)]
        items = dialect.feed(delivery)
        for index, item in enumerate(items):
            if item.reason is not None:
                items[index] = replace(item, dialect=dialect.name)
        if delivery.headers:
            adopt_owner(items, delivery.headers)
        return items

    def _claimed(self, delivery: Delivery) -> Dialect:
        """Return the first dialect that knows the delivery for its own."""
        return next((dialect for dialect in self._claimants if dialect.claims(delivery)), self._default)


def rejected(delivery: Delivery, reason: Reason, detail: str, raw: bytes) -> Item:
    """Return a whole body as one event that can't be understood."""
    return Item(reason=reason, detail=detail, raw=raw, message_id=delivery.message_id or None)
