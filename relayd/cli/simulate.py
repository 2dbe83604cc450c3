"""
`relayd simulate`: a made-up swarm that publishes as real ones do, and keeps book of what was confirmed.

Bodies leave one after another, each once the one before is confirmed: a project's events stay in their order, also
when a body has to be sent again.
"""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any, TextIO

import msgspec
import typer

from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.options import AmqpUrl, OptionalRelayUrl, Token
from relayd.cli.outlet import Outlet, Parcel, open_outlet
from relayd.sources.swarm import Swarm

__all__ = ["simulate"]

MOST_AT_ONCE = 10_000
"""Events that a relay reads out of one body."""

CATCH_UP_SECONDS = 1.0
"""After a time without a confirm at most so much of the rate is made up for."""

ENCODER = msgspec.json.Encoder()

Event = dict[str, Any]
Beat = tuple[float, Event]


def simulate(  # noqa: PLR0913 - one for each option
    *,
    events: Annotated[int | None, typer.Option(min=1, help="Publish so many numbered events and end.")] = None,
    forever: Annotated[
        bool, typer.Option("--forever", help="Go on until interrupted; without --rate tell stories as slow as life.")
    ] = False,
    projects: Annotated[int, typer.Option(min=1, max=100_000, help="How many projects speak.")] = 3,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Events a second; else as fast as confirmed.")] = None,
    batch: Annotated[int, typer.Option(min=1, max=MOST_AT_ONCE, help="Events in one body.")] = 1,
    amqp: AmqpUrl = None,
    url: OptionalRelayUrl = None,
    token: Token = None,
    seed: Annotated[int, typer.Option(help="The same seed tells the same.")] = 1,
    journal: Annotated[
        Path | None, typer.Option(help="File for the confirmed events, a line {project_id, seq} for each.")
    ] = None,
) -> None:
    """Publish made-up events, and say how many were confirmed."""
    if (events is None) == (not forever):
        raise CommandFailed(Exit.USAGE, "say how long: --events N, or --forever")
    swarm = Swarm(seed, projects=projects)
    stories = forever and rate is None
    beats = swarm.events() if stories else load(swarm.burst(events or sys.maxsize, projects=projects), rate)
    with ExitStack() as stack:
        book = Book(stack.enter_context(opened(journal)) if journal else None)

        async def publish() -> None:
            async with open_outlet(amqp=amqp, url=url, token=token) as outlet:
                await tell(outlet, groups(beats, batch), book)

        try:
            asyncio.run(publish())
        finally:
            # Also after Ctrl-C and after a failure: what was confirmed stays so.
            if book.numbers:
                typer.echo(book.summary())


class Book:
    """What was published and confirmed."""

    def __init__(self, journal: TextIO | None) -> None:
        """Write confirmed events into the journal, if there is one."""
        self.journal = journal
        self.numbers: dict[str, int] = {}
        self.events = self.bodies = self.rejected = 0
        self.began = time.monotonic()

    def number(self, event: Event) -> Event:
        """Return the event with its number within its project as `key`, by which a checker finds it again."""
        project = event["project_id"]
        self.numbers[project] = seq = self.numbers.get(project, -1) + 1
        return {**event, "key": str(seq), "timestamp": time.time()}

    def confirmed(self, events: Sequence[Event], rejected: int) -> None:
        """Note the events of a confirmed body."""
        self.bodies += 1
        self.events += len(events)
        self.rejected += rejected
        if self.journal is not None:
            lines = [{"project_id": event["project_id"], "seq": int(event["key"])} for event in events]
            self.journal.write(ENCODER.encode_lines(lines).decode())
            self.journal.flush()

    def summary(self) -> str:
        """Return what was confirmed in one line."""
        seconds = time.monotonic() - self.began
        rejected = f", {self.rejected} rejected" if self.rejected else ""
        return (
            f"confirmed {self.events} events of {len(self.numbers)} projects in {self.bodies} bodies{rejected}, "
            f"{seconds:.1f} s, {self.events / max(seconds, 0.001):.0f} events/s"
        )


async def tell(outlet: Outlet, beats: Iterable[tuple[float, list[Event]]], book: Book) -> None:
    """Publish group after group, each at its time; raises CommandFailed."""
    run = token_hex(4)
    due = time.monotonic()
    for delay, group in beats:
        due = max(due + delay, time.monotonic() - CATCH_UP_SECONDS)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        events = [book.number(event) for event in group]
        first = events[0]
        parcel = Parcel(
            project_id=first["project_id"],
            type=first["type"],
            body=ENCODER.encode(events if len(events) > 1 else first),
            # Another run tells the same under other ids, or it would be taken for a repeat.
            message_id=f"simulate-{run}-{book.bodies}",
        )
        receipt = await outlet.send(parcel)
        book.confirmed(events, len(receipt.rejected))


def load(events: Iterable[Event], rate: float | None) -> Iterator[Beat]:
    """Yield `(seconds to wait, event)` at that many events a second, without waits for None."""
    delay = 1 / rate if rate else 0.0
    for event in events:
        yield delay, event


def groups(beats: Iterable[Beat], size: int) -> Iterator[tuple[float, list[Event]]]:
    """Yield `(seconds to wait, events)` of up to `size` events, the last group shorter."""
    waited = 0.0
    group: list[Event] = []
    for delay, event in beats:
        waited += delay
        group.append(event)
        if len(group) == size:
            yield waited, group
            waited, group = 0.0, []
    if group:
        yield waited, group


def opened(path: Path) -> TextIO:
    """Return the file, emptied; raises CommandFailed."""
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise CommandFailed(Exit.USAGE, f"--journal {path}: {error.strerror}") from error
