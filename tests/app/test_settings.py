import json
from pathlib import Path

import pytest

from relayd.app.settings import journal_of, presence_of, publication_of, written_keys_of
from relayd.config import Config, load
from relayd.identity.jwt import BadKey
from relayd.plugins import PluginError, settings_of
from relayd.ports import Shared
from relayd.presence.memory import MemoryPresence
from relayd.presence.redis import RedisPresence
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
