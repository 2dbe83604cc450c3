"""The round from outside: as a viewer comes, through everything that stands before the relay."""

import secrets
from pathlib import Path

from relayd.client.address import checked
from relayd.doctor.door import certificate_of, names_of, versions_of
from relayd.doctor.round import SECONDS, Check
from relayd.doctor.visit import Visit, project_of, trusting
from relayd.doctor.walls import echo_of, head_of, inner_of, origin_of, stranger_of
from relayd.doctor.ways import poll_of, socket_of, stream_of

__all__ = ["outside"]

LONG = 3 * SECONDS
"""For those that ask several times."""


def outside(
    base: str, *, token: str | None, project: str | None, ca_file: Path | None, idle_seconds: float
) -> list[Check]:
    """Return the checks of a base address; three of them take a place of the token's user; raises ValueError."""
    visit = Visit(
        base=base,
        project=checked(project or project_of(token)),
        token=token,
        trusted=trusting(ca_file),
        nonce=secrets.token_hex(8),
    )
    return [
        Check("DNS", lambda: names_of(base)),
        Check("TLS", lambda: versions_of(base), seconds=LONG),
        Check("certificate", lambda: certificate_of(base, visit.trusted)),
        Check("answer", lambda: head_of(visit)),
        Check("WebSocket", lambda: socket_of(visit, idle_seconds), seconds=LONG + idle_seconds),
        Check("event stream", lambda: stream_of(visit), seconds=LONG),
        Check("long poll", lambda: poll_of(visit), seconds=LONG),
        Check("strangers", lambda: stranger_of(visit)),
        Check("foreign pages", lambda: origin_of(visit)),
        Check("inner paths", lambda: inner_of(visit), seconds=LONG),
        Check("token's echo", lambda: echo_of(visit), seconds=LONG),
    ]
