"""RabbitMQ: whether it is reached, what stands there, and how far behind its stream the journal is."""

from collections.abc import Iterable

from relayd.config import Config
from relayd.doctor.finding import Finding, bad, ok, skipped, warn
from relayd.doctor.running import Running
from relayd.ports import Position
from relayd.rabbitmq.connection import Lost
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.survey import Difference, Survey, survey
from relayd.telemetry import catalogue

__all__ = ["binding_of", "bound_of", "broker_of", "lag_of", "rabbit_of", "standing_of"]

LATE_SECONDS = 30.0
"""A relay that has not been level with its log for so long is not merely busy."""
CANARIES_MISSED = 3


def rabbit_of(config: Config) -> RabbitSettings | None:
    """Return the broker's settings, None where events come from elsewhere."""
    settings = config.source_settings
    return settings if isinstance(settings, RabbitSettings) else None


async def broker_of(settings: RabbitSettings, running: Running, position: Position | None) -> Iterable[Finding]:
    """Say whether the broker is there, with exchange and stream as configured, and what the journal has of it."""
    try:
        found = await survey(settings)
    except Lost as error:
        mend = "see whether it runs, and correct the url of [sources.rabbitmq] or the credential amqp_url"
        return [bad(f"RabbitMQ at {settings.address}", str(error), mend=mend)]
    return [*standing_of(settings, found), *_end_of(settings, found, running, position)]


def standing_of(settings: RabbitSettings, found: Survey) -> Iterable[Finding]:
    """Say whether exchange and queue are there, and are what is configured."""
    yield ok(f"RabbitMQ at {settings.address}", f"{found.product}, logged in, vhost {settings.vhost}")
    for kind, name in (("exchange", settings.exchange), ("queue", settings.queue)):
        if kind in found.absent:
            sentence, _, mend = found.absent[kind].rpartition("; ")
            yield bad(f"{kind} {name}", sentence, mend=mend)
        else:
            yield ok(f"{kind} {name}", "it is there")
    for name, trouble in found.bound.items():
        sentence, _, mend = trouble.rpartition("; ")
        yield bad(f"exchange {name}", sentence, mend=mend) if trouble else ok(f"exchange {name}", "it is there")
    if "queue" in found.absent:
        return
    looked_at = f"arguments of {settings.queue}"
    if found.differences is None:
        why = "only a user with the right to configure it sees them, which a relay does not need"
        yield skipped(looked_at, why, "`rabbitmqctl list_queues name type arguments` shows them")
    elif not found.differences:
        yield ok(looked_at, "as configured")
    else:
        yield from (_differs(looked_at, one) for one in found.differences)


def _differs(looked_at: str, one: Difference) -> Finding:
    mend = (
        f"set `{one.setting}` under [sources.rabbitmq] to what is there"
        if one.setting
        else "choose another name for the queue, or delete it on the broker if it may go"
    )
    return bad(looked_at, f"{one.argument} is {one.current}, not {one.configured}", mend=mend)


def _end_of(settings: RabbitSettings, found: Survey, running: Running, position: Position | None) -> Iterable[Finding]:
    looked_at = f"end of {settings.queue}"
    if "queue" in found.absent:
        return
    if found.trouble:
        mend = "it must be a stream that the relay's user may read (`rabbitmqctl set_permissions`, docs/operate.md)"
        yield bad(looked_at, found.trouble, mend=mend)
    else:
        yield lag_of(looked_at, found.end, position, running.value(catalogue.STREAM_LAG.name))


def lag_of(looked_at: str, end: int | None, position: Position | None, lag: float | None) -> Finding:
    """Judge where the stream ends, where the journal stands, and the `lag` in seconds of a relay that runs."""
    where = "it is empty" if end is None else f"last offset {end}"
    if position is None:
        return ok(looked_at, f"{where}; no journal has a place in it yet")
    if position.offset > (-1 if end is None else end):
        found = f"{where}, but the journal stands at {position.offset}: the stream was made anew"
        return warn(looked_at, found, mend="nothing: viewers who come back are told a gap, once")
    found = f"{where}, the journal stands at {position.offset}, {(end or 0) - position.offset} behind"
    if lag is None:
        return ok(looked_at, f"{found}; no relay runs that could be late")
    if lag > LATE_SECONDS:
        return bad(looked_at, f"{found}, for {lag:.0f} s", mend="see /readyz above, and `relayd top` for what is slow")
    return ok(looked_at, f"{found}, {lag:.1f} s")


def binding_of(settings: RabbitSettings, running: Running, *, now: float) -> Finding:
    """Say whether what is published arrives: AMQP has no question for a binding, a relay's canaries prove it."""
    looked_at = f"binding {settings.exchange} -> {settings.queue}"
    mend = f"`relayd rabbitmq setup` makes it; `rabbitmqctl list_bindings -p {settings.vhost}` shows what there is"
    if running.scrape is None:
        return skipped(looked_at, "only a relay that runs proves it, by its canaries", mend)
    if not settings.canary_seconds:
        return skipped(looked_at, "the relay sends no canaries (canary_seconds = 0), and nothing else proves it", mend)
    if "source" in running.notes:
        return bad(looked_at, running.notes["source"], mend=mend)
    if not running.value(f"{catalogue.CANARY_ROUNDTRIP.name}_count"):
        return skipped(looked_at, "no canary of the relay has come back yet", "look again in a minute")
    ago = max(0.0, now - (running.value(catalogue.CANARY_LAST_SUCCESS.name) or 0.0))
    if ago > CANARIES_MISSED * settings.canary_seconds:
        return bad(looked_at, f"the last canary came back {ago:.0f} s ago", mend=mend)
    return ok(looked_at, f"a canary came back {ago:.0f} s ago")


def bound_of(settings: RabbitSettings, running: Running, *, now: float) -> Iterable[Finding]:
    """Say of each further exchange whether anything comes over it: no canary flies there, for it is somebody else's."""
    mend = f"`relayd rabbitmq setup` makes it; `rabbitmqctl list_bindings -p {settings.vhost}` shows what there is"
    for name in settings.bound:
        looked_at = f"binding {name} -> {settings.queue}"
        if running.scrape is None:
            yield skipped(looked_at, "only a relay that runs can tell whether anything comes over it", mend)
        elif (at := running.scrape.value(catalogue.OVER_EXCHANGE.name, name)) is None:
            yield skipped(looked_at, "nothing has come over it since the relay began to read", mend)
        else:
            yield ok(looked_at, f"something came over it {max(0.0, now - at):.0f} s ago")
