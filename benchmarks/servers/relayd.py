"""The whole daemon: journal on, metrics on, fed by HTTP or by RabbitMQ."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.load import Request
from benchmarks.publish.sinks import HttpSink, client_frame, websocket_request
from benchmarks.servers.server import OpenSink, Started
from relayd.core.access import Viewer
from relayd.identity.jwt import Key, issue
from relayd.protocol.endpoints import PREFIX
from tests.harness.process import Process, free_port

__all__ = ["Relayd"]

SECRET = "a-secret-of-32-bytes-for-benchmarks"  # noqa: S105  # opens nothing that lasts
ROOT = Path(__file__).parents[2]
READY_SECONDS = 120

CONFIG = """\
[server]
port = {port}
max_connections = 19000
drain_seconds = 0
[admin]
port = {admin}
[auth]
keys = [{{ algorithm = "HS256", key = "{secret}" }}]
[journal]
path = "{journal}"
[telemetry]
log_level = "warning"
[limits]
connections_per_user = 1000
viewers_per_project = 0
requests_per_second = 100000
publishes_per_second = 1000000
publish_burst = 1000000
{limits}
[source]
use = "{source}"
{more}
"""

RABBITMQ = """\
[sources.rabbitmq]
url = "{url}"
create = true
"""


class Relayd(Started):
    """One relay; its viewers have each a user of their own."""

    name = "relayd"

    def __init__(
        self, folder: Path, core: int, *, rabbitmq: str | None = None, limits: Mapping[str, int] | None = None
    ) -> None:
        """Read from RabbitMQ at this URL, or take events over HTTP."""
        super().__init__(folder, core)
        self.port = free_port()
        self.admin = free_port()
        self._rabbitmq = rabbitmq
        self._limits = "".join(f"{name} = {value}\n" for name, value in (limits or {}).items())

    def start(self) -> None:
        """Start it and return when it is ready."""
        self.start_timed()

    def start_timed(self) -> float:
        """Start it and return the seconds from the start of its process until it is ready."""
        began = time.monotonic()
        process = self.start_unready()
        while not self.ready():
            if not process.alive or time.monotonic() - began > READY_SECONDS:
                raise RuntimeError(f"relayd is not ready; it printed:\n{process.output}")
            time.sleep(0.01)
        return time.monotonic() - began

    def start_unready(self) -> Process:
        """Start it and return when it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "relayd.toml"
        config.write_text(
            CONFIG.format(
                port=self.port,
                admin=self.admin,
                secret=SECRET,
                journal=self.folder / "relayd.db",
                limits=self._limits,
                source="rabbitmq" if self._rabbitmq else "embedded",
                more=RABBITMQ.format(url=self._rabbitmq) if self._rabbitmq else "",
            )
        )
        config.chmod(0o600)
        env = {name: value for name, value in os.environ.items() if not name.startswith(("RELAYD_", "NOTIFY_"))}
        argv = [sys.executable, "-m", "relayd", "serve", "--config", str(config)]
        return self.launch(argv, self.admin, env={**env, "PYTHONPATH": str(ROOT)})

    def stop_only(self) -> None:
        """End it in order and keep what it wrote."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def kill_only(self) -> None:
        """End it without a word and keep what it wrote."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def ready(self) -> bool:
        """Tell whether it says that it is ready."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        return sum(value for series, value in self.metrics().items() if series.partition("{")[0] == name)

    def metrics(self) -> dict[str, float]:
        """Return all its metrics, by name with labels as they are printed."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=30) as answer:
            lines = [line.rpartition(" ") for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {series: float(value) for series, _, value in lines}

    def newest(self) -> tuple[str, int]:
        """Return the cursor of the newest event of the project `bench`, and that event's number."""
        url = f"http://127.0.0.1:{self.port}{PREFIX}/projects/bench/events?wait=0&tail=1"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token('poller')}"})
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # our own
            told = json.loads(answer.read())
        message = told["messages"][-1]
        return message["id"], int(message["message"].split(":")[1])

    def requests(self, count: int) -> list[Request]:
        """Return viewers of the project `bench`."""
        return [self.viewer(f"viewer-{number}", "bench") for number in range(count)]

    def viewer(self, user: str, project: str, query: str = "tail=0") -> Request:
        """Return one modern viewer of one project."""
        return Request(websocket_request(f"/ws/admin/agent-swarm/{project}?{query}", self.offer(user)))

    def stream(self, user: str, project: str, query: str = "tail=0") -> Request:
        """Return one viewer by server-sent events."""
        return Request(
            f"GET {PREFIX}/projects/{project}/stream?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {token(user)}\r\n\r\n".encode()
        )

    def bundle(self, user: str, projects: Iterable[str]) -> Request:
        """Return one viewer of many projects."""
        said = b"".join(client_frame(f'{{"type":"subscribe","project_id":"{name}"}}'.encode()) for name in projects)
        return Request(websocket_request("/ws/admin/agent-swarm?tail=0", self.offer(user)), said)

    def offer(self, user: str) -> dict[str, str]:
        """Return the headers by which a viewer says who it is."""
        return {"Sec-WebSocket-Protocol": f"relayd.v1, bearer.{token(user)}"}

    def bearer(self, user: str) -> str:
        """Return a viewer's token."""
        return token(user)

    def sink(self) -> OpenSink:
        """Return its ingest over HTTP."""
        return self.http_sink()

    def http_sink(self) -> HttpSink:
        """Return its ingest over HTTP, as what it is."""
        headers = {"Authorization": f"Bearer {token('worker', worker=True)}"}
        return HttpSink(self.port, "/v1/internal/events", headers)


def token(user: str, *, worker: bool = False) -> str:
    """Return a token for an hour and for all projects."""
    now = time.time()
    viewer = Viewer(user=user, expires_at=now + 3600, projects=frozenset({"*"}), worker=worker)
    return issue(Key(algorithm="HS256", material=SECRET), viewer, now=now)
