"""`relayd conformance`: whether whoever answers keeps the wire contract."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from relayd.cli.doctor import read, show
from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.options import RelayUrl, Token
from relayd.client.address import Address
from relayd.conformance.round import Tokens, conforms, scene_of
from relayd.conformance.scene import Scene
from relayd.doctor.finding import Finding, Mark

__all__ = ["conformance"]


def conformance(  # noqa: PLR0913  # one for each option
    *,
    url: RelayUrl,
    token: Token = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="A viewer's token, in place of --token.")
    ] = None,
    other_token_file: Annotated[
        Path | None,
        typer.Option("--other-token-file", metavar="FILE", help="The token of one who may not see the project."),
    ] = None,
    worker_token_file: Annotated[
        Path | None,
        typer.Option("--worker-token-file", metavar="FILE", help="A worker's token: a small project is published."),
    ] = None,
    project: Annotated[
        str | None,
        typer.Option("--project", help="Read this project; a worker's token publishes into it, else into a new one."),
    ] = None,
    publish_url: Annotated[
        str | None, typer.Option("--publish-url", metavar="URL", help="Where workers publish, if not at --url.")
    ] = None,
    origin: Annotated[
        str | None, typer.Option("--origin", metavar="ORIGIN", help="Ask as a page of this origin, too.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="PEM of authorities to trust beside the system's.")
    ] = None,
    idle: Annotated[
        float, typer.Option("--idle", min=0, max=3_600, help="Wait so many seconds for a heartbeat of the stream.")
    ] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Hold a relay, or what stands before it, to docs/protocol.md: from outside, one line for each promise."""
    viewer, other, worker = (
        None if file is None else read(file, option)
        for file, option in (
            (token_file, "--token-file"),
            (other_token_file, "--other-token-file"),
            (worker_token_file, "--worker-token-file"),
        )
    )
    try:
        scene = scene_of(
            Address.parse(url).base,
            Tokens(viewer or token, other, worker),
            project=project,
            publish_url=None if publish_url is None else Address.parse(publish_url).base,
            origin=origin,
            ca_file=ca_file,
            idle_seconds=idle,
        )
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from error
    findings = asyncio.run(hold(scene, shows=not json))
    if json:
        typer.echo(msgspec.json.encode(findings))
    if any(finding.mark is Mark.BAD for finding in findings):
        raise typer.Exit(Exit.UNWELL)


async def hold(scene: Scene, *, shows: bool) -> list[Finding]:
    """Return what was found; with `shows` each line is printed as soon as it is known."""
    findings = []
    async for finding in conforms(scene):
        findings.append(finding)
        if shows:
            show([finding])
    return findings
