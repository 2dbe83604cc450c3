"""Options that several commands share, spelt once."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AdminUrl",
    "AdminUrls",
    "AmqpUrl",
    "ConfigFile",
    "OptionalRelayUrl",
    "RelayUrl",
    "RequiredConfigFile",
    "Token",
]

RelayUrl = Annotated[str, typer.Option("--url", envvar="RELAYD_URL", metavar="URL", help="Base address of the relay.")]

OptionalRelayUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="RELAYD_URL",
        metavar="URL",
        show_default=False,
        help="Publish over HTTP to the relay at this base address; the token must be a worker's.",
    ),
]

Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="RELAYD_TOKEN",
        metavar="TOKEN",
        show_default=False,
        help="Token to show; the environment variable keeps it out of the list of processes.",
    ),
]

AmqpUrl = Annotated[
    str | None,
    typer.Option(
        "--amqp",
        envvar="RELAYD_AMQP",
        metavar="URL",
        show_default=False,
        help="Publish to RabbitMQ at amqp://user:password@host:port/vhost.",
    ),
]

AdminUrl = Annotated[
    str,
    typer.Option(
        "--admin",
        envvar="RELAYD_ADMIN",
        metavar="URL",
        help="Admin listener: http://host:port or unix:/path/of/socket.",
    ),
]

AdminUrls = Annotated[
    list[str],
    typer.Option(
        "--admin",
        envvar="RELAYD_ADMIN",
        metavar="URL",
        help="Admin listener: http://host:port or unix:/path/of/socket; once for each relay.",
    ),
]

RequiredConfigFile = Annotated[
    Path, typer.Option("--config", "-c", envvar="RELAYD_CONFIG", metavar="FILE", help="Configuration file (TOML).")
]

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="RELAYD_CONFIG", metavar="FILE", help="Configuration file (TOML)."),
]
