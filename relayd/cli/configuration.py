"""What commands need of the configuration file."""

import os
from pathlib import Path

from relayd.cli.exits import CommandFailed, Exit
from relayd.config import Config, ConfigError, load
from relayd.identity.jwks import KeySet
from relayd.identity.keys import BadKey, FixedKeys, KeyRing
from relayd.plugins import PluginError, settings_of

__all__ = ["on_trial", "read_config"]


def read_config(path: Path | None) -> Config:
    """Return the checked configuration; raises CommandFailed with a line for each problem."""
    try:
        return load(path, os.environ, settings_of)
    except ConfigError as error:
        raise CommandFailed(Exit.CONFIG, "\n".join(problems(error))) from error
    except OSError as error:
        raise CommandFailed(Exit.CONFIG, f"{path} can't be read: {error.strerror}") from error


def problems(error: ConfigError) -> list[str]:
    """Return one line for each problem."""
    return [str(problem) for problem in error.problems]


def on_trial(config: Config) -> KeySet | None:
    """
    Make what only the relay looks at closely, asking nobody, and return the JWK set that is written down.

    Raises CommandFailed with the first thing that can't be made.
    """
    # Here and not at the top: the daemon's rooms take longer to load than the other commands take to run.
    from relayd.app.clock import SystemClock  # noqa: PLC0415
    from relayd.app.settings import (  # noqa: PLC0415
        authorizers_of,
        publication_of,
        source_of,
        verifier_of,
        written_keys_of,
    )

    try:
        publication_of(config)
        verifier_of(config, FixedKeys(KeyRing()))
        authorizers_of(config)
        source_of(config, SystemClock())
        return written_keys_of(config)
    except (BadKey, PluginError) as error:
        raise CommandFailed(Exit.CONFIG, str(error)) from error
