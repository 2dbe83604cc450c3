"""A Redis of the tests' own: a free port on the loopback, a folder that goes away, nothing kept on disk."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.harness.process import Process, Whole, free_port

__all__ = ["PrivateRedis"]

READY = "Ready to accept connections"


class PrivateRedis(Whole):
    """One server; `start`, `stop` and `kill` may follow one another, and each start finds it empty."""

    def __init__(self) -> None:
        """Choose a port and make the folder; raises RuntimeError with the mend when Redis is not installed."""
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="relayd-redis-"))
        self.socket = self.folder / "redis.sock"
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "unixsocket": str(self.socket),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        try:
            self.process = Process(["redis-server", *arguments], folder=self.folder, name="redis", env={})
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, and return when it takes connections; raises RuntimeError with what it printed."""
        self.process.start()
        self.process.wait_for_output(READY)

    def stop(self) -> None:
        """Stop it in order."""
        self.process.stop()

    def kill(self) -> None:
        """End it as the kernel would for want of memory: SIGKILL."""
        self.process.kill()

    def close(self) -> None:
        """End it and its folder."""
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def start_async(self) -> None:
        """Start it while the event loop goes on."""
        await asyncio.to_thread(self.start)

    @asynccontextmanager
    async def frozen(self) -> AsyncGenerator[None]:
        """Let it take connections and bytes, as the kernel does for it, and answer nothing until the block ends."""
        self.process.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send(signal.SIGCONT)

    @asynccontextmanager
    async def killed(self) -> AsyncGenerator[None]:
        """Kill it; when the block ends it is there again, and empty, whatever happened."""
        await asyncio.to_thread(self.kill)
        try:
            yield
        finally:
            await self.start_async()
