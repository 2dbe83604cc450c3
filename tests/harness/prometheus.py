"""A Prometheus of the tests' own, and its Alertmanager: free ports on the loopback, folders that go away."""

import json
import shutil
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.harness.process import Process, Whole, free_port

__all__ = ["DEPLOYED", "PrivateAlertmanager", "PrivatePrometheus", "Sample"]

DEPLOYED = Path(__file__).parents[2] / "deploy" / "prometheus"
"""The folder of what is shipped."""

START_SECONDS = 60
PAUSE = 0.05

CONFIG = """\
global:
  scrape_interval: {seconds}s
  scrape_timeout: {seconds}s
  evaluation_interval: {seconds}s
rule_files: ["{rules}"]
scrape_configs:
  - job_name: relayd
    static_configs:
      - targets: {targets}
"""

Sample = tuple[Mapping[str, str], float]
"""Labels and value."""


class Answering(Whole):
    """A server of the Prometheus family: ready when it says so, asked over HTTP in JSON."""

    process: Process
    folder: Path
    port: int

    def start(self) -> None:
        """Start it and return when it is ready; raises RuntimeError with what it printed."""
        self.process.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if not self.process.alive or time.monotonic() > deadline:
                raise RuntimeError(f"{self.process.name} was not ready in time; it printed:\n{self.process.output}")
            time.sleep(PAUSE)

    def close(self) -> None:
        """End it and its folder."""
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, path: str, *, body: object = None, **query: object) -> Any:  # noqa: ANN401  # whatever it says
        """Return what it answers, in JSON; raises RuntimeError with its own words when it refuses."""
        address = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data=data, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(f"{query or path}: {error.read().decode(errors='replace')}") from None

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            pass
        return False


class PrivatePrometheus(Answering):
    """One that scrapes relays, each `seconds`, as the job that the shipped rules name, and evaluates those rules."""

    def __init__(
        self, targets: Sequence[str], *, seconds: int = 1, rules: Path = DEPLOYED / "relayd.rules.yml"
    ) -> None:
        """Write its configuration for targets as `host:port`; raises RuntimeError with the mend if there is none."""
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="relayd-prometheus-"))
        config = self.folder / "prometheus.yml"
        config.write_text(CONFIG.format(seconds=seconds, rules=rules, targets=json.dumps(list(targets))))
        options = {
            "config.file": config,
            "storage.tsdb.path": self.folder / "data",
            "web.listen-address": f"127.0.0.1:{self.port}",
        }
        try:
            arguments = [f"--{name}={value}" for name, value in options.items()]
            self.process = Process(["prometheus", *arguments], folder=self.folder)
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def query(self, expression: str) -> list[Sample]:
        """Return what an expression is now; raises RuntimeError when it makes no sense."""
        data = self.ask("/api/v1/query", query=expression)["data"]
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    def course(self, expression: str, *, begin: float, end: float, step: float) -> list[tuple[Mapping[str, str], Any]]:
        """Return labels and (Unix seconds, value) of each series between two moments, `step` seconds apart."""
        asked = {"query": expression, "start": begin, "end": end, "step": step}
        result = self.ask("/api/v1/query_range", **asked)["data"]["result"]
        return [(one["metric"], [(float(at), float(value)) for at, value in one["values"]]) for one in result]

    def names(self) -> set[str]:
        """Return the names of all series that it has seen."""
        return {*self.ask("/api/v1/label/__name__/values")["data"]}

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules, alerts and recordings, with their health and last error."""
        groups = self.ask("/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


class PrivateAlertmanager(Answering):
    """One with the shipped configuration, alone, whose messages reach nobody."""

    def __init__(self) -> None:
        """Choose a port and make the folder; raises RuntimeError with the mend when it is not installed."""
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="relayd-alertmanager-"))
        options = {
            "config.file": DEPLOYED / "alertmanager.yml",
            "storage.path": self.folder / "data",
            "web.listen-address": f"127.0.0.1:{self.port}",
            "cluster.listen-address": "",
        }
        try:
            arguments = [f"--{name}={value}" for name, value in options.items()]
            self.process = Process(["prometheus-alertmanager", *arguments], folder=self.folder)
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def fire(self, *alerts: Mapping[str, str]) -> None:
        """Take alerts, by their labels."""
        self.ask("/api/v2/alerts", body=[{"labels": labels} for labels in alerts])

    def told(self) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        """Return (alert, instance) of those that somebody is told, and of those that another alert explains."""
        alerts = self.ask("/api/v2/alerts")
        explained = {named(alert["labels"]) for alert in alerts if alert["status"]["inhibitedBy"]}
        return {named(alert["labels"]) for alert in alerts} - explained, explained


def named(labels: Mapping[str, str]) -> tuple[str, str]:
    """Return which alert it is, and of which instance, if of one."""
    return labels["alertname"], labels.get("instance", "")
