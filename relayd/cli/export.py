"""`relayd export`: a project's kept events as a recording (docs/recorder.md)."""

import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from relayd import __version__
from relayd.cli.exits import CommandFailed, Exit, of_refusal, unreachable
from relayd.cli.options import RelayUrl, Token
from relayd.client.export import export as pages_of
from relayd.client.http import Refused, Unreachable
from relayd.files.recording import Sink, writing
from relayd.protocol.codec import BadMessageError, decode_event
from relayd.protocol.recording import VERSION, End, Head, write_line

__all__ = ["export", "record", "remarks"]


def export(
    project: Annotated[str, typer.Argument(help="Project to export.")],
    *,
    url: RelayUrl = "http://127.0.0.1:8000",
    token: Token = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write, compressed if it ends in .gz.")
    ] = None,
) -> None:
    """Write a project's kept events as a recording, to stdout unless a file is given."""
    if out is None:
        try:
            end = record(url, token, project, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            # Whoever read has gone (`| head`).  Python would complain once more when it flushes at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(Exit.BROKEN_PIPE) from error
    else:
        try:
            with writing(out) as file:
                end = record(url, token, project, file)
        except OSError as error:
            raise CommandFailed(Exit.USAGE, f"--out {out}: {error.strerror or error}") from error
        typer.echo(f"relayd: {end.events} events of {project} are in {out}", err=True)
    for sentence in remarks(end):
        typer.echo(f"relayd: {sentence}", err=True)


def remarks(end: End) -> list[str]:
    """Return what whoever reads a recording should know of it."""
    said = [f"events are missing before {cursor}: they are not kept any more" for cursor in end.gaps]
    if not end.whole and not end.gaps:
        said.append("events are missing, and none came behind them")
    if end.redacted:
        said.append(f"in {end.redacted} events a secret was hidden that no rule had found when they came in")
    return said


def record(url: str, token: str | None, project_id: str, file: Sink) -> End:
    """Write a project's recording and return its last line; raises CommandFailed, OSError."""
    try:
        return asyncio.run(write(url, token, project_id, file))
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from error
    except Refused as refused:
        raise of_refusal(refused) from refused
    except Unreachable as error:
        raise unreachable(error) from error


def place_of(raw: bytes) -> str:
    """Return the cursor of an event; raises Unreachable for what is none."""
    try:
        return decode_event(raw).id or ""
    except BadMessageError as error:
        raise Unreachable(f"what answers there is no relay of this version: {error}") from error


async def write(url: str, token: str | None, project_id: str, file: Sink) -> End:
    """Write page after page; raises ValueError, Refused, Unreachable, OSError."""
    head: Head | None = None
    end = End(events=0, whole=True)
    async with aclosing(pages_of(url, token, project_id)) as pages:
        async for page in pages:
            if head is None:
                head = Head(version=VERSION, relayd=__version__, protocol=page.protocol, project_id=page.project_id)
                file.write(write_line(head))
            if not page.whole:
                end.whole = False
                end.gaps += [place_of(bytes(raw)) for raw in page.events[:1]]
            for raw in page.events:
                file.write(bytes(raw) + b"\n")
            end.events += len(page.events)
            end.redacted += page.redacted
            end.snapshot = page.snapshot
    file.write(write_line(end))
    return end
