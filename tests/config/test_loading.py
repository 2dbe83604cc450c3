from pathlib import Path

import pytest

from relayd.config import ConfigError, load
from tests.config.conftest import Loads, Problems
from tests.config.plugin_settings import KEY, BrokerSettings, NeedySettings, settings_of


def test_what_is_not_said_has_its_default(loads: Loads) -> None:
    """A file with a key and a journal is a whole configuration."""
    config = loads()

    assert 8000 == config.server.port
    assert "jwt" == config.auth.mode
    assert None is config.source_settings
    assert {"websocket": None, "longpoll": None, "sse": None} == config.transport_settings
    assert ["claims", "ownership"] == list(config.authorizer_settings)
    assert ("memory", None) == (config.presence.use, config.presence_settings)


def test_without_a_file_the_environment_is_enough() -> None:
    """A container may have no file at all."""
    environ = {"RELAYD_AUTH__KEYS": f'[{{algorithm = "HS256", key = "{KEY}"}}]', "RELAYD_JOURNAL__PATH": "relayd.db"}

    config = load(None, environ, settings_of)

    assert KEY == config.auth.keys[0].key.get_secret_value()


def test_every_mistake_is_told_at_once(problems: Problems) -> None:
    """An operator mends a file in one go, not one start after the other."""
    assert [
        "server.port: must be less than or equal to 65535, not 99999",
        "server.hots: unknown key; did you mean `server.host`?",
        "limits.conections_per_user: unknown key; did you mean `limits.connections_per_user`?",
        "memory.projects: must be greater than or equal to 1, not 0",
    ] == problems("[limits]\nconections_per_user = 3\n[server]\nport = 99999\nhots = 'x'\n[memory]\nprojects = 0\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = '8000'", "server.port: must be a whole number"),
        ("port = true", "server.port: must be a whole number"),
        ("port = 8000.5", "server.port: must be a whole number"),
        ("legacy_prefix = 'yes'", "server.legacy_prefix: must be true or false"),
        ("origins = 'https://a.example'", 'server.origins: must be a list, like ["a", "b"]'),
        ("drain_seconds = 2026-01-01", "server.drain_seconds: must be a number"),
        ("drain_seconds = nan", "server.drain_seconds: must be less than or equal to 300, not nan"),
        ("host = ''", "server.host: must not be empty"),
        ("host = 8000", "server.host: must be a string"),
    ],
)
def test_nothing_is_guessed_from_a_value_of_another_type(problems: Problems, text: str, said: str) -> None:
    """TOML has types, so a quoted number or a yes is a slip that is told, not understood."""
    assert [said] == problems(f"[server]\n{text}\n")


def test_a_table_that_is_none(problems: Problems) -> None:
    """A key where a table belongs names the way to write it."""
    assert [
        "server: must be a table: [server]",
        "sources: must be a table: [sources]",
    ] == problems("server = 5\nsources = 1\n")


def test_an_unknown_table_names_the_nearest(problems: Problems) -> None:
    """What stands in it is not looked at: one slip, one sentence."""
    assert ["limit: unknown key; did you mean `limits`?"] == problems("[limit]\ntail = 1\n")


def test_a_plug_in_s_table_is_checked_by_its_own_model(loads: Loads, problems: Problems) -> None:
    """The settings of the source come checked, and with its defaults where the file says nothing."""
    used = "[source]\nuse = 'rabbitmq'\n"

    assert loads(used).source_settings == BrokerSettings()
    assert loads(used + "[sources.rabbitmq]\nprefetch = 5\n").source_settings == BrokerSettings(prefetch=5)
    assert [
        "sources.rabbitmq.prefetch: must be greater than or equal to 1, not 0",
        "sources.rabbitmq.prefech: unknown key; did you mean `sources.rabbitmq.prefetch`?",
    ] == problems(used + "[sources.rabbitmq]\nprefetch = 0\nprefech = 1\n")


