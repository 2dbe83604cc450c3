"""Where alerts go, by Alertmanager itself: who is woken, who waits, and who is not told what follows from another."""

import re
import subprocess

import pytest

from tests.harness.follower import until
from tests.harness.process import find
from tests.harness.prometheus import DEPLOYED, PrivateAlertmanager

CONFIG = DEPLOYED / "alertmanager.yml"
ALERTS = re.findall(r"- alert: (\w+)", (DEPLOYED / "relayd.rules.yml").read_text(encoding="utf-8"))


def amtool(*arguments: str) -> str:
    """Return what amtool said."""
    done = subprocess.run([find("amtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_amtool_agrees() -> None:
    """The example is valid."""
    assert "SUCCESS" in amtool("check-config", str(CONFIG))


@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_each_severity_has_its_receiver(severity: str) -> None:
    """A page that goes where tickets go wakes nobody."""
    to = amtool("config", "routes", "test", f"--config.file={CONFIG}", f"severity={severity}", "job=relayd")
    assert severity == to.strip()


def test_what_is_muted_exists() -> None:
    """An alert that was renamed would be told beside its cause."""
    rules = CONFIG.read_text(encoding="utf-8").partition("inhibit_rules:")[2]
    named = set(re.findall(r"Relayd\w+", rules)) - {"Relayd"}
    assert "RelaydConsumerStalled" in named
    assert set() == named - {*ALERTS}


async def test_who_is_told_the_cause_is_not_told_what_follows() -> None:
    """Of the same instance only; what is said of all instances together is said."""
    with PrivateAlertmanager() as manager:
        job = {"job": "relayd", "severity": "page"}
        a, b = {**job, "instance": "a"}, {**job, "instance": "b"}
        manager.fire(
            {"alertname": "RelaydDown", **a},
            {"alertname": "RelaydLagHigh", **a},
            {"alertname": "RelaydLagHigh", **b},
            {"alertname": "RelaydBrokerDisconnected", **b},
            {"alertname": "RelaydCanaryLate", **b},
            {"alertname": "RelaydRedisDown", **b},
            {"alertname": "RelaydDeliveryBurnFast", **job},
            {"alertname": "RelaydDeliveryBurnSlow", **job},
            {"alertname": "RelaydDeliveryBurnMedium", **job, "job": "staging"},
            {"alertname": "RelaydHandshakeBurnMedium", **job},
            {"alertname": "RelaydHandshakeBurnSlow", **job},
        )
        await until(lambda: len(manager.told()[1]) == 5)
        told, explained = manager.told()
    assert {
        ("RelaydLagHigh", "a"),
        ("RelaydLagHigh", "b"),
        ("RelaydCanaryLate", "b"),
        ("RelaydDeliveryBurnSlow", ""),
        ("RelaydHandshakeBurnSlow", ""),
    } == explained
    assert {
        ("RelaydDown", "a"),
        ("RelaydBrokerDisconnected", "b"),
        ("RelaydRedisDown", "b"),
        ("RelaydDeliveryBurnFast", ""),
        ("RelaydDeliveryBurnMedium", ""),
        ("RelaydHandshakeBurnMedium", ""),
    } == told
