"""Stages the incident, keeps what was seen and draws it (`draw`: only that); `make bench` installs what that needs."""

import asyncio
import json
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.incident.picture import KEPT, draw, read
from benchmarks.incident.stage import staged
from relayd import __version__
from tests.harness.process import find


def main(arguments: list[str]) -> int:
    """Do it; the exit status is that of a program that was used rightly or not."""
    if arguments not in ([], ["draw"]):
        print("usage: python -m benchmarks.incident [draw]", file=sys.stderr)
        return 64
    if not arguments:
        with tempfile.TemporaryDirectory() as folder:
            incident = asyncio.run(staged(Path(folder)))
        kept = {"when": datetime.now(UTC).strftime("%Y-%m-%d"), "with": versions(), "incident": incident}
        KEPT.write_text(json.dumps(msgspec.to_builtins(kept)) + "\n", encoding="utf-8")
    draw(read())
    return 0


def versions() -> dict[str, str]:
    """Return what it was seen with."""
    prometheus = subprocess.run([find("prometheus"), "--version"], capture_output=True, text=True, check=True)
    rabbitmq = next(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")).name.rpartition("-")[2]
    return {
        "relayd": __version__,
        "Python": platform.python_version(),
        "Prometheus": (prometheus.stdout + prometheus.stderr).split()[2],
        "RabbitMQ": rabbitmq,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
