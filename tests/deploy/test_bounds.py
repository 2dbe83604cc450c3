"""Bounds of the unit, of nginx and of the relay: each is met by whom it should be met first."""

import re
from pathlib import Path

import pytest

from relayd.app.daemon import READY_SECONDS, STALLED_SECONDS, STOP_SECONDS
from relayd.app.listening import KEPT_SECONDS
from relayd.config import Config
from relayd.identity.settings import HttpSettings
from relayd.transports.longpoll import MAX_WAIT

DEPLOY = Path(__file__).parents[2] / "deploy"
NGINX = (DEPLOY / "nginx" / "relayd.conf").read_text(encoding="utf-8")
SERVER = Config().server


@pytest.fixture(params=["relayd.service", "relayd@.service"])
def unit(request: pytest.FixtureRequest) -> dict[str, str]:
    """What stands in the unit of one relay, and of one of several, by name; lines that may come twice are no bounds."""
    text = (DEPLOY / "systemd" / request.param).read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def seconds(written: str) -> float:
    """Return a time as systemd and nginx write it, in seconds."""
    return float(written.removesuffix("s"))


def proxied(directive: str, *, within: str = NGINX) -> float:
    """Return the seconds of a directive that stands once in nginx's configuration, or in a part of it."""
    (written,) = re.findall(rf"^ +{directive} (\d+s);$", within, re.MULTILINE)
    return seconds(written)


def test_a_relay_that_is_told_to_stop_has_the_time_for_it(unit: dict[str, str]) -> None:
    """To send everybody away, and for the four parts that are waited for then: else the last are cut off."""
    assert seconds(unit["TimeoutStopSec"]) >= SERVER.drain_seconds + 4 * STOP_SECONDS


def test_a_relay_that_starts_has_the_time_for_it(unit: dict[str, str]) -> None:
    """It says that it is ready after half a minute at the latest, with the log caught up or not."""
    assert seconds(unit["TimeoutStartSec"]) > 2 * READY_SECONDS


def test_a_loop_that_is_late_is_not_taken_for_one_that_stands(unit: dict[str, str]) -> None:
    """It tells of life until it is later than this, twice in the time that the watchdog waits."""
    assert seconds(unit["WatchdogSec"]) >= 2 * STALLED_SECONDS


def test_viewers_meet_the_relay_s_bound_and_not_the_system_s(unit: dict[str, str]) -> None:
    """Who is one too many for it is told so; for who is one too many for the system nobody can answer."""
    assert int(unit["LimitNOFILE"]) > SERVER.max_connections


def test_nginx_does_not_cut_off_who_only_waits() -> None:
    """A sign of life may be lost twice; the longest poll and an answer about rights come in time."""
    longest = proxied("proxy_read_timeout")
    assert longest >= 3 * SERVER.heartbeat_seconds
    assert longest > MAX_WAIT
    assert longest > HttpSettings(url="https://api.example/{project_id}").timeout_seconds


def test_nginx_lets_go_of_a_connection_before_relayd_does() -> None:
    """Else it would send a request where nobody listens any more."""
    upstream = NGINX.partition("upstream relayd {")[2].partition("\n}")[0]
    assert proxied("keepalive_timeout", within=upstream) < KEPT_SECONDS


def test_who_takes_nothing_is_ended_by_the_relay() -> None:
    """It counts them as `stuck`, a heartbeat or two late; nginx, between the two, must not be the quicker one."""
    assert proxied("send_timeout") > SERVER.stuck_seconds + 2 * SERVER.heartbeat_seconds
