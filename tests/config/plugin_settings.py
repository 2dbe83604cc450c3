"""Plug-ins' settings for the tests of the configuration: one of each kind that can go wrong."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

KEY = "0123456789abcdef0123456789abcdef"
"""A secret just long enough for HS256."""


class BrokerSettings(BaseModel):
    """Where the broker is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr = Field(default=SecretStr("amqp://localhost/"), description="Where it is.")
    prefetch: int = Field(default=10, ge=1, description="How many.")
    spoken: dict[str, str] = Field(default={}, description="Exchange and dialect.")


class NeedySettings(BaseModel):
    """A plug-in that can't do without a name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Required.")
    many: int | None = Field(default=None, description="May be left out.")


PLUGINS: dict[tuple[str, str], type[BaseModel] | None] = {
    ("relayd.sources", "embedded"): None,
    ("relayd.sources", "rabbitmq"): BrokerSettings,
    ("relayd.sources", "needy"): NeedySettings,
    ("relayd.transports", "websocket"): None,
    ("relayd.transports", "longpoll"): None,
    ("relayd.transports", "sse"): None,
    ("relayd.dialects", "agui"): None,
    ("relayd.dialects", "cloudevents"): None,
    ("relayd.dialects", "celery"): None,
    ("relayd.dialects", "native"): None,
    ("relayd.dialects", "needy"): NeedySettings,
    ("relayd.authorizers", "claims"): None,
    ("relayd.authorizers", "ownership"): None,
    ("relayd.presence", "memory"): None,
    ("relayd.presence", "redis"): BrokerSettings,
}


def settings_of(group: str, name: str) -> type[BaseModel] | None:
    """Return a plug-in's settings as `relayd.plugins` does."""
    if (group, name) not in PLUGINS:
        raise LookupError(f'there is no "{name}"')
    return PLUGINS[group, name]
