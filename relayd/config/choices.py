"""The tables that choose among plug-ins; what a plug-in itself needs stands in a table of its own."""

from pydantic import Field

from relayd.config.table import Table
from relayd.config.values import Names, PluginName

__all__ = ["Dialects", "Presence", "Source", "Transports"]


class Source(Table):
    """Where events come from; the source's own settings stand in `[sources.<name>]`."""

    use: PluginName = Field(
        default="embedded", description='"embedded" (HTTP ingest), "rabbitmq", "simulator", or a plug-in\'s name.'
    )


class Transports(Table):
    """How viewers connect; a transport's own settings stand in `[transports.<name>]`."""

    use: Names = Field(default=("websocket", "longpoll", "sse"), description="Plug-ins to serve.")


class Dialects(Table):
    """How events are understood; a dialect's own settings stand in `[dialects.<name>]`."""

    use: Names = Field(
        default=("cloudevents", "celery", "agui", "native"),
        description="Plug-ins asked in this order whether an event is theirs; what nobody claims is native.",
    )


class Presence(Table):
    """Where connections are counted and viewers known; its own settings stand in `[presence.<name>]`."""

    use: PluginName = Field(
        default="memory",
        description='"memory": each process for itself. "redis": all processes and machines together, which needs '
        "relayd[redis] and a Redis. Or a plug-in's name.",
    )
