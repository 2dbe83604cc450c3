"""What is said beside the log to those who watch a project, encoded once for each way to watch it."""

from relayd.core.selection import passes
from relayd.core.timeline import Entry
from relayd.ports import Encoding
from relayd.relay.subscription import Subscription, Watched

__all__ = ["say_to_all"]


def say_to_all(
    project: Watched, payload: bytes, message: Entry | None = None, *, but: Subscription | None = None
) -> None:
    """
    Write a notice to those who read such, or a message to those whose selection lets it pass; not to `but`.

    It may be lost where a buffer is full: what matters also shows in another way.
    """
    frames: dict[Encoding, bytes] = {}
    for subscription in project.channel.everybody():
        encoding = subscription.follower.encoding
        wants = encoding.modern if message is None else passes(subscription.selection, message)
        # Without a cursor it has not had its first words yet, which say where it stands.
        if wants and subscription.passed.cursor and subscription is not but:
            if encoding not in frames:
                frames[encoding] = encoding.say(payload)
            subscription.push(frames[encoding])