def test_a_table_of_a_plug_in_that_is_not_used_is_checked_too(problems: Problems) -> None:
    """It may be used tomorrow, and the slip is made today."""
    assert ["sources.rabbitmq.prefetch: must be greater than or equal to 1, not 0"] == problems(
        "[sources.rabbitmq]\nprefetch = 0\n"
    )


def test_a_dialect_s_table_stands_beside_the_list(loads: Loads, problems: Problems) -> None:
    """`[dialects]` holds a list of names and a table for each that wants one."""
    used = "[dialects]\nuse = ['native', 'needy']\n"

    assert {
        "native": None,
        "needy": NeedySettings(name="x"),
    } == loads(used + "[dialects.needy]\nname = 'x'\n").dialect_settings
    assert ["dialects.needy.name: is required"] == problems(used)


def test_a_presence_has_a_choice_and_a_table(loads: Loads, problems: Problems) -> None:
    """`[presence]` says which, and `[presence.redis]` how; a slip names the nearest of both."""
    used = "[presence]\nuse = 'redis'\n"

    assert BrokerSettings(prefetch=5) == loads(used + "[presence.redis]\nprefetch = 5\n").presence_settings
    assert [
        "presence.uze: unknown key; did you mean `presence.use`?",
        "presence.redis.prefech: unknown key; did you mean `presence.redis.prefetch`?",
    ] == problems(used + "uze = 1\n[presence.redis]\nprefech = 1\n")


def test_a_plug_in_that_is_not_there(problems: Problems) -> None:
    """The key that asks for it is named, be it the list or the table."""
    assert [
        'source.use: there is no "x"',
        'transports.use: there is no "y"',
        'authorizers.z: there is no "z"',
        'presence.use: there is no "w"',
    ] == problems("[source]\nuse = 'x'\n[transports]\nuse = ['y']\n[authorizers.z]\na = 1\n[presence]\nuse = 'w'\n", {})


def test_a_table_for_a_plug_in_without_settings(problems: Problems) -> None:
    """It would be read by nobody."""
    assert ["sources.embedded: this plug-in has no settings; remove the table"] == problems(
        "[sources.embedded]\na = 1\n"
    )


def test_a_value_where_plug_ins_have_their_tables(problems: Problems) -> None:
    """`[sources]` has no keys of its own."""
    assert ["sources.rabbitmq: must be a table: [sources.rabbitmq]"] == problems("[sources]\nrabbitmq = 'x'\n")


def test_tables_that_are_wrong_ask_for_no_plug_in(problems: Problems) -> None:
    """A list that can't be read names nothing; there is no second sentence about its consequences."""
    assert [
        'auth.authorizers: must be a list, like ["a", "b"]',
        "source.use: must be a string",
        'transports.use: must be a list, like ["a", "b"]',
        "dialects.use: must not be empty",
    ] == problems("[source]\nuse = 1\n[transports]\nuse = 2\n[dialects]\nuse = []\n[auth]\nauthorizers = 3\n", good="")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nport 8000\n", "(at line 2, column 6)"),
        ("[server]\nhost = 'x", "(at line 2, the end of the file)"),
    ],
)
def test_bad_toml_names_the_line(problems: Problems, tmp_path: Path, text: str, said: str) -> None:
    """Line and column, also when the file just ends."""
    (sentence,) = problems(text, good="")

    assert sentence.startswith(f"{tmp_path / 'relayd.toml'}: bad TOML: ")
    assert sentence.endswith(said)


def test_a_file_that_can_t_be_read(tmp_path: Path) -> None:
    """A missing file and one in another encoding are told with their path."""
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# \xe9\n")

    with pytest.raises(ConfigError) as missing:
        load(tmp_path / "none.toml", {}, settings_of)
    with pytest.raises(ConfigError) as other:
        load(latin, {}, settings_of)

    assert [f"{tmp_path / 'none.toml'}: can't be read: No such file or directory"] == missing.value.problems
    assert [f"{latin}: must be UTF-8; byte 2 is not"] == other.value.problems
