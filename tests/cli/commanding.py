"""Words of the tests that command: run a command beside the servers it talks to, and see what it printed."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from relayd.cli import main

__all__ = ["KEYS", "SECRET", "Child", "Said", "relayd", "run", "write_config"]

SECRET = "a-secret-of-32-bytes-for-the-tests!"


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str


async def relayd(*arguments: str, capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command in a thread, so that servers of the test go on meanwhile."""
    status = await run(*arguments)
    out, err = capsys.readouterr()
    return Said(status, out, err)


async def run(*arguments: str) -> int:
    """Run a command in a thread and return its status; what it prints is somebody else's business."""
    return await asyncio.to_thread(main, arguments)


KEYS = f'[{{ algorithm = "HS256", key = "{SECRET}" }}]'


def write_config(folder: Path, text: str = "", *, keys: str = KEYS) -> str:
    """Write a configuration that is good unless `text` spoils it, and return its path."""
    path = folder / "relayd.toml"
    path.write_text(f'[auth]\nkeys = {keys}\n[journal]\npath = "{folder}/journal.db"\n{text}', encoding="utf-8")
    path.chmod(0o600)
    return str(path)


class Child:
    """`relayd` as a real process whose output is read while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, *arguments: str, out: int = asyncio.subprocess.PIPE) -> "Child":
        """Start it."""
        command = [sys.executable, "-m", "relayd", *arguments]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
        return cls(
            await asyncio.create_subprocess_exec(*command, stdout=out, stderr=asyncio.subprocess.PIPE, env=environment)
        )

    async def line(self) -> str:
        """Return the next line of its stdout."""
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    async def end(self) -> tuple[int, str]:
        """Return its status and what stood on stderr."""
        assert self.process.stderr is not None
        err = await self.process.stderr.read()
        return await self.process.wait(), err.decode()
