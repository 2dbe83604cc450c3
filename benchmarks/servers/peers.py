"""The peers: each as its own documentation tells to run it for a broadcast, private, on one core."""

import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from benchmarks.load import Request
from benchmarks.publish.feed import Sink
from benchmarks.publish.sinks import (
    AmqpSink,
    HttpSink,
    NatsSink,
    NchanSink,
    SocketSink,
    client_frame,
    websocket_request,
)
from benchmarks.servers.rabbit import private_rabbit
from benchmarks.servers.server import Missing, Peer, Started, found
from tests.harness.process import free_port
from tests.harness.rabbitmq import PrivateRabbit

__all__ = ["PEERS", "NaiveAiohttp", "Nats", "Nchan", "WebStomp", "WebsocketsBroadcast"]

PROGRAMS = Path(__file__).parent / "programs"
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

NCHAN_CONFIG = """\
load_module {module};
daemon off;
master_process off;
worker_rlimit_nofile 19000;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 18000; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_max_reserved_memory 512M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /publish {{ nchan_publisher http; nchan_channel_id bench; nchan_message_buffer_length 1000; }}
        location = /watch {{
            nchan_subscriber websocket;
            nchan_channel_id bench;
            nchan_subscriber_first_message newest;
        }}
    }}
}}
"""

NATS_CONFIG = """\
listen: "127.0.0.1:{port}"
max_connections: 19000
websocket {{ listen: "127.0.0.1:{websocket}", no_tls: true }}
"""

STOMP_CONFIG = """
stomp.listeners.tcp.1 = 127.0.0.1:{stomp}
web_stomp.tcp.ip = 127.0.0.1
web_stomp.tcp.port = {port}
"""


class Python(Started):
    """A program of ours in Python."""

    program: str

    def __init__(self, folder: Path, core: int) -> None:
        """Choose a port."""
        super().__init__(folder, core)
        self.port = free_port()

    def start(self) -> None:
        """Start it."""
        self.launch([sys.executable, str(PROGRAMS / self.program), str(self.port)], self.port)

    def requests(self, count: int) -> list[Request]:
        """Return what that many viewers send."""
        return [Request(websocket_request("/watch"))] * count


class NaiveAiohttp(Python):
    """What one writes first: `await ws.send_str(...)` for each viewer."""

    name = "aiohttp, await ws.send_str per viewer"
    program = "naive.py"

    def sink(self) -> AbstractAsyncContextManager[Sink]:
        """Return arrays over HTTP."""
        return HttpSink(self.port, "/publish")


class WebsocketsBroadcast(Python):
    """The library's own `broadcast`."""

    name = "Python websockets, broadcast()"
    program = "broadcast.py"

    def sink(self) -> AbstractAsyncContextManager[Sink]:
        """Return a WebSocket."""
        return SocketSink(self.port)


class Nchan(Started):
    """nginx with Debian's module."""

    name = "nchan (C, nginx)"

    def start(self) -> None:
        """Start one worker; raises Missing."""
        nginx = found("nginx")
        if not NCHAN_MODULE.exists():
            raise Missing("nchan is not installed (scripts/install-bench installs libnginx-mod-nchan)")
        self.port = free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nginx.conf"
        config.write_text(NCHAN_CONFIG.format(module=NCHAN_MODULE, folder=self.folder, port=self.port))
        errors = str(self.folder / "error.log")
        self.launch([nginx, "-c", str(config), "-p", str(self.folder), "-e", errors], self.port)

    def requests(self, count: int) -> list[Request]:
        """Return what that many viewers send."""
        return [Request(websocket_request("/watch"))] * count

    def sink(self) -> AbstractAsyncContextManager[Sink]:
        """Return a POST an event."""
        return NchanSink(self.port, "/publish")


class Nats(Started):
    """nats-server with its WebSocket listener."""

    name = "nats-server WebSocket (Go)"

    def start(self) -> None:
        """Start it; raises Missing."""
        program = found("nats-server")
        self.port, self.tcp = free_port(), free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nats.conf"
        config.write_text(NATS_CONFIG.format(port=self.tcp, websocket=self.port))
        self.launch([program, "--config", str(config)], self.port)

    def requests(self, count: int) -> list[Request]:
        """Return viewers that subscribe once they are upgraded."""
        said = client_frame(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB bench 1\r\n', opcode=2)
        return [Request(websocket_request("/"), said)] * count

    def sink(self) -> AbstractAsyncContextManager[Sink]:
        """Return `PUB` over TCP."""
        return NatsSink(self.tcp)


class WebStomp(Started):
    """RabbitMQ with its Web STOMP plug-in: a queue for each viewer."""

    name = "RabbitMQ Web STOMP (Erlang)"
    handshakes = 20

    def __init__(self, folder: Path, core: int) -> None:
        """Prepare; the broker has a folder of its own."""
        super().__init__(folder, core)
        self._rabbit: PrivateRabbit | None = None

    def start(self) -> None:
        """Start a broker; raises Missing."""
        rabbit = private_rabbit(self.core)
        self.port = free_port()
        (rabbit.folder / "enabled_plugins").write_text("[rabbitmq_web_stomp].")
        with (rabbit.folder / "rabbitmq.conf").open("a") as config:
            config.write(STOMP_CONFIG.format(stomp=free_port(), port=self.port))
        self._rabbit = rabbit
        try:
            rabbit.start()
            rabbit.broker.wait_for_port(self.port)
        except BaseException:
            rabbit.close()
            raise
        self.process = rabbit.broker

    def stop(self) -> None:
        """End the broker."""
        if self._rabbit is not None:
            self._rabbit.close()
            self._rabbit = None

    def requests(self, count: int) -> list[Request]:
        """Return viewers that subscribe to a topic once they are upgraded."""
        said = client_frame(b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0") + client_frame(
            b"SUBSCRIBE\nid:0\ndestination:/topic/bench\nack:auto\n\n\0"
        )
        return [Request(websocket_request("/ws", {"Sec-WebSocket-Protocol": "v12.stomp"}), said)] * count

    def sink(self) -> AbstractAsyncContextManager[Sink]:
        """Return AMQP."""
        assert self._rabbit is not None
        return AmqpSink(self._rabbit.url, "amq.topic", "bench")


PEERS: dict[str, Peer] = {
    "naive": NaiveAiohttp,
    "websockets": WebsocketsBroadcast,
    "nchan": Nchan,
    "nats": Nats,
    "webstomp": WebStomp,
}
