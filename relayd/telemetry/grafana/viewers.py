"""What viewers get: whether they are served, how fresh it is, how much, and where the time goes."""

from relayd.telemetry import catalogue
from relayd.telemetry.grafana.panels import Look, Panel, Row
from relayd.telemetry.grafana.queries import JOB, Query, latest, named, per_second, quantiles, scoped, spread

__all__ = ["FRESH", "MUCH", "SERVED", "TIME"]


def burnt(what: str) -> tuple[Query, ...]:
    """Return how many times too fast an error budget of a promille burns, over the last hour."""
    return (Query(f"relayd:{what}_error:ratio_rate1h{{{JOB}}} / 0.001", what),)


SERVED = Row(
    "Are viewers served?",
    (
        Panel(
            title="Relays that answer",
            advice="Fewer than you run: one is down, or Prometheus can't reach its admin listener.",
            queries=(Query(f"sum({named('up')})", "up"),),
            unit="none",
            runbook="RelaydDown",
            look=Look.NUMBER,
            bad=1,
            below=True,
            width=4,
            height=4,
        ),
        Panel(
            title="Relays that are ready",
            advice="Fewer than answer: `/readyz` of the admin listener says in a sentence why viewers are kept away.",
            queries=(Query(f"sum({scoped(catalogue.READY)})", "ready"),),
            unit="none",
            runbook="RelaydBrokerDisconnected",
            look=Look.NUMBER,
            bad=1,
            below=True,
            width=4,
            height=4,
        ),
        Panel(
            title="Connections",
            advice="A sudden fall is a relay that ended or a proxy that cut; see below why they left.",
            queries=(Query(f"sum({scoped(catalogue.CONNECTIONS)})", "connections"),),
            unit="short",
            runbook="RelaydLimitRefusals",
            look=Look.NUMBER,
            width=4,
            height=4,
        ),
        Panel(
            title="Alerts that fire",
            advice="Each has a chapter in the runbook. Start with those that page.",
            queries=(Query(f'count(ALERTS{{alertstate="firing",{JOB}}}) or vector(0)', "firing"),),
            unit="none",
            runbook="RelaydDown",
            look=Look.NUMBER,
            bad=1,
            width=4,
            height=4,
        ),
        Panel(
            title="Delivery budget: how fast does it burn?",
            advice="1 spends exactly the budget of 99.9 % within a second; 14.4 wakes somebody. Empty without traffic.",
            queries=burnt("delivery"),
            unit="none",
            runbook="RelaydDeliveryBurnFast",
            look=Look.NUMBER,
            bad=14.4,
            width=4,
            height=4,
        ),
        Panel(
            title="Handshake budget: how fast does it burn?",
            advice="1 spends exactly the budget of 99.9 % that get no 5xx; from 14.4 on somebody is woken.",
            queries=burnt("handshake"),
            unit="none",
            runbook="RelaydHandshakeBurnFast",
            look=Look.NUMBER,
            bad=14.4,
            width=4,
            height=4,
        ),
        Panel(
            title="Who is connected?",
            advice="A fall and a rise beside it is a restart; sockets that turn into polls have a proxy that cuts.",
            queries=(latest(catalogue.CONNECTIONS, "transport"),),
            unit="short",
            runbook="RelaydHandshakeBurnFast",
            look=Look.AREAS,
        ),
        Panel(
            title="Who comes in?",
            advice="Many, while connections stay level, are viewers that come back all the time: see why they leave.",
            queries=(
                Query(
                    f"sum by (transport) (rate({catalogue.HANDSHAKE_DURATION.name}_count"
                    f'{{{JOB},instance=~"$instance"}}[$__rate_interval]))',
                    "{{transport}}",
                ),
            ),
            unit="cps",
            runbook="RelaydHandshakeBurnFast",
            look=Look.AREAS,
        ),
        Panel(
            title="Who is refused, and why?",
            advice="`overloaded` and `server_error` are ours; `auth_failed` is tokens, the others are limits.",
            queries=(per_second(catalogue.CONNECTIONS_REJECTED, "reason"),),
            unit="cps",
            runbook="RelaydLimitRefusals",
            bad=1,
        ),
    ),
)

