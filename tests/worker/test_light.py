"""What a swarm process pays for importing the worker's side."""

import subprocess
import sys
from pathlib import Path

import pytest

import relayd.worker

SERVER = {"aiohttp", "aiosqlite", "cryptography", "jwt", "prometheus_client", "pydantic", "redis", "rich", "sqlite3",
          "structlog", "typer", "uvloop"}  # fmt: skip
"""Libraries of the server."""

ROOMS = {"relayd", "relayd.worker"}

MODULES = sorted(path.stem for path in Path(relayd.worker.__path__[0]).glob("[!_]*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_a_worker_s_module_brings_nothing_of_the_server(module: str) -> None:
    """No library and no room of it; what a worker must install is AMQP and JSON."""
    program = f"import sys, relayd.worker.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded = done.stdout.split()
    assert f"relayd.worker.{module}" in loaded
    assert set() == SERVER & {name.partition(".")[0] for name in loaded}
    assert ROOMS == {name for name in loaded if name.startswith("relayd") and name.count(".") < 2}
