from pathlib import Path

import pytest

from relayd.config import ConfigError, load
from relayd.config.overrides import environment_name
from relayd.plugins import settings_of
from tests.config.conftest import Loads, Problems
from tests.config.plugin_settings import BrokerSettings


def test_the_environment_wins_over_the_file(loads: Loads) -> None:
    """Numbers, truths and lists are read as in TOML."""
    config = loads(
        "[server]\nport = 1\n",
        {
            "RELAYD_SERVER__PORT": "9000",
            "RELAYD_SERVER__LEGACY_PREFIX": "false",
            "RELAYD_SERVER__DRAIN_SECONDS": "2.5",
            "RELAYD_SERVER__ORIGINS": '["https://a.example"]',
        },
    )

    assert 9000 == config.server.port
    assert False is config.server.legacy_prefix
    assert 2.5 == config.server.drain_seconds
    assert ("https://a.example",) == config.server.origins


@pytest.mark.parametrize("text", ["12345", "true", "relay", '"quoted"', ""])
def test_a_text_stays_what_it_is(loads: Loads, text: str) -> None:
    """Where a string is wanted nothing is read into it, not even quotes."""
    assert text == loads(environ={"RELAYD_AUTH__AUDIENCE": text}).auth.audience


def test_a_plug_in_s_settings_come_from_the_environment_too(loads: Loads) -> None:
    """Three names deep, and a table that the file does not have."""
    config = loads(
        "[source]\nuse = 'rabbitmq'\n",
        {"RELAYD_SOURCES__RABBITMQ__PREFETCH": "7", "RELAYD_SOURCES__RABBITMQ__URL": "amqp://b/"},
    )

    assert isinstance(config.source_settings, BrokerSettings)
    assert 7 == config.source_settings.prefetch
    assert "amqp://b/" == config.source_settings.url.get_secret_value()


def test_a_mistake_in_the_environment_names_the_variable(problems: Problems) -> None:
    """Nobody looks for a slip in the file that is not there."""
    assert [
        "servr: unknown key; did you mean `server`?",
        "server.port: must be a whole number (from environment variable RELAYD_SERVER__PORT)",
        "limits.tails: unknown key; did you mean `limits.tail`? (from environment variable RELAYD_LIMITS__TAILS)",
        'sources.none: there is no "none"',
    ] == problems(
        environ={
            "RELAYD_SERVER__PORT": "many",
            "RELAYD_LIMITS__TAILS": "1",
            "RELAYD_SERVR__PORT": "1",
            "RELAYD_SOURCES__NONE__X": "1",
        }
    )


def test_other_variables_are_not_ours(loads: Loads) -> None:
    """Only two underscores make a setting: RELAYD_CONFIG may mean something to a script."""
    assert 8000 == loads(environ={"RELAYD_CONFIG": "x", "SERVER__PORT": "1", "HOME": "/"}).server.port


def test_a_variable_into_what_is_no_table_leaves_the_file_s_mistake(problems: Problems) -> None:
    """The file says `server = 5`; that is what has to be mended."""
    assert ["server: must be a table: [server]"] == problems("server = 5\n", {"RELAYD_SERVER__PORT": "1"})


def test_a_credential_wins_over_all(loads: Loads, tmp_path: Path) -> None:
    """What the service manager hands over stands in no file of ours and in no environment."""
    (tmp_path / "amqp_url").write_text("amqp://secret/\n")

    config = loads(
        "[source]\nuse = 'rabbitmq'\n[sources.rabbitmq]\nurl = 'amqp://file/'\n",
        {"CREDENTIALS_DIRECTORY": str(tmp_path), "RELAYD_SOURCES__RABBITMQ__URL": "amqp://environment/"},
    )

    assert isinstance(config.source_settings, BrokerSettings)
    assert "amqp://secret/" == config.source_settings.url.get_secret_value()
    assert "secret/" not in repr(config)


def test_redis_has_a_credential_too(loads: Loads, tmp_path: Path) -> None:
    """The same way, for the URL that the relays share."""
    (tmp_path / "redis_url").write_text("redis://secret/\n")

    config = loads("[presence]\nuse = 'redis'\n", {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert isinstance(config.presence_settings, BrokerSettings)
    assert "redis://secret/" == config.presence_settings.url.get_secret_value()


def test_a_credential_that_can_t_be_read(problems: Problems, tmp_path: Path) -> None:
    """It was meant to be used, so starting without it would be wrong."""
    (tmp_path / "amqp_url").write_bytes(b"\xff")
    (tmp_path / "jwt_key").mkdir()

    url, key = problems(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert url.startswith(f"credential amqp_url: {tmp_path / 'amqp_url'} can't be read: ")
    assert key.startswith(f"credential jwt_key: {tmp_path / 'jwt_key'} can't be read: ")


def test_credentials_beside_the_file(tmp_path: Path) -> None:
    """Whoever runs a command by hand uses what the service uses; what is handed over is stronger."""
    (tmp_path / "relayd.toml").write_text("[journal]\npath = '/var/lib/relayd/relayd.db'\n")
    for folder, key in (("credentials", "a" * 32), ("handed", "b" * 32)):
        (tmp_path / folder).mkdir(mode=0o700)
        (tmp_path / folder / "jwt_key").write_text(key)
    for environ, key in (({}, "a" * 32), ({"CREDENTIALS_DIRECTORY": str(tmp_path / "handed")}, "b" * 32)):
        (found,) = load(tmp_path / "relayd.toml", environ, settings_of).auth.keys
        assert key == found.key.get_secret_value()


def test_credentials_that_others_can_read(tmp_path: Path) -> None:
    """Nobody guards that folder but its mode."""
    (tmp_path / "relayd.toml").touch()
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials").chmod(0o750)
    with pytest.raises(ConfigError) as told:
        load(tmp_path / "relayd.toml", {}, settings_of)
    assert f"run `chmod 700 {tmp_path / 'credentials'}`" in str(told.value)


def test_the_variable_of_a_key() -> None:
    """The reference tells the name that `overlay` reads."""
    assert "RELAYD_SOURCES__RABBITMQ__URL" == environment_name("sources", "rabbitmq", "url")
