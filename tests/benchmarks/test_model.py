"""The arithmetic of docs/scaling.md, against values reckoned by hand."""

import math
from dataclasses import replace

import pytest

from benchmarks.scaling.model import Costs, Intake, Need, plan, spend

COSTS = Costs(
    frame_us=10,
    singly=Intake(reading=((0, 0), (1_000, 0.2), (10_000, 1)), payload_us=60, broker_us=30),
    arrays=Intake(reading=((0, 0), (1_000, 0.01), (100_000, 1)), payload_us=50, broker_us=2),
    empty_mib=74,
    viewer_kib=8,
    back_a_second=500,
    sent_bytes=448,
    nginx_us=8,
)
NEED = Need(name="some", viewers=12_000, events=1_000, projects=100)
"""Ten frames a second to each of 12,000 viewers."""


def test_each_share_is_a_figure_times_a_count() -> None:
    """Reading as measured; 100 groups with ten frames of 50 µs; 3,000 viewers with ten frames of 10 µs."""
    spent = spend(NEED, COSTS, 4)
    assert pytest.approx((0.01, 0.05, 0.3)) == (spent.reading, spent.payloads, spent.sending)
    assert pytest.approx(0.36) == spent.whole


def test_events_that_come_singly_cost_more() -> None:
    """The same events in a message each: reading and payloads have their own figures, sending has not."""
    spent = spend(replace(NEED, arrays=False), COSTS, 4)
    assert pytest.approx((0.2, 0.06, 0.3)) == (spent.reading, spent.payloads, spent.sending)
    assert pytest.approx(3 * 1_000 * 30e-6) == plan(replace(NEED, viewers=7_000, arrays=False), COSTS).broker_cores


@pytest.mark.parametrize(("events", "share"), [(0, 0), (500, 0.1), (1_000, 0.2), (5_500, 0.6), (10_000, 1)])
def test_reading_lies_on_the_lines_between_what_was_measured(events: float, share: float) -> None:
    """And the rate that a share can read is the same line the other way."""
    assert pytest.approx(share) == COSTS.singly.share(events)
    assert pytest.approx(events) == COSTS.singly.rate(share)


def test_beyond_a_full_stream_nothing_is_read() -> None:
    """No extrapolation: a process has one core."""
    assert math.inf == COSTS.singly.share(10_001)
    assert 10_000 == COSTS.singly.rate(1.1)


def test_a_plan_is_the_fewest_processes_within_the_budget() -> None:
    """Three would spend 46 % of a core each and two 66 %; all that goes with three is reckoned from them."""
    one = plan(NEED, COSTS)
    assert {"CPU": 3, "storm": 3, "connections": 2} == one.wanted
    assert 3 == one.processes
    assert "CPU" == one.binding
    assert pytest.approx(0.46) == one.spent.whole
    assert pytest.approx(74 + 4_000 * 8 / 1_024 + 256) == one.mib
    assert pytest.approx(3 * 1_000 * 300 / 1e6) == one.broker_mb
    assert pytest.approx(3 * 1_000 * 2e-6) == one.broker_cores
    assert pytest.approx(120_000 * 8e-6) == one.nginx_cores
    assert pytest.approx(120_000 * (448 + 52) * 8 / 1e9) == one.gbit
    assert pytest.approx(4_000 / 500) == one.back_seconds


def test_what_is_full_is_half_a_core_and_not_more() -> None:
    """A viewer more than what three can take wants a fourth."""
    full = replace(NEED, viewers=13_200)
    assert pytest.approx(0.5) == spend(full, COSTS, 3).whole
    assert 3 == plan(full, COSTS).wanted["CPU"]
    assert 4 == plan(replace(full, viewers=13_201), COSTS).wanted["CPU"]


def test_a_viewer_gets_no_more_frames_than_the_pace() -> None:
    """A hundred events a second of one project travel in twenty frames."""
    assert pytest.approx(20) == replace(NEED, events=10_000).frames


def test_a_storm_may_want_more_than_cpu() -> None:
    """20,000 viewers of quiet projects are easy to serve and slow to let in: 5,000 a process in ten seconds."""
    one = plan(replace(NEED, viewers=20_000, events=100), COSTS)
    assert {"CPU": 1, "storm": 4, "connections": 2} == one.wanted
    assert (4, "storm") == (one.processes, one.binding)


def test_connections_may_want_most() -> None:
    """Where storms are no matter, 10,000 connections a process are the bound that the relay has by default."""
    one = plan(replace(NEED, viewers=20_001, events=100), replace(COSTS, back_a_second=1e6))
    assert (3, "connections") == (one.processes, one.binding)


def test_viewers_sent_by_project_share_payloads() -> None:
    """Spread over four processes all 100 projects are watched at each of them, gathered 25 of them."""
    assert 100 == NEED.groups(4)
    assert 25 == replace(NEED, gathered=True).groups(4)


def test_there_are_no_more_groups_than_viewers_and_at_least_one() -> None:
    """A viewer alone is a group; a project that needs more than one process is a group at each."""
    assert 30 == replace(NEED, viewers=120).groups(4)
    assert 1 == replace(NEED, projects=2, gathered=True).groups(4)


def test_a_split_log_is_read_by_as_many_in_each_part() -> None:
    """Of 4,000 events in four parts a process reads a quarter, and each part has as many readers."""
    need = replace(NEED, viewers=20_000, events=4_000, projects=400, parts=4)
    assert pytest.approx(0.01) == spend(need, COSTS, 8).reading
    one = plan(need, COSTS)
    assert {"CPU": 8, "storm": 4, "connections": 2} == one.wanted
    assert 8 == one.processes
    assert pytest.approx(8 * 1_000 * 300 / 1e6) == one.broker_mb


def test_a_storm_is_met_by_as_many_in_each_part_too() -> None:
    """Seven processes for a storm are eight where there are four parts."""
    one = plan(replace(NEED, viewers=35_000, events=400, parts=4), COSTS)
    assert (7, 8) == (one.wanted["storm"], one.processes)


def test_a_log_that_one_process_cannot_read_is_told() -> None:
    """More processes would not help: each of them reads all of it."""
    with pytest.raises(ValueError, match=r"some: reading alone takes more than 50% of a core; split the log further"):
        plan(replace(NEED, events=50_000, projects=50_000), COSTS)
    assert 0 < plan(replace(NEED, events=49_000, projects=49_000), COSTS).processes
