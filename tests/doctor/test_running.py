from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from relayd import __version__
from relayd.config import Config
from relayd.config.settings import Admin, Server
from relayd.doctor.running import Running, admin_url, ask, files_of, listener_of
from relayd.telemetry.scrape import Scrape
from tests.doctor.patient import amiss, found
from tests.harness.daemon import PrivateRelay
from tests.harness.process import free_port


def running(version: str = __version__, **figures: float) -> Running:
    """Return a relay that is well."""
    values = {"relayd_build_info": {version: 1.0}, **{name: {"": value} for name, value in figures.items()}}
    return Running(url="http://x", alive=True, ready=True, scrape=Scrape(0.0, values, {}))


@pytest.mark.parametrize(
    ("admin", "url"),
    [
        (Admin(), "http://127.0.0.1:8001"),
        (Admin(host="0.0.0.0", port=9), "http://127.0.0.1:9"),
        (Admin(host="::", port=9), "http://[::1]:9"),
        (Admin(socket="/run/relayd/admin.sock"), "unix:/run/relayd/admin.sock"),
        (Admin(port=0), ""),
    ],
)
def test_the_listener_is_where_the_configuration_says(admin: Admin, url: str) -> None:
    """One that listens on all addresses is asked on the loopback."""
    assert url == admin_url(Config(admin=admin))


def test_a_relay_that_is_well_is_well() -> None:
    """Three lines."""
    findings = list(listener_of(running()))
    assert {} == amiss(findings)
    assert ["admin listener", "/livez", "/readyz"] == [one.looked_at for one in findings]


@pytest.mark.parametrize(
    ("relay", "expected", "words"),
    [
        (running("0.0.1"), {"admin listener": "warn"}, "0.0.1 runs"),
        (replace(running(), alive=False, loop_lag=7.0), {"/livez": "bad"}, "7.0 s late"),
        (replace(running(), restarts={"keeper": 2}), {"/livez": "warn"}, "keeper 2x"),
        (replace(running(), ready=False, reasons={"source": "away"}), {"/readyz": "bad"}, "not ready, source: away"),
        (replace(running(), notes={"presence": "alone"}), {"/readyz": "warn"}, "presence: alone"),
        (Running(url="u", trouble="nobody there"), {"admin listener": "bad"}, "nobody there"),
    ],
)
def test_what_a_relay_says_of_itself_is_told(relay: Running, expected: dict[str, str], words: str) -> None:
    """In its own words."""
    findings = list(listener_of(relay))
    assert expected == amiss(findings)
    assert words in found(findings, next(iter(expected))).found


@pytest.mark.parametrize(
    ("relay", "mark"),
    [
        (running(process_max_fds=65_536.0, process_open_fds=40.0), "ok"),
        (running(process_max_fds=1_024.0, process_open_fds=40.0), "bad"),
        (running(), "skip"),
    ],
)
def test_files_are_enough_for_the_connections(relay: Running, mark: str) -> None:
    """The relay's limit, not that of whoever looks."""
    (finding,) = files_of(relay, Config(server=Server(max_connections=10_000)))
    assert mark == finding.mark
    assert ("LimitNOFILE" in finding.mend) is (mark == "bad")


async def test_a_relay_is_asked_for_all_it_says(daemon: PrivateRelay, tmp_path: Path) -> None:
    """A real one."""
    seen = await ask(daemon.admin_url, seconds=10)
    assert (True, True, {}) == (seen.alive, seen.ready, seen.reasons)
    assert 1 == seen.value("relayd_journal_attached")


async def test_what_is_no_relay_is_told() -> None:
    """Somebody else's listener, nobody's, and one whose port is not known."""
    app = web.Application()
    async with TestServer(app) as server:
        assert "no relay's" in (await ask(f"http://127.0.0.1:{server.port}", seconds=10)).trouble
    assert "can't be reached" in (await ask(f"http://127.0.0.1:{free_port()}", seconds=10)).trouble
    assert "admin.port = 0" in (await ask("", seconds=10)).trouble
