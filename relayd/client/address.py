"""Where a relay is: one base address, checked once, from which every path follows."""

import re
from urllib.parse import urlsplit

from msgspec import Struct

from relayd.protocol.endpoints import INGEST, PROJECT, WEBSOCKET
from relayd.protocol.messages import PROJECT_ID

__all__ = ["Address", "checked"]

SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Address(Struct, frozen=True):
    """The base address of a relay, without a slash at its end."""

    base: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Return the address; raises ValueError with a sentence."""
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - a port that is no number raises only when it is read
        except ValueError as error:
            raise ValueError(f"{url!r} is no address: {error}") from error
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a relay; write it like http://127.0.0.1:8000")
        if parts.query or parts.fragment or parts.username:
            raise ValueError(f"{url!r} holds more than an address; leave out users, `?` and `#`")
        return cls(f"{SCHEMES[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}")

    def socket(self, project_id: str) -> str:
        """Return where one project's WebSocket is."""
        return self.base + WEBSOCKET.format(project_id=checked(project_id))

    def events(self, project_id: str) -> str:
        """Return where one project's long poll is."""
        return self.base + PROJECT.format(project_id=checked(project_id)) + "/events"

    def export(self, project_id: str) -> str:
        """Return where one project's kept events are."""
        return self.base + PROJECT.format(project_id=checked(project_id)) + "/export"

    def ingest(self) -> str:
        """Return where events are posted to."""
        return self.base + INGEST


def checked(project_id: str) -> str:
    """Return the id; raises ValueError with a sentence, so that no stranger's text becomes a path."""
    if re.match(PROJECT_ID, project_id) is None:
        raise ValueError(f"{project_id!r} is no project id: use letters, digits and . _ ~ -, at most 128 of them")
    return project_id
