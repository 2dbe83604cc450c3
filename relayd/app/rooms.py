"""The rooms of one relay, furnished from its configuration and from what its journal remembers."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from relayd import __version__
from relayd.app import gauges
from relayd.app.clock import SystemClock
from relayd.app.journaling import Journaling, journaling
from relayd.app.memory import Headroom
from relayd.app.settings import (
    authorizers_of,
    detector_of,
    guarded,
    limits_of,
    longest_of,
    one_use_of,
    presence_of,
    publication_of,
    purge_book_of,
    redactor_of,
    revocations_of,
    sealer_of,
    source_of,
    terms_of,
    thresholds_of,
    verifier_of,
    written_keys_of,
)
from relayd.config import Config
from relayd.core.log import Log
from relayd.identity.keys import FixedKeys
from relayd.identity.published import PublishedKeys
from relayd.ports import Journal, Observer, Position, Presence, Reporting, Source, TokenVerifier, Troubled
from relayd.relay.admission import Admission
from relayd.relay.copies import Copies
from relayd.relay.engine import Engine
from relayd.relay.fanout import Fanout
from relayd.relay.freshness import Freshness
from relayd.relay.intake import Intake
from relayd.relay.lobby import Lobby
from relayd.relay.orders import Orders
from relayd.relay.purging import Purging
from relayd.relay.spending import Spending
from relayd.relay.subscription import WatchedLog
from relayd.relay.tickets import Tickets
from relayd.relay.turnstile import Turnstile
from relayd.relay.vigil import Vigil
from relayd.telemetry import catalogue, logs
from relayd.telemetry.health import Health
from relayd.telemetry.loop import LoopLag
from relayd.telemetry.metrics import Metrics
from relayd.telemetry.observer import TelemetryObserver
from relayd.transports.forwarded import Proxies
from relayd.transports.origin import Origins

__all__ = ["Rooms", "add_checks", "apply", "furnish"]


class Rooms(Struct, frozen=True, kw_only=True):
    """All rooms, each knowing what it must of the others."""

    clock: SystemClock
    metrics: Metrics
    health: Health
    loop_lag: LoopLag
    source: Source
    journal: Journal | None
    engine: Engine
    published: PublishedKeys
    presence: Presence
    journaling: Journaling
    intake: Intake
    purging: Purging
    admission: Admission
    headroom: Headroom
    lobby: Lobby
    orders: Orders
    origins: Origins
    proxies: Proxies

    def position(self) -> Position | None:
        """Return where the log has been read to."""
        log = self.engine.log
        if log.head is None:
            return None
        return Position(log.epoch, log.head.offset, log.marks.get(log.head.offset) or b"")


async def furnish(config: Config, *, out_of_memory: Callable[[], None] | None = None) -> Rooms:
    """Return the rooms with the journal open, if possible; raises JournalError, BadKey, BadRevocations, PluginError."""
    clock, limits = SystemClock(), limits_of(config)
    metrics = Metrics(version=__version__, transports=config.transports.use)
    observer = TelemetryObserver(metrics, logs.logger(), out_of_memory=out_of_memory)
    loop_lag = LoopLag(clock, lambda seconds: metrics.observe(catalogue.EVENT_LOOP_LAG, seconds))
    published = PublishedKeys(publication_of(config), clock=clock, observer=observer)
    keeping, revocations = revocations_of(config)
    verifier = guarded(config, checker(config, published, observer), revocations)
    authorizers, detector = authorizers_of(config), detector_of(config)
    source, presence = source_of(config, clock), presence_of(config, observer)
    for told in (source, *authorizers):
        if isinstance(told, Reporting):
            told.report_to(observer)
    log: WatchedLog = Log(source.log)
    journal = journaling(config, source, log, observer=observer, clock=clock, limits=limits)
    book = purge_book_of(config)
    noted = await book.read(source.log)
    await journal.mender.begin()
    engine = Engine(
        log=log,
        past=journal.past,
        fanout=Fanout(log, observer=observer, clock=clock, limits=limits),
        source=source,
        presence=presence,
        verifier=verifier,
        authorizers=authorizers,
        observer=observer,
        clock=clock,
        limits=limits,
        turnstile=Turnstile(),
        copies=Copies(),
        freshness=(freshness := Freshness(source, log, clock)),
        spending=Spending(terms_of(config)),
        vigil=Vigil(log, freshness, clock, thresholds_of(config)),
    )
    purging = Purging(engine, journal.keeper, book)
    await purging.begin(noted)
    gauges.register(metrics, engine, journal)
    headroom = Headroom(config.server.max_memory_mib, clock)
    tickets = Tickets(sealer_of(config), one_use_of(presence), clock)
    admission = Admission(engine, tickets, memory_short=headroom.short)
    lobby = Lobby(engine)
    orders = Orders(engine, lobby, revocations, longest=longest_of(config), keeping=keeping)
    metrics.pull(catalogue.REVOCATIONS.name, lambda: float(len(revocations)))
    health = Health(clock, lag=loop_lag.lag)
    add_checks(health, source, journal, admission)
    health.add("keys", published.trouble)
    health.add("memory", headroom.trouble)
    metrics.pull(catalogue.MEMORY_SHORT.name, headroom.gauge)
    metrics.pull(catalogue.READY.name, lambda: float(health.ready()[0]))
    metrics.pull(catalogue.JWKS_AGE.name, published.age)
    add_notes(health, {"presence": presence, **{f"authorizers.{one.name}": one for one in authorizers}})
    return Rooms(
        clock=clock,
        metrics=metrics,
        health=health,
        loop_lag=loop_lag,
        source=source,
        journal=journal.past.journal,
        engine=engine,
        published=published,
        presence=presence,
        journaling=journal,
        purging=purging,
        intake=Intake(engine, detector, journal.keeper, redactor_of(config)),
        admission=admission,
        headroom=headroom,
        lobby=lobby,
        orders=orders,
        origins=Origins(config.server.origins),
        proxies=Proxies(config.server.trusted_proxies),
    )


def checker(config: Config, published: PublishedKeys, observer: Observer) -> TokenVerifier:
    """Return who checks tokens, with the keys that are published or with those of a file; raises BadKey."""
    keys = written_keys_of(config)
    if keys is None:
        return verifier_of(config, published)
    observer.noticed("jwks_read", {"kids": keys.kids, "left_out": keys.left_out})
    return verifier_of(config, FixedKeys(keys.ring))


def add_checks(health: Health, source: Source, journal: Journaling, admission: Admission) -> None:
    """Name what makes a relay not ready."""

    def from_source() -> str | None:
        state = source.state()
        return None if state.connected and state.caught_up and not state.stalled else state.detail

    health.add("source", from_source)
    health.note("source", lambda: source.state().note)
    health.add("journal", journal.trouble_now)
    health.add("drain", lambda: "this relay is draining" if admission.draining else None)


def add_notes(health: Health, parts: Mapping[str, object]) -> None:
    """Let those parts that know of trouble of their own tell it beside readiness."""

    def telling(part: Troubled) -> Callable[[], str]:
        return lambda: part.trouble

    for name, part in parts.items():
        if isinstance(part, Troubled):
            health.note(name, telling(part))


def apply(rooms: Rooms, config: Config) -> None:
    """Take over from a newer configuration what can change while running; raises BadKey."""
    engine = rooms.engine
    verifier = guarded(config, checker(config, rooms.published, engine.observer), rooms.orders.revocations)
    publication, limits = publication_of(config), limits_of(config)
    rooms.published.follow(publication)
    engine.verifier, engine.limits, engine.fanout.limits = verifier, limits, limits
    engine.spending.terms = terms_of(config)
    engine.vigil.thresholds = thresholds_of(config)
    rooms.orders.longest = longest_of(config)
    rooms.intake.redactor = redactor_of(config)
    rooms.admission.tickets.sealer = sealer_of(config)
    rooms.headroom.limit = config.server.max_memory_mib
    rooms.presence.limit = limits.connections_per_user
    rooms.origins.allowed = frozenset(config.server.origins)
    rooms.proxies.trust(config.server.trusted_proxies)
