"""
A private nginx with the configuration that operators get, on free ports, in a folder of its own.

Only addresses, file names and the certificate are replaced, and a replacement that finds nothing is an error: what is
tested here is what is shipped.
"""

import datetime as dt
import ipaddress
import os
import signal
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.harness.process import Process, free_port

__all__ = ["PrivateNginx"]

RELOAD_SECONDS = 30
PAUSE = 0.03

CONF = Path(__file__).parents[2] / "deploy" / "nginx" / "relayd.conf"

MAIN = """
{user}
daemon off;
worker_processes 1;
worker_shutdown_timeout 1s;
pid {folder}/nginx.pid;
error_log {folder}/main.error.log warn;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    include {folder}/relayd.conf;
}}
"""


class PrivateNginx:
    """
    nginx in front of one `relayd` or several, and of `product`: `127.0.0.1:<port>` or `unix:<path>`; use it as `with`.

    `changes` are made to the configuration, a text in place of another; its certificate has `days` left.  `tls` trusts
    that, as does who reads `certificate`; `https` and `http` are the base addresses; `start`, `stop` and `reload` as
    often as wanted.
    """

    def __init__(
        self,
        folder: Path,
        *,
        relayd: str | Sequence[str],
        product: str = "127.0.0.1:1",
        origins: tuple[str, ...] = (),
        changes: Sequence[tuple[str, str]] = (),
        days: int = 1,
    ) -> None:
        self._folder = folder
        self._relayd = [relayd] if isinstance(relayd, str) else relayd
        self._product = product
        self._origins = origins
        self._changes = changes
        self._days = days
        self.port = free_port()
        self.plain_port = free_port()
        self.https = f"https://127.0.0.1:{self.port}"
        self.http = f"http://127.0.0.1:{self.plain_port}"
        self.tls = ssl.create_default_context()
        self.certificate = folder / "relayd.crt"
        main = folder / "nginx.conf"
        errors = folder / "main.error.log"
        self.process = Process(["nginx", "-c", str(main), "-p", str(folder), "-e", str(errors)], folder=folder)

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Start it, and return when it accepts connections."""
        self._folder.mkdir(parents=True, exist_ok=True)
        _write_certificate(self.certificate, self._folder / "relayd.key", days=self._days)
        self.tls.load_verify_locations(self.certificate)
        (self._folder / "relayd.conf").write_text(self._rendered())
        user = "user root;" if os.geteuid() == 0 else ""
        (self._folder / "nginx.conf").write_text(MAIN.format(folder=self._folder, user=user))
        self.process.start()
        try:
            self.process.wait_for_port(self.port)
        except RuntimeError:
            self.process.kill()
            raise

    def stop(self) -> None:
        """Stop it."""
        self.process.stop()

    def reload(self) -> None:
        """Let it read its configuration again, and return when the old workers are gone, with all they held."""
        old = self._workers()
        self.process.send(signal.SIGHUP)
        deadline = time.monotonic() + RELOAD_SECONDS
        while not (now := self._workers()) or now & old:
            if time.monotonic() > deadline:
                raise RuntimeError(f"nginx still has its old workers after {RELOAD_SECONDS} s: {self.logs()}")
            time.sleep(PAUSE)

    def change(self, *changes: tuple[str, str]) -> None:
        """Make these changes to the configuration in place of those before; where it runs, it reads them at once."""
        self._changes = changes
        (self._folder / "relayd.conf").write_text(self._rendered())
        if self.process.alive:
            self.reload()

    def _workers(self) -> set[str]:
        return set(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split())

    def logs(self) -> dict[str, str]:
        """Return the text of every log by file name."""
        return {path.name: path.read_text(errors="replace") for path in sorted(self._folder.glob("*.log"))}

    def _rendered(self) -> str:
        text = CONF.read_text()
        text = _replace(text, "listen 80;", f"listen 127.0.0.1:{self.plain_port};")
        text = _replace(text, "listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;")
        line = "server 127.0.0.1:8000 max_fails=0;"
        text = _replace(text, line, "\n    ".join(line.replace("127.0.0.1:8000", one) for one in self._relayd))
        text = _replace(text, "server 127.0.0.1:8080;", f"server {self._product};")
        text = _replace(text, "server_name relay.example.com;", "server_name 127.0.0.1;")
        text = _replace(text, "/etc/nginx/tls/", f"{self._folder}/")
        text = _replace(text, "/var/log/nginx/", f"{self._folder}/")
        for origin in self._origins:
            pattern = origin.replace(".", r"\.")
            text = _replace(text, '"~^\\|"            1;', f'"~^\\|"            1;\n    "~^{pattern}\\|" 1;')
        for old, new in self._changes:
            text = _replace(text, old, new)
        return text


def _replace(text: str, old: str, new: str) -> str:
    if old not in text:
        raise ValueError(f"deploy/nginx/relayd.conf has no {old!r} any more; mend tests/harness/nginx.py")
    return text.replace(old, new)


def _write_certificate(certificate: Path, key_file: Path, *, days: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    key_file.chmod(0o600)
