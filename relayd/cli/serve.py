"""`relayd serve` and `relayd check-config`."""

from pathlib import Path
from typing import Annotated

import typer

from relayd.cli.configuration import read_config
from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.options import ConfigFile
from relayd.config import Config
from relayd.config.checks import ticket_warning
from relayd.config.settings import Auth
from relayd.identity.jwks import KeySet
from relayd.identity.keys import BadKey, FixedKeys, KeyRing
from relayd.plugins import PluginError

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
    keys = written_keys(settings)
    make_authorizers(settings)
    for sentence in keys.left_out if keys else ():
        typer.echo(f"auth.jwks: {sentence}; it is left out", err=True)
    if warning := ticket_warning(settings):
        typer.echo(warning, err=True)
    typer.echo(f"ok: {summary(settings)}")


def written_keys(config: Config) -> KeySet | None:
    """Read the keys as the relay would, asking nobody, and return the JWK set among them; raises CommandFailed."""
    # As in `serve`.
    from relayd.app.settings import publication_of, verifier_of, written_keys_of  # noqa: PLC0415

    try:
        publication_of(config)
        verifier_of(config, FixedKeys(KeyRing()))
        return written_keys_of(config)
    except BadKey as error:
        raise CommandFailed(Exit.CONFIG, str(error)) from error


def make_authorizers(config: Config) -> None:
    """Make them as the relay would, to find out what only they look at; raises CommandFailed."""
    # As in `serve`.
    from relayd.app.settings import authorizers_of  # noqa: PLC0415

    try:
        authorizers_of(config)
    except PluginError as error:
        raise CommandFailed(Exit.CONFIG, str(error)) from error


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
