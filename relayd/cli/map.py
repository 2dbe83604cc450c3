"""`relayd map`: what a body becomes, and why not."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from relayd.app.settings import detector_of
from relayd.cli.configuration import read_config
from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.options import RequiredConfigFile
from relayd.dialects.delivery import Delivery, JsonValue
from relayd.plugins import PluginError
from relayd.protocol import codec
from relayd.telemetry.redaction import escape

__all__ = ["map_body"]


def map_body(
    body: Annotated[Path, typer.Argument(metavar="FILE", help="A body as it would be published; - is stdin.")],
    *,
    config: RequiredConfigFile,
    headers: Annotated[
        list[str] | None, typer.Option("--header", metavar="NAME=VALUE", help="A header of it; repeatable.")
    ] = None,
    exchange: Annotated[str | None, typer.Option(help="The exchange that it comes over.")] = None,
    content_type: Annotated[str | None, typer.Option(help="Its content type.")] = None,
) -> None:
    """Print the messages that a body becomes, one a line; on stderr what can't be understood, and the mend."""
    try:
        detector = detector_of(read_config(config))
    except PluginError as error:
        raise CommandFailed(Exit.CONFIG, str(error)) from error
    try:
        raw = sys.stdin.buffer.read() if str(body) == "-" else body.read_bytes()
    except OSError as error:
        raise CommandFailed(Exit.USAGE, f"{body}: {error.strerror}; give a file that can be read") from error
    delivery = Delivery(
        offset=0,
        body=raw,
        received_at=time.time(),
        headers=dict(map(pair, headers or [])),
        exchange=exchange,
        content_type=content_type,
    )
    items = detector.feed(delivery)
    for number, item in enumerate(items):
        for message in item.messages:
            typer.echo(codec.encode(message))
        if item.reason is not None:
            typer.echo(f"event {number}: {item.reason.value}: {escape(item.detail)}", err=True)
        elif not item.messages:
            typer.echo(f"event {number}: says nothing to viewers", err=True)
    if not items:
        typer.echo("no event: a canary says nothing to viewers", err=True)
    if items and all(item.reason is not None for item in items):
        raise CommandFailed(Exit.DATA, "nothing of it could be understood")


def pair(text: str) -> tuple[str, JsonValue]:
    """Return name and value; raises CommandFailed."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise CommandFailed(Exit.USAGE, f"--header {text!r}: write NAME=VALUE")
    return name, value
