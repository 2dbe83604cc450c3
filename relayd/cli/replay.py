"""`relayd replay`: play a project, or a recording of one, once more as another project (docs/recorder.md)."""

import asyncio
import math
import re
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from typing import Annotated

import typer
from msgspec import Struct

from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.export import record, remarks
from relayd.cli.options import AmqpUrl, OptionalRelayUrl, Token
from relayd.cli.outlet import open_outlet
from relayd.cli.recorded import Sender, looked_through
from relayd.client.address import checked
from relayd.core.playback import Begins, Playback, another_name, beginning, moved, speed_of
from relayd.files.recording import events_of

__all__ = ["replay"]

PAUSE = re.compile(r"(\d+(?:\.\d+)?)s?")


class Plan(Struct, frozen=True, kw_only=True):
    """What is played, and how."""

    path: Path
    project_id: str
    speed: float
    max_pause: float
    begins: Begins | None


def replay(
    what: Annotated[
        str, typer.Argument(metavar="PROJECT|FILE", help="Project of --url, or a recording: a path, or *.ndjson[.gz].")
    ],
    *,
    speed: Annotated[str, typer.Option(help="How much faster than recorded, like 8x; max: without a pause.")] = "1x",
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            show_default=False,
            help="Begin behind a cursor, at a time (ISO 8601), at 40%.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", show_default=False, help="Project to play it as.")
    ] = None,
    max_pause: Annotated[str, typer.Option(metavar="SECONDS", help="Longest pause, as it is played.")] = "5s",
    amqp: AmqpUrl = None,
    url: OptionalRelayUrl = None,
    token: Token = None,
) -> None:
    """Play a project's events again, with the times of now, as another project."""
    from_file = is_file(what)
    with ExitStack() as stack:
        path = Path(what)
        if not from_file:
            if url is None:
                raise CommandFailed(Exit.USAGE, "--url: say which relay has the project")
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relayd-replay-"))) / "recording.ndjson"
            with path.open("wb") as file:
                for sentence in remarks(record(url, token, what, file)):
                    typer.echo(f"relayd: {sentence}", err=True)
        plan = planned(path, speed=speed, start=start, name=name, max_pause=max_pause)
        # The relay that has the project may be another one's viewer: then --amqp says where to publish.
        by_http = None if amqp is not None and not from_file else url
        perform(plan, amqp=amqp, url=by_http, token=token)


def is_file(what: str) -> bool:
    """Return whether a recording is meant; nothing else has such a name by chance."""
    return "/" in what or what.endswith((".ndjson", ".ndjson.gz"))


def planned(path: Path, *, speed: str, start: str | None, name: str | None, max_pause: str) -> Plan:
    """Return what the options say; raises CommandFailed."""
    found = looked_through(path)
    pause = PAUSE.fullmatch(max_pause)
    if pause is None:
        raise CommandFailed(Exit.USAGE, f"--max-pause: {max_pause!r} is no time; write seconds, like 5s")
    try:
        return Plan(
            path=path,
            project_id=checked(another_name(found.head.project_id, time.time()) if name is None else name),
            speed=speed_of(speed),
            max_pause=float(pause[1]),
            begins=None if start is None else beginning(start, first=found.first, last=found.last),
        )
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from error


def perform(plan: Plan, *, amqp: str | None, url: str | None, token: str | None) -> None:
    """Play it to its end, or say where to go on; raises CommandFailed, KeyboardInterrupt."""
    senders: list[Sender] = []

    async def publish() -> None:
        async with open_outlet(amqp=amqp, url=url, token=token) as outlet:
            senders.append(Sender(outlet))
            await play(plan, senders[0])

    began = time.monotonic()
    try:
        asyncio.run(publish())
    except (KeyboardInterrupt, CommandFailed):
        for sender in senders:
            typer.echo(f"relayd: {where_to_go_on(plan, sender)}", err=True)
        raise
    (sender,) = senders
    if not sender.confirmed:
        raise CommandFailed(Exit.DATA, "--from: nothing of the recording comes behind that place")
    typer.echo(f"{plan.project_id}: {sender.confirmed} events played in {time.monotonic() - began:.1f} s")
    sender.judge()


def where_to_go_on(plan: Plan, sender: Sender) -> str:
    """Return how the rest is played."""
    played = f"stopped behind {sender.confirmed} events"
    if sender.unsure:
        played += f" and {sender.unsure} that may have arrived"
    if not sender.cursor:
        return f"{played}; nothing was played that is known"
    return f"{played}; go on with --from {sender.cursor} --as {plan.project_id}"


async def play(plan: Plan, sender: Sender) -> None:
    """Publish each event when its turn comes; raises CommandFailed."""
    typer.echo(f"playing as {plan.project_id}", err=True)
    playback = Playback(speed=plan.speed, max_pause=plan.max_pause)
    # Each run's own: with the ids of another one its events would be taken for repeats.
    run = token_hex(6)
    began, began_at = time.monotonic(), time.time()
    begun = plan.begins is None
    for number, event in enumerate(events_of(plan.path)):
        begun = begun or (plan.begins is not None and plan.begins(event))
        if not begun:
            continue
        due = playback.due(event.timestamp)
        if began + due > time.monotonic():
            await sender.flush()
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        # Without pauses there is no recorded pace left to tell.
        timestamp = time.time() if plan.speed == math.inf else began_at + due
        played = moved(event, plan.project_id, f"replay-{run}-{number}", timestamp=timestamp)
        await sender.add(played, cursor=event.id or "")
    await sender.flush()
