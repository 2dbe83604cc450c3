import json
from pathlib import Path

import pytest

from relayd.app.descriptors import connections
from relayd.app.settings import (
    journal_of,
    limits_of,
    presence_of,
    publication_of,
    terms_of,
    thresholds_of,
    written_keys_of,
)
from relayd.config import Config, load
from relayd.core.liveness import Thresholds
from relayd.core.pacing import Pace
from relayd.core.spending import Price, Terms
from relayd.identity.jwt import BadKey
from relayd.plugins import PluginError, settings_of
from relayd.ports import Shared
from relayd.presence.memory import MemoryPresence
from relayd.presence.redis import RedisPresence
from relayd.relay.limits import Limits
from relayd.testing.sources import FakeSource
from relayd.testing.world import RecordingObserver
from tests.harness.pairs import pair
from tests.harness.settled import Tables, write_settings

URL = "https://id.example/jwks.json"


def config(folder: Path, **jwks: object) -> Config:
    """Return a checked configuration with these settings of `auth.jwks`."""
    return load(write_settings(folder, {"auth.jwks": jwks}), {}, settings_of)


def test_a_log_that_is_nowhere_else_needs_a_journal(tmp_path: Path) -> None:
    """A stranger's source, too, of which the configuration knows nothing but its name."""
    nowhere = write_settings(tmp_path, {"journal": {"path": ""}, "source": {"use": "rabbitmq"}})
    config = load(nowhere, {}, settings_of)
    assert None is journal_of(config, FakeSource(replays=True))
    with pytest.raises(PluginError, match=r"^journal\.path: is required .*set it to a file$"):
        journal_of(config, FakeSource(replays=False))


def test_limits_are_those_of_the_file(tmp_path: Path) -> None:
    """A minute's failed logins as a pace; nothing about admissions unless somebody bounds them."""
    tables: Tables = {
        "limits": {
            "requests_per_second": 7,
            "request_burst": 9,
            "publishes_per_second": 11,
            "publish_burst": 13,
            "failed_logins_per_minute": 30,
            "viewers_per_project": 17,
        }
    }
    limits = limits_of(load(write_settings(tmp_path, tables), {}, settings_of))
    assert (Pace(7, 9), Pace(11, 13), Pace(0.5, 30)) == (limits.requests, limits.publishes, limits.failed_logins)
    assert (17, None) == (limits.viewers_per_project, limits.admissions)
    bounded = write_settings(tmp_path, {"server": {"admissions_per_second": 50}})
    assert Pace(50, 50) == limits_of(load(bounded, {}, settings_of)).admissions


def test_silences_are_those_of_the_file(tmp_path: Path) -> None:
    """Each under its own name."""
    seconds = {"quiet_seconds": 1, "stuck_seconds": 2, "tool_seconds": 3, "lost_seconds": 4, "end_seconds": 5}
    found = thresholds_of(load(write_settings(tmp_path, {"liveness": seconds}), {}, settings_of))
    assert Thresholds(quiet=1, stuck=2, tool=3, lost=4, end=5) == found


def test_who_may_have_many_connections_may_open_them_at_once(tmp_path: Path) -> None:
    """Whatever the burst is."""
    tables: Tables = {"limits": {"request_burst": 10, "connections_per_user": 200}}
    assert 200 == limits_of(load(write_settings(tmp_path, tables), {}, settings_of)).requests.burst


def test_the_defaults_are_the_relay_s_own() -> None:
    """They are written in two places and must agree."""
    assert Limits(max_connections=connections(10_000)) == limits_of(Config())
    assert Terms() == terms_of(Config())


def test_prices_are_reckoned_with_to_their_last_digit(tmp_path: Path) -> None:
    """In millionths; tokens out of a cache cost what others cost unless they have a price of their own."""
    tables: Tables = {
        "usage": {
            "currency": "EUR",
            "budget_tokens": 9,
            "budget_cost": 2.5,
            "prices": {
                "large": {"input": 3, "output": 15.000001, "cached_input": 0.3},
                "small": {"input": 0.075, "output": 0.3},
                "free": {"input": 1, "output": 1, "cached_input": 0},
            },
        }
    }
    assert Terms(
        currency="EUR",
        tokens=9,
        cost=2.5,
        prices={
            "large": Price(input=3_000_000, output=15_000_001, cached=300_000),
            "small": Price(input=75_000, output=300_000, cached=75_000),
            "free": Price(input=1_000_000, output=1_000_000, cached=0),
        },
    ) == terms_of(load(write_settings(tmp_path, tables), {}, settings_of))


def test_an_issuer_is_followed_as_it_is_configured(tmp_path: Path) -> None:
    """Address, algorithms and times; without an address nobody is."""
    jwks = {"url": URL, "algorithms": ["ES256"], "refresh_seconds": 60, "max_stale_seconds": 600}
    publication = publication_of(config(tmp_path, **jwks))

    assert publication is not None
    assert (URL, ("ES256",), 60, 600) == (
        publication.url,
        publication.algorithms,
        publication.refresh,
        publication.max_stale,
    )
    assert None is publication_of(config(tmp_path))


def test_an_authority_that_is_none_is_told(tmp_path: Path) -> None:
    """Before the relay begins to wait for an issuer that it could never trust."""
    with pytest.raises(BadKey, match=r"^auth\.jwks\.ca_file: /nowhere can't be used: "):
        publication_of(config(tmp_path, url=URL, ca_file="/nowhere"))


def test_a_document_of_the_configuration_is_read(tmp_path: Path) -> None:
    """It is the operator's own: what is wrong with it is told with the name of its table."""
    keys = written_keys_of(config(tmp_path, document=json.dumps(pair("a").jwk())))

    assert keys is not None
    assert ["a"] == keys.kids
    assert None is written_keys_of(config(tmp_path, url=URL))
    with pytest.raises(BadKey, match=r"^auth\.jwks: this is no JSON"):
        written_keys_of(config(tmp_path, document="<html>"))


def test_with_an_open_door_no_key_is_looked_at(tmp_path: Path) -> None:
    """Nobody is asked for a token, so nobody is asked for keys."""
    for jwks in ({"url": URL, "ca_file": "/nowhere"}, {"document": "<html>"}):
        tables = {"auth": {"mode": "disabled"}, "auth.jwks": jwks}
        disabled = load(write_settings(tmp_path, tables), {}, settings_of)
        assert None is publication_of(disabled)
        assert None is written_keys_of(disabled)


@pytest.mark.parametrize(("name", "kind"), [("memory", MemoryPresence), ("redis", RedisPresence)])
def test_connections_are_counted_where_the_configuration_says(tmp_path: Path, name: str, kind: type) -> None:
    """With its limit from the start; only what is shared has to be kept in step."""
    tables: Tables = {"presence": {"use": name}, "limits": {"connections_per_user": 3}}
    presence = presence_of(load(write_settings(tmp_path, tables), {}, settings_of), RecordingObserver())
    assert kind is type(presence)
    assert 3 == presence.limit
    assert (name == "redis") == isinstance(presence, Shared)
