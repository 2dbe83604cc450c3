"""
The command line.

Law: a command ends with an exit status of `exits.Exit` and, if it failed, one sentence on stderr; this module holds
the net that makes it so.  A traceback is for whoever mends relayd: it goes to a file whose name the sentence tells.
"""

import logging
import sys
import tempfile
import traceback
from collections.abc import Sequence
from secrets import token_hex

import typer

from relayd.cli import admin, rabbitmq, rejected
from relayd.cli.conformance import conformance
from relayd.cli.doctor import doctor
from relayd.cli.emit import emit
from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.export import export
from relayd.cli.importing import import_recording
from relayd.cli.inspect import inspect
from relayd.cli.map import map_body
from relayd.cli.purge import purge
from relayd.cli.replay import replay
from relayd.cli.serve import check_config, serve
from relayd.cli.simulate import simulate
from relayd.cli.tail import tail
from relayd.cli.token import token
from relayd.cli.top import top
from relayd.cli.version import version
from relayd.telemetry.redaction import redact

__all__ = ["app", "main"]

SILENT = logging.NullHandler()

app = typer.Typer(
    name="relayd",
    help="Watch swarms of AI agents work, live.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command("check-config")(check_config)
app.command()(conformance)
app.command()(doctor)
app.command()(emit)
app.command()(export)
app.command("import")(import_recording)
app.command()(inspect)
app.command("map")(map_body)
app.command()(purge)
app.command()(replay)
app.command()(simulate)
app.command()(tail)
app.command()(token)
app.command()(top)
app.command()(version)
app.add_typer(admin.app, name="admin")
app.add_typer(rabbitmq.app, name="rabbitmq")
app.add_typer(rejected.app, name="rejected")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; `arguments` are those of the process unless given."""
    # Without a handler Python prints what libraries warn of in the middle of our sentences; `serve` sets up its own.
    logging.getLogger().addHandler(SILENT)
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        status = app(args=given or ["--help"], prog_name="relayd", standalone_mode=False)
    except CommandFailed as failed:
        return complain(str(failed), failed.status)
    except typer.TyperException as error:
        return complain(usage(error), Exit.USAGE)
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost net: a person gets a sentence, whatever broke
        return complain(incident(error), Exit.SOFTWARE)
    return status if isinstance(status, int) else Exit.OK


def complain(sentences: str, status: Exit) -> int:
    """Print each sentence on its own line on stderr and return the status."""
    for sentence in sentences.splitlines():
        typer.echo(f"relayd: {sentence}", err=True)
    return status


def usage(error: typer.TyperException) -> str:
    """Return what is wrong with the arguments, nothing when the help was printed in its place."""
    wrong = error.format_message().strip().rstrip(".")
    return f"{wrong}; see `relayd --help`" if wrong else ""


def incident(error: Exception) -> str:
    """Keep the traceback, without secrets, in a file and return a sentence that names it."""
    number = token_hex(4)
    name = type(error).__name__
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix=f"relayd-{number}-", suffix=".log", delete=False
        ) as file:
            file.write(redact("".join(traceback.format_exception(error))))
    except OSError:
        return f"relayd broke ({name}, incident {number}) and the traceback could not be kept; please report it"
    return f"relayd broke ({name}, incident {number}); please report it with {file.name}"
