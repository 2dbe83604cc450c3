"""
The tables of the configuration file: every setting with its default, its bounds and its reason.

docs/configuration.md and config/relayd.toml are made from these descriptions; they are written for operators.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, Field

from relayd.config.choices import Dialects, Presence, Source, Transports
from relayd.config.keys import Jwks, Key, Tickets
from relayd.config.limits import Limits
from relayd.config.liveness import Liveness
from relayd.config.redaction import Redaction
from relayd.config.table import Table
from relayd.config.usage import Usage
from relayd.config.values import Names, Network, Origin, Port, SocketPath

__all__ = [
    "Admin",
    "Auth",
    "Config",
    "Journal",
    "Memory",
    "Server",
    "Telemetry",
]


class Server(Table):
    """The listener for viewers and workers; a reverse proxy with TLS stands in front of it."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on. Loopback, because a proxy in front is what stops slow and broken requests.",
    )
    port: Port = Field(default=8000, description="TCP port; 0 lets the system choose a free one.")
    socket: SocketPath = Field(default="", description="Path of a unix socket to listen on instead of host and port.")
    origins: tuple[Origin, ...] = Field(
        default=(),
        description="Origins whose pages may connect, compared exactly. Empty: only pages of the same host, so that "
        "a stranger's page can't use a visitor's access.",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=("127.0.0.1", "::1"),
        description="Addresses or networks whose X-Forwarded-For is believed; anybody else could forge it. Whoever "
        "reaches a unix socket is believed without.",
    )
    drain_seconds: float = Field(
        default=20,
        ge=0,
        le=300,
        description="Seconds over which connections are ended at shutdown, so that not all viewers come back at once. "
        "Keep it below the stop timeout of the service manager.",
    )
    peers: bool = Field(
        default=False,
        description="Other relays of the same log stand behind the same proxy. Whoever is sent away then comes back in "
        "a moment, to one of them, instead of waiting until this one has restarted.",
    )
    away_seconds: float = Field(
        default=60,
        ge=1,
        le=86_400,
        description="Seconds that a viewer stays with a relay whose log is out of reach, at least; then it is sent to "
        "the peers. Without peers it stays.",
    )
    heartbeat_seconds: float = Field(
        default=25,
        ge=1,
        le=300,
        description="Seconds between signs of life to an idle viewer. Keep it at a third of the proxy's read timeout.",
    )
    stuck_seconds: float = Field(
        default=30,
        ge=1,
        le=600,
        description="Seconds after which a socket that takes no byte while data waits is ended.",
    )
    max_connections: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Connections over all users on this process; those beyond are told to retry. Keep it below the "
        "limit of open files, beyond which nobody can be told anything.",
    )
    admissions_per_second: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Handshakes and polls each second over all users, for an authorizer or a Redis that can't take "
        "more; those beyond are told to retry, and a proxy asks a peer. 0: as many as come, a few in each turn of the "
        "event loop, so that whoever is there goes on hearing.",
    )
    max_memory_mib: int = Field(
        default=0,
        ge=0,
        le=1_048_576,
        description="Resident MiB of this process above which nobody new is let in until it is below 95 % of that; who "
        "is there stays. 0: no bound. Set it below what the service manager lets the unit have (MemoryMax).",
    )
    dashboard: bool = Field(
        default=True, description="Serve the dashboard at `/`, and what it is made of at `/assets/`."
    )
    legacy_prefix: bool = Field(
        default=True,
        description="Answer under /api/v1/ as well as under /v1/, for front ends that were built for the older paths.",
    )


class Admin(Table):
    """The listener for operators: probes, metrics, rejected events; it asks for no token, so keep strangers away."""

    host: str = Field(
        default="127.0.0.1", min_length=1, description="Address to listen on; keep it on loopback or a private network."
    )
    port: Port = Field(default=8001, description="TCP port; 0 lets the system choose a free one.")
    socket: SocketPath = Field(default="", description="Path of a unix socket to listen on instead of host and port.")


