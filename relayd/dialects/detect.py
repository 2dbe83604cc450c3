"""Which dialect a body is in; bodies too large for any are refused before anything parses them."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from relayd.dialects.belonging import adopt_owner
from relayd.dialects.delivery import CANARY_HEADER, Claimant, Delivery, Dialect, Item, Reason

__all__ = ["DIALECT_HEADER", "EXCHANGE_HEADER", "MAX_BODY_BYTES", "NATIVE", "Detector"]

DIALECT_HEADER = "x-relayd-dialect"
"""A producer's own word for what it speaks; it beats every guess."""

EXCHANGE_HEADER = "x-relayd-exchange"
"""The exchange that a body came over first, where it was published again over another."""

MAX_BODY_BYTES = 32 * 1024 * 1024
"""Largest body."""

NATIVE = "native"


class Detector:
    """Hands each delivery to the dialect that its header or exchange names, that claims it, or that is the default."""

    name = "detect"

    def __init__(self, dialects: Sequence[Dialect], *, spoken: Mapping[str, str] | None = None) -> None:
        """
        Take the dialects in the order in which they may claim; `native`, or else the first, gets what nobody claims.

        `spoken` names by exchange the dialect of what comes over it.  Raises ValueError when there is no dialect, or
        when `spoken` names another one.
        """
        if not dialects:
            raise ValueError("dialects: none is in use; name at least `native`")
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._claimants = [dialect for dialect in dialects if isinstance(dialect, Claimant)]
        self._spoken: dict[str | None, Dialect] = {}
        for exchange, name in (spoken or {}).items():
            if name not in self._dialects:
                raise ValueError(f"dialects: {name!r}, spoken over exchange {exchange}, is not in use; add it")
            self._spoken[exchange] = self._dialects[name]
        self._default = self._dialects.get(NATIVE, dialects[0])

    def feed(self, delivery: Delivery) -> list[Item]:
        """Return one item per raw event of the body, in order, rejected ones included; a canary is no event."""
        if CANARY_HEADER in delivery.headers:
            # Before any dialect: whatever speaks here, nobody is to be told of it, and nobody to take it for poison.
            return []
        if len(delivery.body) > MAX_BODY_BYTES:
            detail = f"a body of {len(delivery.body)} bytes; {MAX_BODY_BYTES} are the most, send several"
            return [rejected(delivery, Reason.BODY_TOO_LARGE, detail, delivery.body)]
        if EXCHANGE_HEADER in delivery.headers:
            delivery = replace(delivery, exchange=str(delivery.headers[EXCHANGE_HEADER]))
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
        """Return the dialect of its exchange, or the first that knows the delivery for its own."""
        spoken = self._spoken.get(delivery.exchange)
        return spoken or next((dialect for dialect in self._claimants if dialect.claims(delivery)), self._default)


def rejected(delivery: Delivery, reason: Reason, detail: str, raw: bytes) -> Item:
    """Return a whole body as one event that can't be understood."""
    return Item(reason=reason, detail=detail, raw=raw, message_id=delivery.message_id or None)
