"""`relayd serve` and `relayd check-config`."""

from pathlib import Path
from typing import Annotated

import typer

from relayd.cli.configuration import on_trial, read_config
from relayd.cli.options import ConfigFile
from relayd.config import Config
from relayd.config.checks import ticket_warning
from relayd.config.settings import Auth

__all__ = ["check_config", "serve"]


def serve(config: ConfigFile = None) -> None:
    """Run the relay until SIGTERM or SIGINT; without a file it is set up by the environment alone."""
    settings = read_config(config)
    # Here and not at the top: the daemon's rooms take longer to load than the other commands take to run.
    from relayd.app import run  # noqa: PLC0415

    raise typer.Exit(run(settings, config))


def check_config(
    file: Annotated[Path | None, typer.Argument(help="The same as --config, and stronger.")] = None,
    config: ConfigFile = None,
) -> None:
    """Print every problem of a configuration on its own line, or a summary when there is none."""
    settings = read_config(file or config)
    keys = on_trial(settings)
    for sentence in keys.left_out if keys else ():
        typer.echo(f"auth.jwks: {sentence}; it is left out", err=True)
    if warning := ticket_warning(settings):
        typer.echo(warning, err=True)
    typer.echo(f"ok: {summary(settings)}")


def summary(config: Config) -> str:
    """Return what a relay with this configuration would do, in one line and without secrets."""
    server, admin = config.server, config.admin
    return ", ".join((
        f"viewers at {server.socket or f'{server.host}:{server.port}'}",
        f"operators at {admin.socket or f'{admin.host}:{admin.port}'}",
        f"events from {config.source.use}",
        f"journal {config.journal.path or 'none'}",
        f"tokens {tokens(config.auth)}",
        f"rights by {' '.join(config.auth.authorizers)}",
        f"transports {' '.join(config.transports.use)}",
        f"dialects {' '.join(config.dialects.use)}",
        f"places counted in {config.presence.use}",
    ))  # fmt: skip


def tokens(auth: Auth) -> str:
    """Return what they are checked with."""
    if auth.mode == "disabled":
        return "not needed"
    own = f"checked with {len(auth.keys)} key(s)"
    if auth.jwks.url:
        return f"{own} and those at {auth.jwks.url}"
    return f"{own} and a JWK set" if auth.jwks.given else own
