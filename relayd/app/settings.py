"""From the configuration to the plain values that the rooms below work with."""

import secrets
from pathlib import Path
from typing import Any

from relayd.app.descriptors import connections
from relayd.config import Config
from relayd.core.liveness import Thresholds
from relayd.core.pacing import Pace
from relayd.core.redaction import Redactor
from relayd.core.revocations import Revocations
from relayd.core.spending import Price, Terms
from relayd.dialects.delivery import Dialect
from relayd.dialects.detect import Detector
from relayd.identity.authorizers import ClaimsAuthorizer
from relayd.identity.fetch import Endpoint
from relayd.identity.jwks import KeySet, parse_file
from relayd.identity.jwt import BadKey, JwtVerifier, Key
from relayd.identity.keys import Published
from relayd.identity.open_door import OpenDoor
from relayd.identity.published import Publication
from relayd.identity.revoked_file import RevokedFile
from relayd.identity.revoking import Revoking
from relayd.identity.settings import ClaimsSettings
from relayd.identity.tickets import TicketSealer
from relayd.journal.book import MemoryBook, PurgeFile
from relayd.journal.sqlite import SqliteJournal
from relayd.plugins import AUTHORIZERS, DIALECTS, PRESENCE, SOURCES, PluginError, find
from relayd.ports import (
    Authorizer,
    Clock,
    Observer,
    OneUse,
    Presence,
    PurgeBook,
    Sealer,
    SharedOneUse,
    Source,
    Speaking,
    TokenVerifier,
)
from relayd.presence.once import MemoryOneUse
from relayd.relay.limits import Limits

__all__ = [
    "authorizers_of",
    "detector_of",
    "guarded",
    "journal_of",
    "limits_of",
    "longest_of",
    "one_use_of",
    "presence_of",
    "publication_of",
    "purge_book_of",
    "redactor_of",
    "revocations_of",
    "sealer_of",
    "source_of",
    "terms_of",
    "thresholds_of",
    "verifier_of",
    "written_keys_of",
]

MIB = 1024 * 1024
MILLIONTHS = 10**6

OWN_KEY = secrets.token_bytes(32)
"""Seals tickets where relays share no key: what it sealed opens at this process, for as long as that lives."""


def limits_of(config: Config) -> Limits:
    """Return the relay's bounds."""
    limits, memory, server, journal = config.limits, config.memory, config.server, config.journal
    return Limits(
        connections_per_user=limits.connections_per_user,
        max_connections=connections(server.max_connections),
        admissions=Pace(rate=admissions, burst=admissions) if (admissions := server.admissions_per_second) else None,
        max_subscriptions=limits.max_subscriptions,
        inbound=Pace(rate=limits.frames_per_second, burst=limits.frame_burst),
        outbound=Pace(rate=limits.pace_per_second, burst=limits.pace_burst),
        requests=Pace(
            rate=limits.requests_per_second,
            # Whoever may have so many connections can open them all at once.
            burst=max(limits.request_burst, limits.connections_per_user),
        ),
        publishes=Pace(rate=limits.publishes_per_second, burst=limits.publish_burst),
        failed_logins=Pace(rate=limits.failed_logins_per_minute / 60, burst=limits.failed_logins_per_minute),
        viewers_per_project=limits.viewers_per_project,
        max_backlog=limits.max_backlog,
        tail=limits.tail,
        max_tail=limits.max_tail,
        timeline_events=memory.timeline_events,
        timeline_bytes=memory.timeline_mib * MIB,
        projects=memory.projects,
        heartbeat_seconds=server.heartbeat_seconds,
        stuck_seconds=server.stuck_seconds,
        grace_seconds=config.auth.grace_seconds,
        recheck_seconds=config.auth.recheck_seconds,
        stale_seconds=config.auth.stale_seconds,
        drain_seconds=server.drain_seconds,
        peers=server.peers,
        away_seconds=server.away_seconds,
        commit_seconds=journal.commit_ms / 1000,
        commit_bytes=journal.commit_kib * 1024,
        journal_patience_seconds=journal.patience_seconds,
    )


def thresholds_of(config: Config) -> Thresholds:
    """Return what silence of agents means."""
    liveness = config.liveness
    return Thresholds(
        quiet=liveness.quiet_seconds,
        stuck=liveness.stuck_seconds,
        tool=liveness.tool_seconds,
        lost=liveness.lost_seconds,
        end=liveness.end_seconds,
    )


def publication_of(config: Config) -> Publication | None:
    """Return where an issuer publishes its keys, None where none does; raises BadKey."""
    jwks = config.auth.jwks
    if config.auth.mode == "disabled" or not jwks.url:
        return None
    return Publication(
        url=jwks.url,
        algorithms=jwks.algorithms,
        refresh=jwks.refresh_seconds,
        max_stale=jwks.max_stale_seconds,
        fetch=Endpoint(jwks.url, timeout=jwks.timeout_seconds, ca_file=jwks.ca_file).fetch,
    )


def verifier_of(config: Config, published: Published) -> TokenVerifier:
    """Return who checks tokens, with the keys of the configuration and the published ones; raises BadKey."""
    auth = config.auth
    if auth.mode == "disabled":
        return OpenDoor()
    return JwtVerifier(
        [Key(algorithm=key.algorithm, material=key.key.get_secret_value(), id=key.id) for key in auth.keys],
        published=published,
        audience=auth.audience,
        issuer=auth.issuer,
        leeway=auth.leeway_seconds,
        max_lifetime=auth.max_lifetime_seconds,
    )


