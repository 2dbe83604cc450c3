"""What no single key can be blamed for: settings that do not go together."""

from collections.abc import Mapping

from pydantic import BaseModel

from relayd.config.choices import Dialects, Source
from relayd.config.keys import Jwks
from relayd.config.limits import Limits
from relayd.config.liveness import Liveness
from relayd.config.mistakes import Mistakes
from relayd.config.settings import Admin, Auth, Config, Journal, Server
from relayd.core.addresses import is_loopback
from relayd.ports import Speaking

__all__ = ["check", "check_spoken", "ticket_warning"]

ORDERED = (
    ("quiet_seconds", "stuck_seconds"),
    ("stuck_seconds", "tool_seconds"),
    ("stuck_seconds", "lost_seconds"),
    ("lost_seconds", "end_seconds"),
)
"""Of silence: the shorter and the longer; an agent that is silent for longer must never seem to be better."""

JOURNAL_IS_THE_LOG = {"embedded", "simulator"}
"""Sources that can't be read again: what they said is in the journal or nowhere."""


def check(tables: Mapping[str, BaseModel | None], mistakes: Mistakes) -> None:
    """Note what does not go together; a table that is wrong in itself (None) is left out."""
    match tables:
        case {"source": Source() as source, "journal": Journal() as journal}:
            _check_journal(source, journal, mistakes)
    match tables:
        case {"auth": Auth() as auth, "server": Server() as server}:
            _check_auth(auth, server, mistakes)
    match tables:
        case {"server": Server() as server, "admin": Admin() as admin}:
            _check_listeners(server, admin, mistakes)
    match tables:
        case {"liveness": Liveness() as liveness}:
            _check_liveness(liveness, mistakes)
    match tables:
        case {"limits": Limits() as limits} if limits.tail > limits.max_tail:
            mistakes.add(
                "limits.tail", f"must be at most limits.max_tail, which is {limits.max_tail}, not {limits.tail}"
            )


def check_spoken(settings: object, dialects: BaseModel | None, mistakes: Mistakes) -> None:
    """Note dialects that a source's settings name and nobody uses; what is wrong in itself (None) is left out."""
    if not (isinstance(settings, Speaking) and isinstance(dialects, Dialects)):
        return
    for exchange, name in settings.spoken.items():
        if name not in dialects.use:
            mistakes.add("dialects.use", f'lacks "{name}", in which the source reads exchange {exchange}; add it')


def ticket_warning(config: Config) -> str:
    """Return what becomes of tickets where there are several relays, as a sentence; empty where nothing is amiss."""
    shared, several = bool(config.auth.tickets.key.get_secret_value()), config.server.peers
    together = config.presence.use != "memory"
    if (several or together) and not shared:
        return (
            "auth.tickets.key: is not set, so a ticket opens only at the relay that made it; "
            "give all relays the same secret, or the credential ticket_key"
        )
    if several and not together:
        return (
            'presence.use: is "memory", so a ticket can be used once at each relay; '
            'with "redis" they tell each other which ones have been used'
        )
    return ""


def _check_journal(source: Source, journal: Journal, mistakes: Mistakes) -> None:
    if source.use in JOURNAL_IS_THE_LOG and not journal.path:
        mistakes.add(
            "journal.path",
            f'is required with source.use = "{source.use}", because the journal is its log; '
            'set it to a file, like "/var/lib/relayd/relayd.db"',
        )


def _check_auth(auth: Auth, server: Server, mistakes: Mistakes) -> None:
    if auth.mode == "jwt" and not (auth.keys or auth.jwks.given):
        mistakes.add(
            "auth.keys",
            'auth.mode = "jwt" needs at least one key; add keys = [{ algorithm = "HS256", file = "…" }], '
            "hand over the credential jwt_key, or set auth.jwks.url",
        )
    _check_jwks(auth.jwks, mistakes)
    if auth.mode == "disabled" and not (server.socket or is_loopback(server.host)):
        mistakes.add(
            "auth.mode",
            f'"disabled" is only allowed while listening on loopback or a unix socket; server.host is "{server.host}"',
        )


def _check_jwks(jwks: Jwks, mistakes: Mistakes) -> None:
    if len(jwks.given) > 1:
        mistakes.add("auth.jwks", f"has {' and '.join(f'`{name}`' for name in jwks.given)}; keep one of them")
    if jwks.max_stale_seconds <= jwks.refresh_seconds:
        mistakes.add(
            "auth.jwks.max_stale_seconds",
            f"must be above auth.jwks.refresh_seconds, which is {jwks.refresh_seconds:g}, "
            f"not {jwks.max_stale_seconds:g}: the keys would be given up before they are read again",
        )


def _check_liveness(liveness: Liveness, mistakes: Mistakes) -> None:
    for shorter, longer in ORDERED:
        least, value = getattr(liveness, shorter), getattr(liveness, longer)
        if value < least:
            mistakes.add(
                f"liveness.{longer}", f"must be at least liveness.{shorter}, which is {least:g}, not {value:g}"
            )


def _check_listeners(server: Server, admin: Admin, mistakes: Mistakes) -> None:
    same_socket = server.socket and server.socket == admin.socket
    same_port = (
        not (server.socket or admin.socket) and server.port and (server.host, server.port) == (admin.host, admin.port)
    )
    if same_socket or same_port:
        mistakes.add(
            "admin.socket" if same_socket else "admin.port",
            "is taken by [server]; operators and viewers need listeners of their own",
        )
