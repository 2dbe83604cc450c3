"""Why somebody is not let in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from relayd.ports import AuthFailed, NoKeys
from relayd.protocol.disconnect import Disconnect

__all__ = ["BY_OPERATOR", "EVICTED", "NOT_VALID", "NotFound", "Refused", "judging"]

BY_OPERATOR = "ended by an operator; come back later"

EVICTED = {
    Disconnect.REPLACED: "a newer connection of the same session took the place",
    Disconnect.ENDED_BY_OPERATOR: BY_OPERATOR,
}
"""What a viewer is told whose place is taken; else it was its user's wish."""

NOT_VALID = "the token is missing, expired or not valid; log in again"
"""One sentence for all: which check failed is the operator's to know (metric label), not a stranger's."""


class Refused(Exception):
    """
    A viewer is not let in, or a subscription is not begun.

    `sentence` tells the viewer what to do, `reason` is a closed metric label, `data` goes into the HTTP body or a
    notice.  `retry_after_ms` is the ending's own, where it is not known better.
    """

    def __init__(
        self,
        disconnect: Disconnect,
        sentence: str,
        reason: str,
        *,
        data: dict[str, Any] | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        """Keep all of it."""
        super().__init__(sentence)
        self.disconnect = disconnect
        self.sentence = sentence
        self.reason = reason
        self.data = data or {}
        self.retry_after_ms = disconnect.retry_after_ms if retry_after_ms is None else retry_after_ms
        self.counted = False
        """The observer has been told."""
        self.held = False
        """Whoever is refused has waited for it."""

    @property
    def http_status(self) -> int:
        """The status over HTTP."""
        return self.disconnect.http_status

    @property
    def http_code(self) -> str:
        """The code in the body over HTTP."""
        return self.disconnect.http_code


class NotFound(Refused):  # it is no error of ours, but what a question is answered
    """There is no such thing; only asked over HTTP, so it has no row in the table of endings."""

    def __init__(self, sentence: str) -> None:
        """Keep the sentence."""
        super().__init__(Disconnect.BAD_REQUEST, sentence, "not_found")
        # Nobody was turned away, there was only nothing to be shown.
        self.counted = True

    @property
    def http_status(self) -> int:
        """404."""
        return 404

    @property
    def http_code(self) -> str:
        """The code in the body."""
        return "NOT_FOUND"


@contextmanager
def judging() -> Iterator[None]:
    """Turn what is wrong with a token or a ticket into Refused."""
    try:
        yield
    except NoKeys as error:
        # Not 401: whoever is sent to log in again comes back with a token that can't be judged either.
        sentence = "this relay can't check tokens at present; try again"
        raise Refused(Disconnect.OVERLOADED, sentence, error.reason) from error
    except AuthFailed as error:
        raise Refused(Disconnect.AUTH_FAILED, NOT_VALID, error.reason) from error
