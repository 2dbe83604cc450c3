"""How a relay is started: by a service manager, behind a unix socket, from a checkout."""

import asyncio
import json
import re
import signal
import socket
import sys
from pathlib import Path

import aiohttp

from tests.harness.daemon import PrivateRelay
from tests.harness.process import Process, free_port
from tests.harness.viewer import log

ROOT = Path(__file__).parents[2]


def test_a_service_manager_is_told_of_every_turn(tmp_path: Path) -> None:
    """READY once it serves, WATCHDOG while its loop keeps up, RELOADING and READY, STOPPING with the time it needs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)

        def until(word: str) -> str:
            """Return the next datagram that begins with a word; the signs of life between are passed over."""
            while True:
                said = manager.recv(4_096).decode()
                if said.startswith(word):
                    return said
                assert said == "WATCHDOG=1", said

        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        with PrivateRelay(folder=tmp_path, env=env) as relay:
            assert "READY=1\nSTATUS=serving" == until("READY=1")
            assert "WATCHDOG=1" == until("WATCHDOG=1") == until("WATCHDOG=1")
            relay.hup()
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", until("RELOADING=1"))
            until("READY=1")
            relay.process.send(signal.SIGINT)
            assert "STOPPING=1\nSTATUS=draining" == until("STOPPING=1")
            assert int(until("EXTEND_TIMEOUT_USEC=").partition("=")[2]) > 1_000_000
            assert 0 == relay.process.wait()


async def test_a_unix_socket_serves_and_is_taken_again_after_a_crash(tmp_path: Path) -> None:
    """The folder says who may come near; what a crash left behind is no obstacle."""
    path, admin = tmp_path / "relayd.sock", tmp_path / "admin.sock"
    overrides = {"server": {"socket": str(path)}, "admin": {"socket": str(admin)}}
    relay = PrivateRelay(overrides, folder=tmp_path)
    try:
        for turn in range(2):
            known = len(relay.lines)
            relay.process.start()
            await asyncio.to_thread(relay.wait_for_line, "started", after=known)
            assert 0o660 == path.stat().st_mode & 0o777 == admin.stat().st_mode & 0o777
            headers = {"Authorization": f"Bearer {relay.token(worker=True)}"}
            connector = aiohttp.UnixConnector(str(path))
            async with aiohttp.ClientSession("http://relay", connector=connector, headers=headers) as http:
                async with http.post("/v1/internal/events", data=json.dumps(log("p", "one"))) as answer:
                    assert 200 == answer.status
                async with http.get("/v1/public/agent-swarms/projects/p/logs") as answer:
                    assert turn + 1 == len((await answer.json())["logs"])
            relay.kill()
            assert path.exists()
    finally:
        relay.close()


async def test_make_run_shows_a_swarm_at_work(tmp_path: Path) -> None:
    """The development configuration prints one line with a token that is ready, and a project that moves."""
    port = free_port()
    (tmp_path / "var").mkdir()
    child = Process(
        [sys.executable, "-m", "relayd", "serve", "--config", str(ROOT / "config" / "development.toml")],
        folder=tmp_path,
        name="relayd",
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "RELAYD_SERVER__PORT": str(port),
            "RELAYD_ADMIN__PORT": "0",
            "RELAYD_SERVER__DRAIN_SECONDS": "0",
        },
    )
    with child:
        child.wait_for_output("relayd tail demo-shop --url")
        (line,) = [line for line in child.output.splitlines() if line.startswith("relayd is ready")]
        token = line.partition("export TOKEN=")[2].partition(" ")[0]
        assert f"ws://127.0.0.1:{port}/ws/admin/agent-swarm/demo-shop" in line
        address = f"http://127.0.0.1:{port}/v1/public/agent-swarms/projects/demo-shop/events"
        query = {"token": token, "after": "0", "wait": "20"}
        async with aiohttp.ClientSession() as http, http.get(address, params=query) as answer:
            assert 200 == answer.status, await answer.text()
            assert (await answer.json())["messages"]
        assert 0 == await asyncio.to_thread(child.stop)
