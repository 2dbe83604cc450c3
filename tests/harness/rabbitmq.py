"""
A RabbitMQ of the tests' own: free ports on the loopback, a folder that goes away, its own epmd, nothing left behind.

Debian's wrapper script changes to the user `rabbitmq` when root calls it, and then can't write to root's folder; so the
program below it is called.  RabbitMQ would start an epmd as a daemon of its own and leave it; so one is started first,
on a port of its own.
"""

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from tests.harness.process import MEND, Process, Whole, free_port

__all__ = ["PrivateRabbit"]

BIN = Path("/usr/lib/rabbitmq/bin")
READY = "Starting broker... completed"
START_SECONDS = 90
"""A busy machine may take ten times the usual five seconds."""

LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"
CTL_PORTS = 20
"""How many `ctl` may run at once: each listens on a port of this range."""

KEEPER = b"rabbit_stream_coordinator"
REGISTRY_SECONDS = 30

CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{port}
log.console = false
log.file.level = info
"""

GRANT = """\
case rabbit_vhost:exists(<<"{name}">>) of true -> ok; false -> rabbit_vhost:add(<<"{name}">>, <<"tests">>) end,
rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).
"""


ALARMS = {
    "memory": (("set_vm_memory_high_watermark", "0.0000001"), ("set_vm_memory_high_watermark", "0.4")),
    "disk": (("set_disk_free_limit", "1000000GB"), ("set_disk_free_limit", "50MB")),
}
"""How an alarm is raised, and how the broker's own value is set again."""

GRANT_SOME = """\
case rabbit_auth_backend_internal:exists(<<"{user}">>) of
  true -> ok;
  false -> rabbit_auth_backend_internal:add_user(<<"{user}">>, <<"{user}">>, <<"tests">>)
end,
rabbit_auth_backend_internal:set_permissions(
  <<"{user}">>, <<"{vhost}">>, <<"{configure}">>, <<"{write}">>, <<".*">>, <<"tests">>
).
"""


SUSPEND = """\
Suspended = [begin ok = sys:suspend(Channel), Channel end
  || Channel <- rabbit_channel:list_local(),
     Told <- [rabbit_channel:info(Channel, [vhost, consumer_count])],
     proplists:get_value(vhost, Told) =:= <<"{name}">>,
     proplists:get_value(consumer_count, Told) > 0],
length(Suspended).
"""
FORGET_COUNT = """\
ets:delete(queue_coarse_metrics, rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)).
"""
RESUME = "[catch sys:resume(Channel) || Channel <- rabbit_channel:list_local()], ok."