def sealer_of(config: Config) -> Sealer:
    """Return who seals tickets."""
    tickets = config.auth.tickets
    return TicketSealer(tickets.key.get_secret_value().encode() or OWN_KEY, seconds=tickets.lifetime_seconds)


def one_use_of(presence: Presence) -> OneUse:
    """Return who knows which tickets have been used: with the other relays, where these share what they know."""
    return presence.one_use if isinstance(presence, SharedOneUse) else MemoryOneUse()


def revocations_of(config: Config) -> tuple[RevokedFile | None, Revocations]:
    """Return the list of what is revoked, and where it is kept if it can be; raises BadRevocations."""
    keeping, revocations = None, Revocations()
    if config.journal.path:
        keeping = RevokedFile.beside(Path(config.journal.path))
        for kept in keeping.read():
            revocations.merge(kept)
    return keeping, revocations


def longest_of(config: Config) -> float | None:
    """Return the longest life of a token in seconds; None where there are no tokens."""
    return None if config.auth.mode == "disabled" else float(config.auth.max_lifetime_seconds)


def guarded(config: Config, verifier: TokenVerifier, revocations: Revocations) -> TokenVerifier:
    """Return who checks tokens and what is revoked; an open door has no tokens that could be."""
    return verifier if config.auth.mode == "disabled" else Revoking(verifier, revocations)


def written_keys_of(config: Config) -> KeySet | None:
    """Return the keys of the JWK set that stands in the configuration, None where none does; raises BadKey."""
    jwks = config.auth.jwks
    if config.auth.mode == "disabled" or not jwks.document:
        return None
    try:
        return parse_file(jwks.document, jwks.algorithms)
    except BadKey as error:
        raise BadKey(f"auth.jwks: {error}") from error


def authorizers_of(config: Config) -> list[Authorizer]:
    """Return who says what a viewer may see; raises PluginError."""
    if config.auth.mode == "disabled":
        # The open door's viewer is an admin, whatever the configured authorizers would say of it.
        return [ClaimsAuthorizer(ClaimsSettings())]
    return [made(AUTHORIZERS, name, settings) for name, settings in config.authorizer_settings.items()]


def source_of(config: Config, clock: Clock) -> Source:
    """Return where events come from; raises PluginError."""
    try:
        source: Source = find(SOURCES, config.source.use)(config.source_settings, clock)
    except ValueError as error:
        raise PluginError(f"sources.{config.source.use}: {error}") from error
    return source


def presence_of(config: Config, observer: Observer) -> Presence:
    """Return who counts connections; raises PluginError."""
    factory, settings = find(PRESENCE, config.presence.use), config.presence_settings
    presence: Presence = factory() if settings is None else factory(settings, observer)
    presence.limit = config.limits.connections_per_user
    return presence


def detector_of(config: Config) -> Dialect:
    """Return how events are understood; raises PluginError."""
    source: object = config.source_settings
    return Detector(
        [made(DIALECTS, name, settings) for name, settings in config.dialect_settings.items()],
        spoken=source.spoken if isinstance(source, Speaking) else None,
    )


def redactor_of(config: Config) -> Redactor:
    """Return who hides secrets in events."""
    redaction = config.redaction
    return Redactor(off=redaction.off, fields=redaction.fields, patterns=redaction.patterns)


def terms_of(config: Config) -> Terms:
    """Return what models cost, and the budget of projects that name none."""
    usage = config.usage
    prices = {
        model: Price(
            input=round(price.input * MILLIONTHS),
            output=round(price.output * MILLIONTHS),
            cached=round((price.input if price.cached_input is None else price.cached_input) * MILLIONTHS),
        )
        for model, price in usage.prices.items()
    }
    return Terms(currency=usage.currency, prices=prices, tokens=usage.budget_tokens, cost=usage.budget_cost)


def journal_of(config: Config, source: Source) -> SqliteJournal | None:
    """Return the journal, None where none is configured; raises PluginError where the source needs one."""
    journal = config.journal
    if not journal.path:
        if not source.replays:
            # The configuration knows this of the built-in sources; a stranger's is asked itself.
            sentence = f'journal.path: is required with source.use = "{config.source.use}", which can\'t be read again'
            raise PluginError(f"{sentence}; set it to a file")
        return None
    return SqliteJournal(
        Path(journal.path),
        max_age_seconds=journal.max_age_hours * 3_600,
        max_bytes=journal.max_mib * MIB,
        max_events_per_project=journal.max_events_per_project,
        max_rejected=journal.rejected_max,
        # A log that can't be read again must survive a loss of power.
        synchronous="normal" if source.replays else "full",
    )


def purge_book_of(config: Config) -> PurgeBook:
    """Return where purges are noted: beside the journal, or nowhere."""
    path = config.journal.path
    return PurgeFile(Path(f"{path}.purged")) if path else MemoryBook()


def made(group: str, name: str, settings: Any) -> Any:  # noqa: ANN401  # a plug-in's own kind of settings
    """Return a plug-in, given its settings if it has any; raises PluginError for those that it can't use."""
    factory = find(group, name)
    try:
        return factory() if settings is None else factory(settings)
    except ValueError as error:
        raise PluginError(f"{group.removeprefix('relayd.')}.{name}: {error}") from error
