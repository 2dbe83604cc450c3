"""`relayd serve` and `relayd check-config`."""

from pathlib import Path
from typing import Annotated

import typer

from relayd.cli.configuration import read_config
from relayd.cli.options import ConfigFile
from relayd.config import Config

__all__ = ["check_config", "serve"]


def serve(config: ConfigFile = None) -> None:
    """Run the relay until SIGTERM or SIGINT; without a file it is set up by the environment alone."""
    settings = read_config(config)
    # Here and not at the top: the daemon's rooms take longer to load than the other commands take to run.
    from relayd.app import run  # noqa: PLC0415

    raise typer.Exit(run(settings, config))


def check_config(file: Annotated[Path | None, typer.Argument(help="Configuration file (TOML).")] = None) -> None:
    """Print every problem of a configuration on its own line, or a summary when there is none."""
    typer.echo(f"ok: {summary(read_config(file))}")


def summary(config: Config) -> str:
    """Return what a relay with this configuration would do, in one line and without secrets."""
    server, admin = config.server, config.admin
    return ", ".join((
        f"viewers at {server.socket or f'{server.host}:{server.port}'}",
        f"operators at {admin.socket or f'{admin.host}:{admin.port}'}",
        f"events from {config.source.use}",
        f"journal {config.journal.path or 'none'}",
        f"tokens {f'checked with {len(config.auth.keys)} key(s)' if config.auth.mode == 'jwt' else 'not needed'}",
        f"transports {' '.join(config.transports.use)}",
        f"dialects {' '.join(config.dialects.use)}",
    ))  # fmt: skip
