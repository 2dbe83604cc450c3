"""The shipped rules, by Prometheus' own tool, and against what relayd really exports."""

import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relayd.telemetry.catalogue import CATALOGUE, Kind
from relayd.telemetry.labels import TRANSPORT
from relayd.telemetry.metrics import Metrics
from tests.harness.process import find

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = (FOLDER / "relayd.rules.yml").read_text(encoding="utf-8")
WORDS = {"and", "or", "unless", "offset", "bool"}
SUFFIXES = {Kind.COUNTER: ("",), Kind.PULLED: ("",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}


def expressions() -> list[str]:
    """Return every expression of the rules."""
    return re.findall(r"expr: >-\n((?: {10}.*\n)+)", RULES)


def named(expression: str) -> set[str]:
    """Return the names of metrics in an expression: what is left without clauses, matchers, ranges and functions."""
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"|offset \w+", " ", bare)
    return set(re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)(?!\w*\s*\()", bare)) - WORDS


def exported() -> set[str]:
    """Return the names of all series, those of gauges that nobody has registered yet included."""
    text = Metrics(version="1").render()[0].decode()
    seen = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    return seen | {metric.name + suffix for metric in CATALOGUE for suffix in SUFFIXES[metric.kind]}


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (("check", "rules", "--lint=all", "--lint-fatal"), "relayd.rules.yml"),
        (("check", "config"), "prometheus.yml"),
        (("test", "rules"), "relayd.rules.test.yml"),
    ],
)
def test_promtool_agrees(command: tuple[str, ...], file: str) -> None:
    """Rules and example are valid; every alert fires when it should, and only then."""
    checked = subprocess.run([find("promtool"), *command, FOLDER / file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_parser_finds_names() -> None:
    """Functions, labels, words and durations are none."""
    expression = (
        'sum by (le, job) (rate(a_total{x="b"}[5m])) > 5 * c:d:e and absent(up) offset 1h - on () group_right () f'
    )
    assert {"a_total", "c:d:e", "up", "f"} == named(expression)


def test_rules_name_only_what_is_exported() -> None:
    """A rule about a metric that does not exist never fires, and nobody notices."""
    recorded = set(re.findall(r"- record: (\S+)", RULES))
    names = set().union(*(named(expression) for expression in expressions()))
    assert "relayd_stream_consumed_offset" in names
    assert set() == names - exported() - recorded - {"up"}


def test_the_runbook_names_only_what_is_exported() -> None:
    """Somebody at night would type a name that finds nothing."""
    runbook = (FOLDER / "runbook.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`(relayd_\w+)", runbook))
    assert "relayd_event_loop_lag_seconds" in names
    assert set() == names - {metric.name for metric in CATALOGUE}


def test_rules_match_only_label_values_that_exist() -> None:
    """A reason that was renamed would silence its alert."""
    known = {metric.name: metric for metric in CATALOGUE}
    for name, label, wanted in re.findall(r"(relayd_\w+?)(?:_bucket|_count)?\{(\w+)=~?\"([^\"]+)\"\}", RULES):
        if label == "le":
            assert {f"{bound:.1f}" for bound in known[name].buckets} >= {wanted}
        elif label != TRANSPORT:
            assert label == known[name].label
            assert {*wanted.split("|")} <= {*known[name].values}


def test_every_alert_says_what_is_needed_at_night() -> None:
    """How long, how bad, what, and what to do; each has its chapter in the runbook, and its tests."""
    alerts = RULES.split("- alert: ")[1:]
    chapters = re.findall(r"^## (\w+)$", (FOLDER / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    tests = (FOLDER / "relayd.rules.test.yml").read_text(encoding="utf-8")
    fire = set(re.findall(r"alertname: (\w+)\n", tests))
    stay_quiet = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", tests))
    assert [alert.split("\n")[0] for alert in alerts] == chapters
    for alert in alerts:
        name = alert.split("\n")[0]
        assert re.search(r"^ +for: \d+[mh]$", alert, re.MULTILINE), name
        assert re.search(r"severity: (page|ticket)\}", alert), name
        assert f'runbook: "runbook.md#{name.lower()}"' in alert
    assert {*chapters} == fire
    assert {*chapters} == stay_quiet
