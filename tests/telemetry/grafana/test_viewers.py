"""What is asked about viewers, where that is more than a metric's own."""

from relayd.telemetry.grafana.queries import Query
from relayd.telemetry.grafana.viewers import burnt


def test_a_budget_that_is_spent_just_so_burns_at_one() -> None:
    """A promille of errors is what 99.9 % leave; the ratio is one that the rules record."""
    assert (Query('relayd:delivery_error:ratio_rate1h{job="$job"} / 0.001', "delivery"),) == burnt("delivery")