class PrivateRabbit(Whole):
    """One broker; `start`, `stop` and `kill` may follow one another, its data stays until `close`."""

    def __init__(self, *, beside: "PrivateRabbit | None" = None) -> None:
        """
        Choose ports and make the folder; raises RuntimeError with the mend when RabbitMQ is not installed.

        One `beside` another knows its secret and its epmd, so that they can be a cluster; it is closed first.
        """
        if not (BIN / "rabbitmq-server").exists():
            raise RuntimeError(f"RabbitMQ is not installed, and this test runs the real one; {MEND}")
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="relayd-rabbitmq-"))
        epmd = str(free_port()) if beside is None else beside.env["ERL_EPMD_PORT"]
        self.env: dict[str, str] = self._environment(epmd, free_port(), free_port())
        (self.folder / "rabbitmq.conf").write_text(CONFIG.format(port=self.port))
        (self.folder / "enabled_plugins").write_text("[].")
        cookie = self.folder / ".erlang.cookie"
        self.secret: str = secrets.token_hex(16) if beside is None else beside.secret
        cookie.write_text(self.secret)
        cookie.chmod(0o400)
        self._beside = beside
        self.epmd: Process = Process(["epmd"], folder=self.folder, env=self.env) if beside is None else beside.epmd
        self.broker = Process([str(BIN / "rabbitmq-server")], folder=self.folder, name="broker", env=self.env)

    @property
    def url(self) -> str:
        """The AMQP URL of the first virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def node(self) -> str:
        """Its name in a cluster."""
        return self.env["RABBITMQ_NODENAME"]

    @property
    def alive(self) -> bool:
        """Whether the broker's process runs."""
        return self.broker.alive

    @property
    def log(self) -> str:
        """What the broker logged since the beginning."""
        return "".join(path.read_text(errors="replace") for path in sorted((self.folder / "log").glob("*.log")))

    def start(self) -> None:
        """Start it and return when it takes connections; raises RuntimeError with what it printed."""
        if not self.epmd.alive:
            self.epmd.start()
            self.epmd.wait_for_port(int(self.env["ERL_EPMD_PORT"]))
        self.broker.start()
        self.broker.wait_for_output(READY, START_SECONDS)

    def stop(self) -> None:
        """Stop it in order, its data synced."""
        self.broker.stop(START_SECONDS)

    def kill(self) -> None:
        """End it as the kernel would for want of memory: SIGKILL to its process group."""
        self._wait_for_registry()
        self.broker.kill()

    def close(self) -> None:
        """End it, its epmd, and its folder."""
        self.broker.kill()
        if self._beside is None:
            self.epmd.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl (about a second) and return what it printed; raises RuntimeError when it fails."""
        done = subprocess.run(
            [BIN / "rabbitmqctl", "--quiet", *arguments],
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def vhost(self, name: str) -> str:
        """Make a virtual host unless there is one, and return its AMQP URL; tests in different ones don't meet."""
        self.ctl("eval", GRANT.format(name=name))
        return f"{self.url}{quote(name, safe='')}"

    def reader(self, vhost: str) -> str:
        """Make a user who may read in a virtual host and not write, and return its AMQP URL there."""
        return self.user("reader", vhost)

    def user(self, name: str, vhost: str, *, configure: str = "", write: str = "") -> str:
        """Make a user who may read all of a virtual host and do what these patterns say; return its AMQP URL there."""
        self.ctl("eval", GRANT_SOME.format(user=name, vhost=vhost, configure=configure, write=write))
        return f"{self.url.replace('guest:guest', f'{name}:{name}')}{quote(vhost, safe='')}"

    async def start_async(self) -> None:
        """Start it while the event loop goes on."""
        await asyncio.to_thread(self.start)

    async def stop_async(self) -> None:
        """Stop it while the event loop goes on."""
        await asyncio.to_thread(self.stop)

    async def kill_async(self) -> None:
        """Kill it while the event loop goes on."""
        await asyncio.to_thread(self.kill)

    async def ctl_async(self, *arguments: str) -> str:
        """Run rabbitmqctl while the event loop goes on."""
        return await asyncio.to_thread(self.ctl, *arguments)

    @asynccontextmanager
    async def forgetting_consumers(self, vhost: str) -> AsyncIterator[None]:
        """
        Let the broker forget the consumers that a virtual host has now: their channels do nothing more.

        Connections and their other channels are well, heartbeats come and go.
        """
        try:
            assert int(await self.ctl_async("eval", SUSPEND.format(name=vhost))), f"nobody consumes in {vhost}"
            yield
        finally:
            await self.ctl_async("eval", RESUME)

    async def forget_count(self, vhost: str, queue: str) -> None:
        """Let the broker count no messages in a stream until its next count, as right after they were written."""
        await self.ctl_async("eval", FORGET_COUNT.format(vhost=vhost, queue=queue))

    @asynccontextmanager
    async def alarmed(self, kind: str) -> AsyncIterator[None]:
        """Let the broker be short of `memory` or `disk` for a while; whatever happens, it is well again afterwards."""
        alarm, well = ALARMS[kind]
        try:
            await self.ctl_async(*alarm)
            yield
        finally:
            await self.ctl_async(*well)

    def _wait_for_registry(self) -> None:
        """
        Return when the keeper of streams, born with the first stream, is registered on disk: a second after its birth.

        Killed before that, RabbitMQ 3.10 comes back with its streams and nobody to run them, for ever "down or
        inaccessible"; that is a fault of the broker's own, and none that any test here is about.
        """
        deadline = time.monotonic() + REGISTRY_SECONDS
        for born in (self.folder / "data").glob("*/coordination/*/meta.dets"):
            registry = born.with_name("names.dets")
            while self.alive and KEEPER in born.read_bytes() and KEEPER not in registry.read_bytes():
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the broker has not registered its streams after {REGISTRY_SECONDS} s")
                time.sleep(0.05)

    def _environment(self, epmd: str, distribution: int, ctl: int) -> dict[str, str]:
        """Return the environment of all three programs: nothing of this machine's own RabbitMQ reaches them."""
        ctl = min(ctl, 65_535 - CTL_PORTS)
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": epmd,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"relayd-{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            # With this the script becomes the broker instead of its parent: its process id is the broker's.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": LOOPBACK_ONLY,
            "RABBITMQ_CTL_ERL_ARGS": LOOPBACK_ONLY,
            "RABBITMQ_CTL_DIST_PORT_MIN": str(ctl),
            "RABBITMQ_CTL_DIST_PORT_MAX": str(ctl + CTL_PORTS),
        }