FRESH = Row(
    "How fresh is what they see?",
    (
        Panel(
            title="How far behind the log is each relay?",
            advice="Grows a second a second: nothing is read. Grows more slowly: the relay or its disk can't keep up.",
            queries=(latest(catalogue.STREAM_LAG, "instance"),),
            unit="s",
            runbook="RelaydLagHigh",
            bad=30,
        ),
        Panel(
            title="How old is the last canary?",
            advice="Rises while lag stays low: what is published does not arrive. Empty where canaries are off.",
            queries=(
                Query(f"time() - {scoped(catalogue.CANARY_LAST_SUCCESS)}", "canary, {{instance}}"),
                Query(f"time() - {scoped(catalogue.LAST_DELIVERY)}", "anything, {{instance}}"),
            ),
            unit="s",
            runbook="RelaydCanaryLate",
            bad=90,
        ),
        Panel(
            title="From publishing to serving",
            advice="The way of an event through exchange, stream and relay. Slow here and fast below is the broker.",
            queries=quantiles(catalogue.CANARY_ROUNDTRIP),
            unit="s",
            runbook="RelaydCanaryLate",
        ),
        Panel(
            title="What waits in the log?",
            advice="Bodies that the broker has and the relay has not read. Level and above nothing is a stall.",
            queries=(Query(f"{scoped(catalogue.HEAD_OFFSET)} - {scoped(catalogue.CONSUMED_OFFSET)}", "{{instance}}"),),
            unit="short",
            runbook="RelaydConsumerStalled",
        ),
    ),
)

MUCH = Row(
    "How much is it?",
    (
        Panel(
            title="Events",
            advice="What workers say, once for each relay. One type far above the others is a producer that floods.",
            queries=(per_second(catalogue.BROKER_MESSAGES, "type"),),
            unit="eps",
            runbook="RelaydPoisonMessages",
            look=Look.AREAS,
        ),
        Panel(
            title="Deliveries",
            advice="Events times viewers. None while events come and viewers are there: see latency and event loop.",
            queries=(per_second(catalogue.DELIVERIES, "transport"),),
            unit="eps",
            runbook="RelaydDeliveryBurnFast",
            look=Look.AREAS,
        ),
        Panel(
            title="Bytes",
            advice="Compare what goes out with the network card, and with what the proxy before it can do.",
            queries=(
                per_second(catalogue.BROKER_BYTES, legend="in, from the log"),
                per_second(catalogue.DELIVERY_BYTES, legend="out, live"),
                per_second(catalogue.REPLAY_BYTES, legend="out, the past"),
            ),
            unit="Bps",
            runbook="RelaydViewersFallBehind",
        ),
        Panel(
            title="The past, for those who come back",
            advice="A peak is viewers that resume, as after a restart; a steady height is viewers that can't keep up.",
            queries=(per_second(catalogue.REPLAY_EVENTS, "transport"),),
            unit="eps",
            runbook="RelaydViewersFallBehind",
            look=Look.AREAS,
        ),
    ),
)

TIME = Row(
    "Where is the time?",
    (
        Panel(
            title="When did live events leave, after they came?",
            advice="A second band far above the first is a part that waits: for its pace, or for a loop that is busy.",
            queries=(spread(catalogue.DELIVERY_LATENCY),),
            unit="s",
            runbook="RelaydDeliveryBurnFast",
            look=Look.HEAT,
        ),
        Panel(
            title="Delivery",
            advice="From receiving the oldest event of a flush to the sockets. Over a second spends the budget.",
            queries=quantiles(catalogue.DELIVERY_LATENCY),
            unit="s",
            runbook="RelaydDeliveryBurnFast",
            bad=1,
        ),
        Panel(
            title="Handshake",
            advice="Slow with a fast loop: an authorizer, Redis or the journal; slow with a slow loop: a storm.",
            queries=quantiles(catalogue.HANDSHAKE_DURATION, "transport"),
            unit="s",
            runbook="RelaydHandshakeBurnFast",
        ),
        Panel(
            title="Flush interval",
            advice="Stretches when the process can't keep up: fewer and larger frames. Give each relay fewer viewers.",
            queries=(latest(catalogue.FLUSH_INTERVAL, "instance"),),
            unit="s",
            runbook="RelaydDeliveryBurnFast",
        ),
        Panel(
            title="How late does the event loop run?",
            advice="Something holds it: too many viewers, a slow plug-in, a host that swaps.",
            queries=(quantiles(catalogue.EVENT_LOOP_LAG, "instance")[1],),
            unit="s",
            runbook="RelaydEventLoopBlocked",
            bad=0.25,
        ),
        Panel(
            title="Journal: how long does a transaction take?",
            advice="A slow disk: it holds back what the broker is told to forget, and then the reading.",
            queries=quantiles(catalogue.JOURNAL_COMMIT),
            unit="s",
            runbook="RelaydLagHigh",
        ),
    ),
)
