"""A relay's configuration and addresses as tests need them: free ports, a key that tests sign with, short paths."""

import json
import ssl
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from relayd.core.access import Viewer
from relayd.identity.jwt import Key, issue
from relayd.protocol.endpoints import PREFIX

__all__ = ["SECRET", "Addresses", "Event", "Tables", "merged", "rendered", "signed", "write_settings"]

SECRET = "a-secret-of-32-bytes-for-the-tests!"

Tables = Mapping[str, Mapping[str, Any]]
"""`{"limits": {"tail": 5}, "sources.rabbitmq": {...}}`: a table of the configuration file and its settings."""

Event = dict[str, Any]


def signed(
    user: str = "ada",
    *,
    projects: Iterable[str] = ("*",),
    worker: bool = False,
    ttl: float = 600,
    secret: str = SECRET,
    teams: Iterable[str] = (),
    roles: Iterable[str] = (),
) -> str:
    """Return a token that is good for `ttl` seconds from now; it may be negative."""
    now = time.time()
    viewer = Viewer(
        user=user,
        expires_at=now + ttl,
        projects=frozenset(projects),
        teams=frozenset(teams),
        roles=frozenset(roles),
        worker=worker,
    )
    return issue(Key(algorithm="HS256", material=secret), viewer, now=now)


def merged(*several: Tables) -> dict[str, dict[str, Any]]:
    """Return all tables; of a setting given twice the last one counts."""
    whole: dict[str, dict[str, Any]] = {}
    for tables in several:
        for name, settings in tables.items():
            whole[name] = {**whole.get(name, {}), **settings}
    return whole


def rendered(tables: Tables) -> str:
    """Return them as TOML."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {literal(value)}\n" for key, value in settings.items())
        for name, settings in tables.items()
    )


def literal(value: object) -> str:
    """Return a value as TOML spells it; JSON's strings, numbers and booleans are TOML's, too."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)


def write_settings(folder: Path, *tables: Tables) -> Path:
    """Write relayd.toml: an embedded log in that folder and the tests' key, unless the tables say otherwise."""
    settings = merged(
        {
            "auth": {"keys": [{"algorithm": "HS256", "key": SECRET}]},
            "journal": {"path": folder / "relayd.db"},
            "server": {"drain_seconds": 0.2},
            # One user asks here for what many do in the world, and most tests come from one address.
            "limits": {"requests_per_second": 10_000, "request_burst": 10_000, "failed_logins_per_minute": 10_000},
        },
        *tables,
    )
    path = folder / "relayd.toml"
    path.write_text(rendered(settings), encoding="utf-8")
    path.chmod(0o600)
    return path


class Addresses:
    """Where a relay answers."""

    url: str
    """`http://127.0.0.1:<port>`"""
    tls: ssl.SSLContext | None = None
    """Whom a viewer trusts, where the way in is encrypted."""
    comes_from: str | None = None
    """The address of this machine that its viewers come from, where it matters."""

    def base(self) -> str:
        """Return the address that the next request goes to."""
        return self.url

    def api(self, what: str = "", **query: object) -> str:
        """Return an address below the public prefix."""
        return f"{self.base()}{PREFIX}{what}{asked(query)}"

    def project(self, project_id: str, what: str = "", **query: object) -> str:
        """Return the address of a project, or of what belongs to it: `/events`, `/stream`, `/logs`."""
        return self.api(f"/projects/{quote(project_id, safe='')}{what}", **query)

    def socket(self, project_id: str | None, **query: object) -> str:
        """Return the address of a project's WebSocket, or of the one for many."""
        path = "/ws/admin/agent-swarm" + ("" if project_id is None else f"/{quote(project_id, safe='')}")
        return f"{self.base().replace('http', 'ws', 1)}{path}{asked(query)}"

    @property
    def ingest(self) -> str:
        """Where workers post events."""
        return f"{self.url}/v1/internal/events"

    def token(self, user: str = "ada", **more: Any) -> str:  # noqa: ANN401  # what `signed` takes
        """Return a token that this relay takes."""
        return signed(user, **more)


def asked(query: Mapping[str, object]) -> str:
    """Return the query of an address; None leaves a parameter out."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
