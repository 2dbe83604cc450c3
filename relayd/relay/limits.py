"""Every bound the relay keeps, as plain values; config says where they come from, docs/configuration.md why."""

from msgspec import Struct

from relayd.core.pacing import Pace

__all__ = ["Limits"]


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds; times in seconds."""

    connections_per_user: int = 5
    max_connections: int = 10_000
    admissions: Pace | None = None
    """Of anybody, on this relay; None: as many as the turnstile lets by."""
    max_subscriptions: int = 100
    inbound: Pace = Pace(rate=100, burst=100)
    """Frames a viewer may send."""
    outbound: Pace = Pace(rate=100, burst=10)
    """Live frames a viewer gets."""
    requests: Pace = Pace(rate=20, burst=40)
    """Handshakes, polls and requests of a user."""
    publishes: Pace = Pace(rate=1_000, burst=2_000)
    """Bodies that a worker posts."""
    failed_logins: Pace = Pace(rate=1, burst=60)
    """Tokens that don't open, from one address."""
    viewers_per_project: int = 10_000
    """On this relay; 0: no bound."""
    max_backlog: int = 10_000
    """Events a connected viewer may be behind before it jumps."""
    tail: int = 100
    max_tail: int = 1_000
    timeline_events: int = 10_000
    timeline_bytes: int = 256 * 1024 * 1024
    projects: int = 5_000
    heartbeat_seconds: float = 25
    stuck_seconds: float = 30
    grace_seconds: float = 10
    """How long a connection outlives its token."""
    recheck_seconds: float = 60
    """Within this time it is asked once whether a viewer may still see what it sees; 0: never."""
    stale_seconds: float = 300
    """How long a viewer stays while nobody can tell."""
    drain_seconds: float = 20
    peers: bool = False
    """Other relays of this log take the viewers that this one sends away."""
    away_seconds: float = 60
    """How long a viewer stays with a relay whose log is out of reach, where it has peers."""
    ahead_seconds: float = 5
    """How long a viewer may wait for a replica that lags behind its cursor."""
    commit_seconds: float = 0.25
    commit_bytes: int = 1024 * 1024
    journal_patience_seconds: float = 60
    """How long the journal may take for one piece of work before service goes on without it."""
    catch_up_bytes: int = 64 * 1024 * 1024
    """So much of what a journal missed is written at once; of more the newest."""
