"""
How a command ends: one table of exit statuses (sysexits.h), and what leads to each.

Law: a command that fails raises `CommandFailed` with one sentence that says what to do; only `main` prints it.
"""

from enum import IntEnum

from relayd.client.ending import WatchEnded
from relayd.client.http import Refused, Unreachable
from relayd.protocol.disconnect import Disconnect

__all__ = ["CommandFailed", "Exit", "of_refusal", "of_watch", "unreachable"]


class Exit(IntEnum):
    """The exit statuses; those from 64 on are of sysexits.h, those over 128 say which signal would have ended it."""

    OK = 0
    UNWELL = 1
    USAGE = 64
    DATA = 65
    UNAVAILABLE = 69
    SOFTWARE = 70
    TEMPORARY = 75
    NO_PERMISSION = 77
    CONFIG = 78
    INTERRUPTED = 130
    BROKEN_PIPE = 141


OF_ENDING = {
    Disconnect.BAD_REQUEST: Exit.DATA,
    Disconnect.PROTOCOL_ERROR: Exit.DATA,
    Disconnect.INVALID_DATA: Exit.DATA,
    Disconnect.MESSAGE_TOO_BIG: Exit.DATA,
    Disconnect.AUTH_FAILED: Exit.NO_PERMISSION,
    Disconnect.FORBIDDEN: Exit.NO_PERMISSION,
    Disconnect.TOKEN_EXPIRED: Exit.NO_PERMISSION,
    Disconnect.REPLACED: Exit.TEMPORARY,
}

OF_STATUS = {401: Exit.NO_PERMISSION, 403: Exit.NO_PERMISSION, 408: Exit.TEMPORARY, 429: Exit.TEMPORARY}
SERVER_ERRORS = 500


class CommandFailed(Exception):
    """The command ends with this status; the message is one sentence for a person."""

    def __init__(self, status: Exit, sentence: str) -> None:
        """Keep the status."""
        super().__init__(sentence)
        self.status = status


def of_watch(ended: WatchEnded) -> CommandFailed:
    """Return how a command ends whose watching ended."""
    return CommandFailed(OF_ENDING.get(ended.disconnect, Exit.UNAVAILABLE), str(ended))


def of_refusal(refused: Refused) -> CommandFailed:
    """Return how a command ends that the relay said no to."""
    status = OF_STATUS.get(refused.status, Exit.TEMPORARY if refused.status >= SERVER_ERRORS else Exit.DATA)
    wait = f"; try again in {refused.retry_after:.0f} s" if refused.retry_after else ""
    code = f" ({refused.code})" if refused.code else ""
    return CommandFailed(status, f"{refused}{code}{wait}")


def unreachable(error: Unreachable) -> CommandFailed:
    """Return how a command ends that found nobody."""
    return CommandFailed(Exit.UNAVAILABLE, f"{error}; is relayd running there?")
