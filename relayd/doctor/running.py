"""The relay that runs: what its admin listener says of it."""

import time
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from relayd import __version__
from relayd.app.descriptors import shortage
from relayd.client.http import Unreachable
from relayd.client.listener import Listener
from relayd.config import Config
from relayd.doctor.finding import Finding, bad, ok, skipped, warn
from relayd.telemetry import catalogue
from relayd.telemetry.scrape import Scrape, parse

__all__ = ["Running", "admin_url", "ask", "files_of", "listener_of"]

LOOKED_AT = "admin listener"
ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # read here, bound elsewhere


class Running(Struct, frozen=True, kw_only=True):
    """What it said; without a scrape it could not be asked, for the reason in `trouble`."""

    url: str
    trouble: str = ""
    alive: bool = False
    loop_lag: float = 0.0
    restarts: dict[str, int] = {}
    ready: bool = False
    reasons: dict[str, str] = {}
    notes: dict[str, str] = {}
    scrape: Scrape | None = None

    def value(self, metric: str) -> float | None:
        """Return a figure, None if it can't be told."""
        return None if self.scrape is None else self.scrape.value(metric)


def admin_url(config: Config) -> str:
    """Return where the admin listener of this configuration is, empty if the system chooses its port."""
    admin = config.admin
    if admin.socket:
        return f"unix:{admin.socket}"
    host = ALL_ADDRESSES.get(admin.host, admin.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{admin.port}" if admin.port else ""


async def ask(url: str, *, seconds: float) -> Running:
    """Return what the relay there says of itself."""
    if not url:
        return Running(url=url, trouble="the port is chosen by the system (admin.port = 0) and not known here")
    try:
        async with Listener(url, seconds=seconds) as listener:
            live, ready = (await listener.get("/livez")).told(), (await listener.get("/readyz")).told()
            scrape = parse((await listener.get("/metrics")).text, time.monotonic())
    except Unreachable as error:
        return Running(url=url, trouble=str(error))
    except ValueError:
        return Running(url=url, trouble=f"what answers at {url} is no relay's admin listener")
    if catalogue.BUILD_INFO.name not in scrape.values:
        return Running(url=url, trouble=f"what answers at {url} is no relay's admin listener")
    return Running(
        url=url,
        alive=bool(live.get("alive")),
        loop_lag=float(live.get("loop_lag_seconds", 0.0)),
        restarts=_texts(live.get("task_restarts")),
        ready=bool(ready.get("ready")),
        reasons=_texts(ready.get("reasons")),
        notes=_texts(ready.get("notes")),
        scrape=scrape,
    )


def listener_of(running: Running) -> Iterable[Finding]:
    """Say whether the relay answers, lives, is ready, and is of this version."""
    if running.scrape is None:
        mend = "start it (`systemctl status relayd`, `journalctl -u relayd`), or correct [admin] in the configuration"
        yield bad(LOOKED_AT, running.trouble, mend=mend)
        return
    version = next(iter(running.scrape.values[catalogue.BUILD_INFO.name]))
    if version == __version__:
        yield ok(LOOKED_AT, f"relayd {version} answers at {running.url}")
    else:
        mend = "restart it, so that what is installed is what runs"
        yield warn(LOOKED_AT, f"relayd {version} runs at {running.url}, {__version__} is installed", mend=mend)
    if running.alive:
        yield ok("/livez", f"it lives, the loop was {running.loop_lag * 1_000:.1f} ms late")
    else:
        mend = "look for what keeps it busy (`relayd top`); a service manager with a watchdog restarts it"
        yield bad("/livez", f"the loop is {running.loop_lag:.1f} s late", mend=mend)
    if restarts := ", ".join(f"{task} {count}x" for task, count in running.restarts.items()):
        yield warn("/livez", f"parts failed and began anew: {restarts}", mend="look for `task_failed` in its log")
    if running.ready:
        yield ok("/readyz", "ready")
    for name, sentence in running.reasons.items():
        yield bad("/readyz", f"not ready, {name}: {sentence}", mend="mend what it names; it comes back by itself")
    for name, sentence in running.notes.items():
        yield warn("/readyz", f"{name}: {sentence}", mend="mend what it names; viewers are served meanwhile")


def files_of(running: Running, config: Config) -> Iterable[Finding]:
    """Say whether the running relay may have as many files open as its connections need."""
    looked_at = "open files"
    most = running.value("process_max_fds")
    if most is None:
        yield skipped(looked_at, "the limit of the running relay is not known")
        return
    used, wanted = running.value("process_open_fds") or 0.0, config.server.max_connections
    if sentence := shortage(wanted, allowed=int(most)):
        found, _, mend = sentence.partition("; ")
        yield bad(looked_at, found.replace("this process", "the relay"), mend=mend)
    else:
        yield ok(looked_at, f"{used:.0f} of {most:.0f}, enough for server.max_connections = {wanted}")


def _texts(told: Any) -> dict[str, Any]:  # noqa: ANN401  # a part of a stranger's JSON
    return told if isinstance(told, dict) else {}
