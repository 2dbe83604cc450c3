"""
Events of any shape, mapped by rules of the configuration: the first rule that matches says what an event becomes.

Law 1: an event is one place, whether a rule matches it or not.
Law 2: a rule says what is where; what is exact is the contract's business: what was taken is read as a native event is.
"""

from collections.abc import Mapping
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from relayd.dialects.bodies import MAX_EVENTS, cut
from relayd.dialects.delivery import Delivery, Item, Reason
from relayd.dialects.native import MAX_EVENT_BYTES
from relayd.dialects.normalise import Misunderstood, normalise
from relayd.dialects.settings import Rule, RulesSettings
from relayd.dialects.values import shown
from relayd.protocol.messages import Message

__all__ = ["RulesDialect"]

ANY = "*"
JSON = msgspec.json.Decoder()


class Mapper:
    """One rule, its paths compiled."""

    def __init__(self, rule: Rule) -> None:
        """Compile; raises ValueError with the path that can't be read."""
        self.rule = rule
        self._fields = [(compiled(path), wanted) for path, wanted in rule.fields.items()]
        self._take = [(name, compiled(path), rule.words.get(name)) for name, path in rule.take.items()]

    def is_from(self, delivery: Delivery) -> bool:
        """Return whether headers and exchange are the rule's."""
        rule = self.rule
        if rule.exchange and rule.exchange != delivery.exchange:
            return False
        return all(alike(delivery.headers.get(name), wanted) for name, wanted in rule.headers.items())

    def fits(self, event: object) -> bool:
        """Return whether an event has the rule's fields."""
        return all(alike(found(path, event), wanted) for path, wanted in self._fields)

    def read(self, event: object, received_at: float) -> tuple[Message, str | None]:
        """Return the message and its id; raises Misunderstood."""
        said: dict[str, Any] = {}
        for name, path, words in self._take:
            value = found(path, event)
            if words is not None:
                value = words.get(str(value), words.get(ANY, value))
            if value is not None:
                said[name] = value
        own = said.pop("message_id", None)
        try:
            message = normalise({**self.rule.set, **said, "type": self.rule.type}, received_at)
        except Misunderstood as error:
            raise Misunderstood(error.reason, f"rule {self.rule.name!r}: {error.detail}") from error
        message.dialect = RulesDialect.name
        return message, None if own is None else str(own)


class RulesDialect:
    """One JSON value, an array of them, or one a line; each is mapped by the first rule that matches."""

    Settings = RulesSettings
    name = "rules"

    def __init__(self, settings: RulesSettings) -> None:
        """Take the rules; raises ValueError with the path that can't be read."""
        self._mappers = [Mapper(rule) for rule in settings.rule]

    def claims(self, delivery: Delivery) -> bool:
        """Return whether a rule is for it: by headers and exchange alone, or by the first event's fields."""
        likely = [mapper for mapper in self._mappers if mapper.is_from(delivery)]
        if any(not mapper.rule.fields for mapper in likely):
            return True
        pieces = cut(delivery.body.strip()) if likely else None
        if pieces is None or not pieces.raws or len(pieces.raws[0]) > MAX_EVENT_BYTES:
            return False
        event = read(pieces.raws[0])
        return any(mapper.fits(event) for mapper in likely)

    def feed(self, delivery: Delivery) -> list[Item]:
        """Return one item for each event."""
        pieces = cut(delivery.body.strip())
        if pieces is None or len(pieces.raws) > MAX_EVENTS:
            detail = f"an array of events that can't be told apart, or of more than {MAX_EVENTS}"
            return [Item(reason=Reason.NOT_JSON, detail=detail, raw=delivery.body)]
        likely = [mapper for mapper in self._mappers if mapper.is_from(delivery)]
        name = delivery.message_id
        return [
            self._map(raw, likely, delivery.received_at, name if not name or not pieces.many else f"{name}/{index}")
            for index, raw in enumerate(pieces.raws)
        ]

    def _map(self, raw: bytes, likely: list[Mapper], received_at: float, name: str | None) -> Item:
        if len(raw) > MAX_EVENT_BYTES:
            detail = f"an event of {len(raw)} bytes; {MAX_EVENT_BYTES} are the most, send less or several"
            return Item(reason=Reason.EVENT_TOO_LARGE, detail=detail, raw=raw, message_id=name)
        event = read(raw)
        try:
            mapper = next((mapper for mapper in likely if mapper.fits(event)), None)
            if mapper is None:
                detail = f"no rule matches {outline(event)}; add one to `dialects.rules.rule`"
                raise Misunderstood(Reason.UNKNOWN_TYPE, detail)
            message, own = mapper.read(event, received_at)
        except Misunderstood as error:
            return Item(reason=error.reason, detail=error.detail, raw=raw, message_id=name)
        return Item(messages=(message,), message_id=own or name)


def compiled(path: str) -> ParsedResult:
    """Return a path that can be searched with; raises ValueError."""
    try:
        return jmespath.compile(path)
    except JMESPathError as error:
        raise ValueError(f"{path!r} is no JMESPath: {' '.join(str(error).split())}") from error


def found(path: ParsedResult, event: object) -> Any:  # noqa: ANN401  # any JSON
    """Return what a path finds, None if it finds nothing or can't be applied to what is there."""
    try:
        return path.search(event)
    except (JMESPathError, ValueError, TypeError, RecursionError):
        return None


def alike(value: object, wanted: str) -> bool:
    """Return whether a value is there and, as a text, what is wanted."""
    if value is None:
        return False
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.startswith(wanted[:-1]) if wanted.endswith(ANY) else text == wanted


def read(raw: bytes) -> object:
    """Return a JSON value; what is none is a text."""
    try:
        return JSON.decode(raw)
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")


def outline(event: object) -> str:
    """Return what an event looks like, for whoever writes a rule for it."""
    if isinstance(event, Mapping):
        return f"an object with {', '.join(shown(name) for name in list(event)[:8]) or 'no fields'}"
    return shown(event)
