"""The table `[sources.rabbitmq]`: which stream is the log, and how it is read."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

__all__ = ["EVERYTHING", "Binding", "RabbitSettings", "virtual_host"]

SECONDS = {"Y": 31_536_000, "M": 2_592_000, "D": 86_400, "h": 3_600, "m": 60, "s": 1}
"""What the broker's units of time stand for; it counts a month as 30 days."""

INTERVAL = re.compile(r"[1-9][0-9]{0,8}[YMDhms]")


def interval(value: str) -> str:
    """Return an interval in the broker's notation; raises ValueError, because the broker closes the connection."""
    if not INTERVAL.fullmatch(value):
        raise ValueError(f"{value!r} is no interval: write a number and one of Y M D h m s, as in 1h or 7D")
    return value


EVERYTHING = "#"

Interval = Annotated[str, AfterValidator(interval)]
Name = Annotated[str, Field(min_length=1, max_length=255)]


def seconds(value: str) -> int:
    """Return the length of a validated interval in seconds."""
    return int(value[:-1]) * SECONDS[value[-1]]


def virtual_host(url: str) -> str:
    """Return the virtual host that an AMQP URL names; none at all is `/`."""
    return unquote(urlsplit(url).path[1:]) or "/"


class Binding(BaseModel):
    """A further exchange, from which the broker puts messages into the stream, too."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    exchange: Name
    """Its name; several tables may name one, with different routing keys."""
    type: Literal["topic", "fanout", "direct", "headers"] = "topic"
    """What it must be; where there is none yet, `relayd rabbitmq setup` makes it so, durable."""
    routing_key: Annotated[str, Field(max_length=255)] = "#"
    """Which of its messages: `#` are all of a topic exchange; fanout and headers give all whatever it says."""
    dialect: str = ""
    """Dialect of what comes over it, one of `dialects.use`; empty: it is recognised like anything else."""

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "Binding":
        """Refuse a binding over which nothing would ever come."""
        if self.type == "direct" and self.routing_key == EVERYTHING:
            raise ValueError(
                f"routing_key: exchange {self.exchange} is direct and compares it word for word, so # matches"
                " nothing; write the key that is published with"
            )
        return self


class RabbitSettings(BaseModel):
    """Which stream is the log, and how it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1/")
    """Where the broker is: `amqp://user:password@host:port/vhost` or `amqps://…`; a secret, it holds a password."""
    exchange: Name = "swarm.events"
    """Topic exchange that workers publish to."""
    queue: Name = "relayd.events"
    """Stream queue that all relays read."""
    create: bool = False
    """Declare exchange, queue and bindings at the first connection; otherwise a missing queue is only reported."""
    bindings: tuple[Binding, ...] = ()
    """Further exchanges whose messages come into the same stream, each with its own dialect."""

    prefetch: Annotated[int, Field(ge=1, le=65_535)] = 2_000
    """Messages that may be on their way and unacknowledged."""
    backlog_mib: Annotated[int, Field(ge=1, le=1_048_576)] = 64
    """MiB of messages that may wait to be taken in; beyond it no more is read, and the broker waits."""
    ack_every: Annotated[int, Field(ge=1, le=65_535)] = 500
    """Acknowledge after that many messages …"""
    ack_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    """… or after that many seconds."""
    batch: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """Most messages handed on at once."""

    warm_up: Interval = "1h"
    """How far back a relay begins that has no position yet."""
    heartbeat: Annotated[int, Field(ge=1, le=600)] = 5
    """Seconds; a connection that froze is noticed after three of them."""
    connect_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Longest wait for a connection or an answer of the broker."""
    backoff_seconds: Annotated[float, Field(gt=0, le=30)] = 30.0
    """Longest pause between two attempts to connect."""
    silence_seconds: Annotated[float, Field(gt=0, le=300)] = 5.0
    """Silence after a resume that makes the relay ask whether the log is still the same."""
    head_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """Pause between two looks at the end of the log, by which the lag is known."""
    stalled_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """So long nothing may come though the log is known to go on; then the queue is subscribed anew."""
    canary_seconds: Annotated[float, Field(ge=0, le=60)] = 15.0
    """Pause between two canaries: empty messages that prove the way from the exchange to this relay; 0 sends none."""
    recreate_window_seconds: Annotated[float, Field(ge=0, le=3_600)] = 60.0
    """How long a missing queue counts as a broker that is starting; after that it is reported as missing."""

    max_age: Interval = "7D"
    """Retention by age; used when the queue is declared."""
    max_length_bytes: Annotated[int, Field(ge=1_000_000)] = 10_000_000_000
    """Retention by size; used when the queue is declared."""
    segment_bytes: Annotated[int, Field(ge=100_000, le=3_000_000_000)] = 50_000_000
    """Size of a segment, the grain of both retentions; used when the queue is declared."""

    @field_validator("url")
    @classmethod
    def _is_amqp(cls, value: SecretStr) -> SecretStr:
        """Refuse what is no AMQP URL, without repeating the password."""
        try:
            parts = urlsplit(value.get_secret_value())
            port = parts.port
        except ValueError as error:
            raise ValueError("is no URL: write amqp://user:password@host:port/vhost") from error
        if parts.scheme not in {"amqp", "amqps"} or not parts.hostname or port == 0:
            raise ValueError("is no AMQP URL: write amqp://user:password@host:port/vhost, or amqps:// for TLS")
        return value

    @model_validator(mode="after")
    def _hold_together(self) -> "RabbitSettings":
        """Refuse values that are fine one by one and stall or surprise together."""
        if self.ack_every > self.prefetch:
            raise ValueError(
                f"ack_every: {self.ack_every} is over prefetch ({self.prefetch}); lower it, or it never comes"
            )
        if self.segment_bytes > self.max_length_bytes:
            raise ValueError(
                "segment_bytes: is over max_length_bytes; whole segments are dropped, so choose a part of it"
            )
        self._check_bindings()
        return self

    def _check_bindings(self) -> None:
        """Refuse bindings that contradict each other; raises ValueError."""
        known: dict[str, Binding] = {}
        for binding in self.bindings:
            name = binding.exchange
            if name == self.exchange:
                raise ValueError(f"bindings: {name} is `exchange` already, which is bound whole; leave it out")
            first = known.setdefault(name, binding)
            for what in ("type", "dialect"):
                one, other = getattr(first, what), getattr(binding, what)
                if one != other:
                    raise ValueError(f"bindings: {name} has {what} {one!r} and {other!r}; an exchange has one")

    def at(self, url: str) -> "RabbitSettings":
        """Return these settings for another broker."""
        return self.model_copy(update={"url": SecretStr(url)})

    @property
    def vhost(self) -> str:
        """The virtual host named by the URL."""
        return virtual_host(self.url.get_secret_value())

    @property
    def bound(self) -> Mapping[str, Binding]:
        """The further exchanges by name, each once."""
        return {binding.exchange: binding for binding in self.bindings}

    @property
    def spoken(self) -> Mapping[str, str]:
        """Exchange → the dialect that is spoken there, where one is named."""
        return {binding.exchange: binding.dialect for binding in self.bindings if binding.dialect}

    @property
    def address(self) -> str:
        """Host and port, for sentences; never the password."""
        parts = urlsplit(self.url.get_secret_value())
        return f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}"

    @property
    def warm_up_seconds(self) -> int:
        """How far back a relay without a position begins."""
        return seconds(self.warm_up)

    @property
    def queue_arguments(self) -> dict[str, Any]:
        """The arguments that the queue is declared with."""
        return {
            "x-queue-type": "stream",
            "x-max-age": self.max_age,
            "x-max-length-bytes": self.max_length_bytes,
            "x-stream-max-segment-size-bytes": self.segment_bytes,
        }
