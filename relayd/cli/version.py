"""`relayd version`: what runs here."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

import typer

import relayd

__all__ = ["LIBRARIES", "version"]

LIBRARIES = ("aiohttp", "aio-pika", "aiosqlite", "msgspec", "PyJWT", "uvloop")
"""Those that behave differently from version to version in ways that show."""


def version() -> None:
    """Print the versions of relayd, Python and the libraries that matter in a report."""
    typer.echo(f"relayd {relayd.__version__}")
    typer.echo(
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    for library in LIBRARIES:
        try:
            typer.echo(f"{library} {version_of(library)}")
        except PackageNotFoundError:
            typer.echo(f"{library} is not installed")
