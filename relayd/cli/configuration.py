"""What commands need of the configuration file."""

import os
from pathlib import Path

from relayd.cli.exits import CommandFailed, Exit
from relayd.config import Config, ConfigError, load
from relayd.plugins import settings_of

__all__ = ["read_config"]


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
