"""Words of the tests that listen: an impatient watcher, and what it heard."""

from contextlib import aclosing

from relayd.client.backoff import Backoff
from relayd.client.frames import Heard
from relayd.client.watch import Watcher
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.messages import WorkflowLog
from tests.client.small_relay import SmallRelay

SOON = Backoff(floor=0.01, cap=0.02)


def watcher(
    relay: SmallRelay, *, after: str | None = None, tail: int | None = None, selection: Selection = EVERYTHING
) -> Watcher:
    """Return an impatient watcher of the small relay."""
    return Watcher(relay.url, "token", "p", after=after, tail=tail, selection=selection, backoff=SOON)


async def hear(watching: Watcher, count: int) -> list[Heard]:
    """Return the first messages heard."""
    heard: list[Heard] = []
    async with aclosing(watching.received()) as received:
        async for each in received:
            heard.append(each.message)
            if len(heard) == count:
                break
    return heard


def lines(heard: list[Heard]) -> list[str]:
    """Return the texts of the log lines."""
    return [message.message for message in heard if isinstance(message, WorkflowLog)]
