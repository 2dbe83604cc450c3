"""`relayd rabbitmq`: make or look for the stream on the broker."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import typer

from relayd.cli.configuration import read_config
from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.options import RequiredConfigFile
from relayd.rabbitmq import topology
from relayd.rabbitmq.connection import Lost
from relayd.rabbitmq.settings import RabbitSettings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Make or look for exchange and stream on the broker.")

Work = Callable[[str, RabbitSettings], Awaitable[None]]


@app.command()
def setup(config: RequiredConfigFile) -> None:
    """Declare exchange, stream and bindings as configured; harmless when they are there."""
    settings = rabbit_settings(config)
    do(topology.setup, settings)
    exchanges = ", ".join([settings.exchange, *settings.bound])
    typer.echo(f"ready: {exchanges} -> {settings.queue} at {settings.address}")


@app.command()
def check(config: RequiredConfigFile) -> None:
    """Look whether exchanges and stream are there, and change nothing."""
    settings = rabbit_settings(config)
    do(topology.check, settings)
    exchanges = ", ".join([settings.exchange, *settings.bound])
    typer.echo(f"found: {exchanges} and {settings.queue} at {settings.address}")


def rabbit_settings(path: Path) -> RabbitSettings:
    """Return `[sources.rabbitmq]`; raises CommandFailed when another source is used."""
    config = read_config(path)
    if not isinstance(config.source_settings, RabbitSettings):
        sentence = f'source.use is "{config.source.use}"; set it to "rabbitmq" to use the broker'
        raise CommandFailed(Exit.CONFIG, sentence)
    return config.source_settings


def do(work: Work, settings: RabbitSettings) -> None:
    """Do it against the broker; raises CommandFailed."""

    async def working() -> None:
        await work(settings.url.get_secret_value(), settings)

    try:
        asyncio.run(working())
    except topology.TopologyError as error:
        raise CommandFailed(Exit.CONFIG, str(error)) from error
    except Lost as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"RabbitMQ at {settings.address}: {error}") from error
