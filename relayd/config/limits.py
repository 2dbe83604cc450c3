"""
What one user, address, project and connection may take: the table `[limits]`.

docs/operate.md lists every limit, these and others, with what a viewer is told that meets it.
"""

from pydantic import Field

from relayd.config.table import Table

__all__ = ["Limits"]


class Limits(Table):
    """What one user, one address, one project and one connection may take."""

    connections_per_user: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description="Concurrent connections of one user over all transports; the next is refused with 4429.",
    )
    frames_per_second: float = Field(
        default=100,
        gt=0,
        le=10_000,
        description="Frames a viewer may send each second, pings included; beyond it ends with 4430.",
    )
    frame_burst: int = Field(
        default=100, ge=1, le=100_000, description="Frames a viewer may send at once after a quiet time."
    )
    pace_per_second: float = Field(
        default=100,
        gt=0,
        le=1_000,
        description="Live frames sent to one viewer each second; what comes faster travels together.",
    )
    pace_burst: int = Field(
        default=10, ge=1, le=1_000, description="Live frames that may leave at once after a quiet time."
    )
    requests_per_second: float = Field(
        default=20,
        gt=0,
        le=100_000,
        description="Handshakes, polls and HTTP requests of one user each second; the next is refused with 429. A page "
        "asks a few times as it opens and then seldom, and polls are told how far apart to come.",
    )
    request_burst: int = Field(
        default=40,
        ge=1,
        le=1_000_000,
        description="Requests of one user at once after a quiet time; never fewer than `connections_per_user`.",
    )
    publishes_per_second: float = Field(
        default=1_000,
        gt=0,
        le=1_000_000,
        description="Bodies that the workers of one user may post each second; the next is refused with 429. A body "
        "may hold many events.",
    )
    publish_burst: int = Field(
        default=2_000, ge=1, le=10_000_000, description="Bodies of one user at once after a quiet time."
    )
    failed_logins_per_minute: int = Field(
        default=60,
        ge=1,
        le=1_000_000,
        description="Tokens that don't open, from one address (IPv6: one /64) each minute, and as many at once; the "
        "next is answered 429, late, instead of 401. Good tokens from there are let in all the same.",
    )
    viewers_per_project: int = Field(
        default=10_000,
        ge=0,
        le=1_000_000,
        description="Viewers of one project on this process; those beyond are told to retry. 0: no bound.",
    )
    max_subscriptions: int = Field(default=100, ge=1, le=10_000, description="Projects on one multi-project socket.")
    max_backlog: int = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="Events a viewer may be behind before it is told of a gap and set near the head, so that a slow "
        "reader does not read the past for ever.",
    )
    tail: int = Field(
        default=100, ge=0, le=100_000, description="Events of history for a viewer that comes without a cursor."
    )
    max_tail: int = Field(
        default=1_000, ge=0, le=100_000, description="Most events of history that a viewer may ask for."
    )
