"""`relayd doctor`: what is well, what is not, and how to mend it."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from relayd.cli.configuration import on_trial
from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.options import ConfigFile
from relayd.client.address import Address
from relayd.config import Config, ConfigError, load
from relayd.doctor.finding import Finding, Mark, bad
from relayd.doctor.round import Check, examine
from relayd.plugins import settings_of
from relayd.telemetry.redaction import escape

__all__ = ["doctor", "read", "show"]

STYLES = {Mark.OK: "green", Mark.WARN: "yellow", Mark.BAD: "bold red", Mark.SKIPPED: "dim"}


def doctor(
    *,
    config: ConfigFile = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Look from outside, too: where viewers come in.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="A viewer's token, for the look from outside.")
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", help="A project that the token opens; else the first that it names.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="PEM of authorities to trust beside the system's.")
    ] = None,
    idle: Annotated[
        float, typer.Option("--idle", min=0, max=3_600, help="Keep a socket idle so many seconds, and see it live.")
    ] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Look at a relay from inside (with its configuration), from outside (with --url), or both; change nothing."""
    token = None if token_file is None else read(token_file, "--token-file")
    findings, wrong = asyncio.run(look(config, url, Visit(token, project, ca_file, idle)))
    if json:
        typer.echo(msgspec.json.encode(findings))
    else:
        show(findings)
    if wrong:
        raise typer.Exit(Exit.CONFIG)
    if any(finding.mark is Mark.BAD for finding in findings):
        raise typer.Exit(Exit.UNWELL)


class Visit(msgspec.Struct, frozen=True):
    """How it is looked at from outside."""

    token: str | None
    project: str | None
    ca_file: Path | None
    idle: float


async def look(path: Path | None, url: str | None, visit: Visit) -> tuple[list[Finding], bool]:
    """Return what was found, and whether the configuration is wrong."""
    # Here and not at the top: the daemon's rooms take longer to load than the other commands take to run.
    from relayd.doctor.inside import inside  # noqa: PLC0415
    from relayd.doctor.outside import outside  # noqa: PLC0415

    checks: list[Check] = []
    mistakes: list[Finding] = []
    if path is not None or url is None:
        config, mistakes = configured(path)
        if config is not None:
            checks += await inside(config, path, os.environ)
    if url is not None:
        try:
            base = Address.parse(url).base
            checks += outside(
                base, token=visit.token, project=visit.project, ca_file=visit.ca_file, idle_seconds=visit.idle
            )
        except ValueError as error:
            raise CommandFailed(Exit.USAGE, str(error)) from error
    return mistakes + await examine(checks), bool(mistakes)


def configured(path: Path | None) -> tuple[Config | None, list[Finding]]:
    """Return the configuration, or a finding for each of its mistakes."""
    try:
        config = load(path, os.environ, settings_of)
        on_trial(config)
    except ConfigError as error:
        return None, [mistake(problem) for problem in error.problems]
    except CommandFailed as failed:
        return None, [mistake(str(failed))]
    return config, []


def mistake(problem: str) -> Finding:
    """Return a mistake as a finding: the part behind the last `; ` is its mend, if it has one."""
    found, _, mend = problem.rpartition("; ")
    return bad("configuration", found or problem, mend=mend if found else "correct it; docs/configuration.md lists all")


def show(findings: Sequence[Finding]) -> None:
    """Print a line for each, in colours on a terminal."""
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        mend = f" -> {escape(finding.mend)}" if finding.mend else ""
        line = Text(f"{finding.mark.value:<4}", STYLES[finding.mark])
        line.append(f"  {escape(finding.looked_at)}: ", "bold")
        line.append(escape(finding.found), "").append(mend, "cyan")
        console.print(line)


def read(path: Path, option: str) -> str:
    """Return the token in the file that an option names; raises CommandFailed."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(Exit.USAGE, f"{option} {path}: {error}") from error
