"""A private RabbitMQ as the log, on the load's core, and nginx in front of the relay."""

from pathlib import Path

from benchmarks.measure.processes import pinned
from benchmarks.servers.server import Missing, Started, found
from tests.harness.process import free_port
from tests.harness.rabbitmq import PrivateRabbit

__all__ = ["Nginx", "private_rabbit"]

NGINX_CONFIG = """\
daemon off;
master_process off;
worker_rlimit_nofile 19000;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 18000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_buffering off;
        }}
    }}
}}
"""


def private_rabbit(core: int) -> PrivateRabbit:
    """Return a broker that is not yet started; raises Missing."""
    try:
        rabbit = PrivateRabbit()
    except RuntimeError as error:
        raise Missing("RabbitMQ is not installed (scripts/install-bench installs it)") from error
    rabbit.broker.argv = [found("taskset"), *pinned(core, rabbit.broker.argv)[1:]]
    return rabbit


class Nginx(Started):
    """A reverse proxy with one worker."""

    name = "nginx"

    def __init__(self, folder: Path, core: int, behind: int) -> None:
        """Stand in front of a port."""
        super().__init__(folder, core)
        self.port = free_port()
        self._behind = behind

    def start(self) -> None:
        """Start it; raises Missing."""
        program = found("nginx")
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nginx.conf"
        config.write_text(NGINX_CONFIG.format(folder=self.folder, port=self.port, behind=self._behind))
        errors = str(self.folder / "error.log")
        self.launch([program, "-c", str(config), "-p", str(self.folder), "-e", errors], self.port)
