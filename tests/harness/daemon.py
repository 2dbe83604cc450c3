"""A whole relay as its own process: a real `relayd serve` on free ports, in a folder that goes away."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from tests.harness.disk import SmallDisk
from tests.harness.process import Process, Whole, free_port
from tests.harness.settled import Addresses, Event, Tables, merged, write_settings

__all__ = ["PrivateRelay"]

PAUSE = 0.03
START_SECONDS = 60
"""A busy machine may take ten times the usual two seconds."""


TOKEN = re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}")
"""A signed token, whosever it is: after every test with a relay everything that the relay wrote is searched for one."""


class PrivateRelay(Whole, Addresses):
    """
    One relay; `start`, `stop`, `kill` and `restart` may follow one another, its journal stays until `close`.

    `overrides` are tables of the configuration file; with `rabbitmq` (an AMQP URL) its log is a stream that it makes.
    `env` is added to its environment, what it holds of RELAYD_… and NOTIFY_SOCKET else stays outside.  With a `disk`
    (mounted) its journal is there.  It is what `python` finds as `relayd`: this checkout's, but where `env` has another
    PYTHONPATH.
    """

    def __init__(
        self,
        overrides: Tables | None = None,
        *,
        rabbitmq: str | None = None,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        disk: SmallDisk | None = None,
        python: str | Path = sys.executable,
    ) -> None:
        """Choose ports, make the folder and write the configuration."""
        self.port, self.admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self._kept = folder is not None
        self.folder = Path(tempfile.mkdtemp(prefix="relayd-")) if folder is None else folder
        self.rabbitmq = rabbitmq
        self._tables = merged(
            {"server": {"port": self.port}, "admin": {"port": self.admin_port}},
            {"source": {"use": "rabbitmq"}, "sources.rabbitmq": {"url": rabbitmq, "create": True}} if rabbitmq else {},
            {} if disk is None else {"journal": {"path": disk.path / "relayd.db"}},
            overrides or {},
        )
        self.config = write_settings(self.folder, self._tables)
        outside = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RELAYD_", "NOTIFY_", "WATCHDOG_", "CREDENTIALS_"))
        }
        argv = [str(python), "-m", "relayd", "serve", "--config", str(self.config)]
        self.process = Process(
            argv if disk is None else disk.inside(argv),
            folder=self.folder,
            name="relayd",
            env={**outside, "PYTHONPATH": str(Path(__file__).parents[2]), **(env or {})},
        )

    async def __aenter__(self) -> Self:
        """Start it while the event loop goes on."""
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *_: object) -> None:
        """Kill it and remove what it wrote."""
        await asyncio.to_thread(self.close)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[Self]:
        """Start it, ready or not, and kill it at the end, instead of `async with` the relay itself."""
        try:
            await self.start_async(ready=False)
            yield self
        finally:
            await asyncio.to_thread(self.close)

    # -- its life -----------------------------------------------------------------------------------------------

    def start(self, *, ready: bool = True) -> None:
        """Start it and return when it is ready, or with `ready` False when it answers; raises RuntimeError."""
        self.process.start()
        deadline = time.monotonic() + START_SECONDS
        while self.probe("/readyz" if ready else "/livez") != 200:
            if not self.process.alive or time.monotonic() > deadline:
                raise RuntimeError(f"relayd was not ready in time; it printed:\n{self.process.output}")
            time.sleep(PAUSE)

    def stop(self) -> int:
        """Ask it to end with SIGTERM and return its exit status (negative: a signal)."""
        return self.process.stop()

    def kill(self) -> None:
        """End it at once, with SIGKILL."""
        self.process.kill()

    def restart(self) -> None:
        """Stop it and start it again on the same ports, journal and configuration; raises RuntimeError."""
        if (status := self.stop()) != 0:
            raise RuntimeError(f"relayd ended with {status}; it printed:\n{self.process.output}")
        self.start()

    def hup(self) -> None:
        """Let it read its configuration again."""
        self.process.send(signal.SIGHUP)

    async def start_async(self, *, ready: bool = True) -> None:
        """Start it while the event loop goes on."""
        await asyncio.to_thread(self.start, ready=ready)

    async def stop_async(self) -> int:
        """Stop it while the event loop goes on."""
        return await asyncio.to_thread(self.stop)

    async def restart_async(self) -> None:
        """Stop it and start it again while the event loop goes on."""
        await asyncio.to_thread(self.restart)

    def close(self) -> None:
        """End it and its folder; raises AssertionError when a token stands in anything that it wrote."""
        self.kill()
        written = [path for path in (self.process.printed, *self.folder.rglob("*")) if path.is_file()]
        telling = [path.name for path in written if TOKEN.search(path.read_bytes())]
        if not self._kept:
            shutil.rmtree(self.folder, ignore_errors=True)
        assert [] == telling, f"a token stands in {telling}"

    def configure(self, overrides: Tables) -> None:
        """Write its configuration anew, with these tables on top; it takes effect by `hup` or `restart`."""
        self._tables = merged(self._tables, overrides)
        write_settings(self.folder, self._tables)

    # -- what it tells ------------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        """What it printed since the first start, errors included."""
        return self.process.printed.read_text(errors="replace") if self.process.printed.exists() else ""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of its log, in JSON."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def wait_for_line(self, event: str, *, after: int = 0, seconds: float = 30) -> dict[str, Any]:
        """Return the first log line of that name behind `after` lines; raises RuntimeError when time is up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self.lines[after:]:
                if line["event"] == event:
                    return line
            time.sleep(PAUSE)
        raise RuntimeError(f"no {event!r} in its log; it printed:\n{self.log}")

    def probe(self, path: str) -> int:
        """Return the status of an answer of the admin listener, 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.admin_url}{path}", timeout=5) as answer:  # noqa: S310 - our own
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def readiness(self, check: str = "source") -> tuple[int, str]:
        """Return the status of `/readyz`, and why the source (or another) is not ready, or what is amiss with it."""
        try:
            with urllib.request.urlopen(f"{self.admin_url}/readyz", timeout=5) as answer:  # noqa: S310 - our own
                return answer.status, json.loads(answer.read())["notes"].get(check, "")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())["reasons"].get(check, "")

    def metric(self, name: str) -> float:
        """Return a figure of its metrics, by name with labels as they are printed; 0 when there is none."""
        with urllib.request.urlopen(f"{self.admin_url}/metrics", timeout=5) as answer:  # noqa: S310 - our own
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.rpartition(" ")[2])
        return 0.0

    def wait_for_metric(self, name: str, least: float, *, seconds: float = 30) -> None:
        """Return when a figure is that high; raises RuntimeError when time is up."""
        deadline = time.monotonic() + seconds
        while (found := self.metric(name)) < least:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} is {found:g} after {seconds:g} s, not {least:g}")
            time.sleep(PAUSE)

    # -- what it is told ----------------------------------------------------------------------------------------

    async def publish(self, events: Event | Sequence[Event], *, message_id: str | None = None) -> dict[str, Any]:
        """Publish events as one body and return when they are durable: the ingest's answer, empty for RabbitMQ."""
        body = json.dumps(events).encode()
        if self.rabbitmq is not None:
            first = events if isinstance(events, dict) else events[0]
            settings = RabbitSettings.model_validate({"url": self.rabbitmq})
            async with Publisher(settings) as publisher:
                await publisher.publish(first["project_id"], first["type"], body, message_id=message_id)
            return {}
        headers = {"Authorization": f"Bearer {self.token('worker', worker=True)}", "Content-Type": "application/json"}
        if message_id is not None:
            headers["Message-Id"] = message_id
        async with (
            aiohttp.ClientSession() as http,
            http.post(self.ingest, data=body, headers=headers) as answer,
        ):
            if answer.status != 200:
                raise RuntimeError(f"ingest answered {answer.status}: {await answer.text()}")
            receipt: dict[str, Any] = await answer.json()
            return receipt