class Auth(Table):
    """Who may come in."""

    mode: Literal["jwt", "disabled"] = Field(
        default="jwt",
        description='"jwt": everybody needs a signed token. "disabled": everybody is let in and sees all; only '
        "allowed while listening on loopback or a unix socket.",
    )
    keys: tuple[Key, ...] = Field(
        default=(),
        description="Keys for tokens: {id, algorithm, key or file}; several while keys are rotated. The credential "
        "`jwt_key` takes the place of the first one's key; without any it is a secret for HS256.",
    )
    jwks: Jwks = Field(default=Jwks(), description="Keys that an issuer publishes.")
    tickets: Tickets = Field(default=Tickets(), description="What opens a connection once, in place of a token.")
    audience: str = Field(default="", description="The `aud` that tokens must have; empty: not checked.")
    issuer: str = Field(default="", description="The `iss` that tokens must have; empty: not checked.")
    leeway_seconds: float = Field(
        default=5, ge=0, le=5, description="Seconds by which the clocks of issuer and relay may differ."
    )
    grace_seconds: float = Field(
        default=10,
        ge=0,
        le=300,
        description="Seconds a live connection is given to refresh its token once that has expired.",
    )
    max_lifetime_seconds: int = Field(
        default=86_400,
        ge=60,
        le=31_536_000,
        description="Longest lifetime of a token in seconds; a longer one is refused: stolen, it would stay good.",
    )
    authorizers: Names = Field(
        default=("claims", "ownership"),
        description="Plug-ins asked in this order who may see a project; one that grants is enough. `http` asks your "
        "own API.",
    )
    recheck_seconds: float = Field(
        default=60,
        ge=0,
        le=86_400,
        description="Seconds within which it is asked again whether a live viewer may see what it sees, spread over "
        "all viewers; who may not is cut. 0: only when it comes and when it refreshes its token.",
    )
    stale_seconds: float = Field(
        default=300,
        ge=0,
        le=604_800,
        description="Seconds that a live viewer stays while that can't be told, because whoever is asked is away; then "
        "it is sent to come back.",
    )


class Memory(Table):
    """How much of the recent past is kept in memory; what is older is read from the journal."""

    timeline_events: int = Field(default=10_000, ge=1, le=1_000_000, description="Recent events of one project.")
    timeline_mib: int = Field(
        default=256,
        ge=1,
        le=1_048_576,
        description="MiB of events of all projects; the projects not used for longest give way.",
    )
    projects: int = Field(
        default=5_000, ge=1, le=10_000_000, description="Projects with their state; the rest comes back on first use."
    )


class Journal(Table):
    """The relay's own view of the log on disk: quick restarts, finished projects, export and search."""

    path: str = Field(
        default="",
        description="SQLite file, relative to the working directory; empty: none, and the past ends with the process. "
        "The sources embedded and simulator need one: to them the journal is the log.",
    )
    max_age_hours: float = Field(default=168, gt=0, le=87_600, description="Hours for which events are kept.")
    max_mib: int = Field(
        default=4_096, ge=1, le=16_777_216, description="MiB that events may take on disk; the oldest are dropped."
    )
    max_events_per_project: int = Field(
        default=100_000,
        ge=1,
        le=1_000_000_000,
        description="Events kept of one project, so that a noisy one can't push out the others.",
    )
    commit_ms: int = Field(
        default=250,
        ge=1,
        le=60_000,
        description="Milliseconds of events in one transaction; more costs less, and repeats more on restart.",
    )
    commit_kib: int = Field(
        default=1_024, ge=1, le=1_048_576, description="KiB of events after which a transaction is written early."
    )
    patience_seconds: float = Field(
        default=60,
        gt=0,
        le=86_400,
        description="Longest wait for one piece of work of the journal. Meanwhile the broker's acknowledgements are "
        "held back; after it a relay that reads a stream goes on from memory alone, until the disk has answered.",
    )
    rejected_max: int = Field(
        default=10_000,
        ge=0,
        le=10_000_000,
        description="Events kept that could not be understood, to be looked at and replayed.",
    )


class Telemetry(Table):
    """What the relay tells about itself."""

    log_format: Literal["json", "pretty"] = Field(
        default="json", description='"json" for machines, "pretty" for a terminal.'
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )


class Config(Table):
    """The whole configuration, with the settings of the plug-ins it names."""

    server: Server = Server()
    admin: Admin = Admin()
    auth: Auth = Auth()
    limits: Limits = Limits()
    liveness: Liveness = Liveness()
    memory: Memory = Memory()
    journal: Journal = Journal()
    source: Source = Source()
    transports: Transports = Transports()
    dialects: Dialects = Dialects()
    presence: Presence = Presence()
    redaction: Redaction = Redaction()
    usage: Usage = Usage()
    telemetry: Telemetry = Telemetry()
    source_settings: BaseModel | None = Field(default=None, exclude=True)
    """An instance of the used source's `Settings`; None where it has none."""
    transport_settings: Mapping[str, BaseModel | None] = Field(default={}, exclude=True)
    """By name, in the order of `transports.use`."""
    dialect_settings: Mapping[str, BaseModel | None] = Field(default={}, exclude=True)
    """By name, in the order of `dialects.use`."""
    authorizer_settings: Mapping[str, BaseModel | None] = Field(default={}, exclude=True)
    """By name, in the order of `auth.authorizers`."""
    presence_settings: BaseModel | None = Field(default=None, exclude=True)
    """An instance of the used presence's `Settings`; None where it has none."""
