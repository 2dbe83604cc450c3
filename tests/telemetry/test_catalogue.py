import re

from relayd.dialects.delivery import Reason
from relayd.identity.jwt import REASONS
from relayd.identity.tickets import TICKET_REASONS
from relayd.protocol.disconnect import Disconnect
from relayd.rabbitmq.connection import Lost
from relayd.relay.tickets import USED
from relayd.telemetry import catalogue
from relayd.telemetry.catalogue import CATALOGUE, Kind
from relayd.telemetry.labels import OTHER


def test_every_metric_is_listed_once() -> None:
    """A metric that is defined but not listed would never be exported."""
    defined = [value for value in vars(catalogue).values() if isinstance(value, catalogue.Metric)]
    assert sorted(metric.name for metric in defined) == sorted(metric.name for metric in CATALOGUE)
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)


def test_names_follow_the_convention() -> None:
    """Prefix, base unit, `_total` on counters and nowhere else."""
    for metric in CATALOGUE:
        assert re.fullmatch(r"relayd_[a-z_]+[a-z]", metric.name)
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
        if metric.kind is Kind.HISTOGRAM:
            assert metric.name.endswith("_seconds")
            assert sorted(metric.buckets) == list(metric.buckets)


def test_every_closed_label_has_a_place_for_the_rest() -> None:
    """A value that nobody foresaw is counted, not lost, and makes no new series."""
    for metric in CATALOGUE:
        if metric.values:
            assert metric.values[-1] == OTHER
            assert len(set(metric.values)) == len(metric.values)


def test_labels_cover_what_the_tables_hold() -> None:
    """Endings, reasons for rejection and reasons for refusal are those of the code."""
    assert {disconnect.label for disconnect in Disconnect} < {*catalogue.DISCONNECTS.values}
    assert {reason.value for reason in Reason} < {*catalogue.REJECTED.values}
    assert {*REASONS, *TICKET_REASONS, USED} < {*catalogue.AUTH_FAILURES.values}
    kinds: list[type[Lost]] = [Lost, *Lost.__subclasses__()]
    assert {kind.cause for kind in kinds} < {*catalogue.RECONNECTS.values}
    assert "connection_established" not in catalogue.BROKER_MESSAGES.values
    assert len(catalogue.BROKER_MESSAGES.values) == 8
