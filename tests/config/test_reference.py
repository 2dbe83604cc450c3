import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from relayd import plugins
from relayd.config import ConfigError, load
from relayd.config.loading import TABLES
from relayd.config.reference import as_toml, render_file, render_reference
from tests.config.plugin_settings import KEY, BrokerSettings, NeedySettings

ROOT = Path(__file__).resolve().parents[2]


def test_the_documents_are_what_the_code_makes() -> None:
    """A setting that was added or explained anew is in docs/configuration.md and config/relayd.toml, too."""
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs", "--check"], capture_output=True, text=True, check=False
    )

    assert (0, "") == (checked.returncode, checked.stderr)


def test_the_production_file_lacks_nothing_but_its_secrets(tmp_path: Path) -> None:
    """As it is shipped it asks for a key; with the credential it loads."""
    (tmp_path / "jwt_key").write_text(KEY)
    path = ROOT / "config" / "relayd.toml"

    with pytest.raises(ConfigError) as caught:
        load(path, {}, plugins.settings_of)
    config = load(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)}, plugins.settings_of)

    assert ["auth.keys"] == [problem.partition(":")[0] for problem in caught.value.problems]
    assert "rabbitmq" == config.source.use


def test_the_production_file_s_comments_are_the_defaults(tmp_path: Path) -> None:
    """Taking the # away from every setting changes nothing."""
    (tmp_path / "jwt_key").write_text(KEY)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    path = ROOT / "config" / "relayd.toml"
    bare = tmp_path / "relayd.toml"
    bare.write_text(re.sub(r"(?m)^#(\w+ = )", r"\1", path.read_text()))

    assert load(path, environ, plugins.settings_of) == load(bare, environ, plugins.settings_of)


def test_the_development_file_loads_as_it_is() -> None:
    """`make run` needs nothing else, and its key is marked as nobody's secret."""
    path = ROOT / "config" / "development.toml"

    config = load(path, {}, plugins.settings_of)

    assert (config.source.use, config.auth.mode, config.server.port, config.admin.port) == (
        "simulator",
        "jwt",
        8000,
        8001,
    )
    assert "development" in config.auth.keys[0].key.get_secret_value()


def test_the_reference_tells_type_bounds_default_and_variable() -> None:
    """One line for each key, plug-ins' and inner tables included."""
    text = render_reference(TABLES, {"sources.rabbitmq": BrokerSettings, "sources.needy": NeedySettings})

    assert "| `port` | whole number, at least 0, at most 65535 | `8000` | `RELAYD_SERVER__PORT` |" in text
    assert "| `pace_per_second` | number, above 0, at most 1000 | `100` |" in text
    assert '| `log_format` | `"json"` or `"pretty"` | `"json"` |' in text
    assert "| `keys` | list of tables | `[]` |" in text
    assert "## `[[auth.keys]]`" in text
    assert "## `[auth.jwks]`" in text
    assert "## `[usage.prices.NAME]`" in text
    assert "| `prices` | table | `{}` | `RELAYD_USAGE__PRICES` |" in text
    assert '| `url` | text | `""` | `RELAYD_AUTH__JWKS__URL` |' in text
    assert "| `jwks` |" not in text
    assert '| `url` | secret | `"amqp://localhost/"` | `RELAYD_SOURCES__RABBITMQ__URL` | Where it is. |' in text
    assert "| `name` | text | required | `RELAYD_SOURCES__NEEDY__NAME` | Required. |" in text
    assert "| `many` | whole number | none |" in text


def test_the_file_holds_what_was_chosen() -> None:
    """The rest stands behind a # with its default; a required key without one."""
    text = render_file(
        {"sources.needy": NeedySettings, "sources.rabbitmq": BrokerSettings}, {}, {"sources.rabbitmq.url": "u"}
    )

    assert {"sources": {"needy": {}, "rabbitmq": {"url": "u"}}} == tomllib.loads(text)
    assert "\n# Required.\n#name =\n" in text
    assert "\n# May be left out.\n#many =\n" in text
    assert "\n# How many.\n#prefetch = 10\n" in text


def test_the_file_holds_inner_tables_behind_their_outer_one() -> None:
    """Before the next one begins, for TOML has no way back."""
    text = render_file(TABLES, {}, {"auth.jwks.url": "https://id.example/"})

    assert text.index("[auth]\n") < text.index("[auth.jwks]\n") < text.index("[limits]\n")
    assert "https://id.example/" == tomllib.loads(text)["auth"]["jwks"]["url"]


@pytest.mark.parametrize("value", ["ü\n\"'", 5, 2.5, True, ["a", ["b"]], [], {}, {"a b": {"c": 1}}])
def test_a_value_in_toml_is_read_back(value: object) -> None:
    """What the documents show can be copied into a file."""
    assert {"value": value} == tomllib.loads(f"value = {as_toml(value)}")


def test_paths_are_texts_and_objects_are_refused() -> None:
    """A setting that can't be documented fails where documents are made."""
    assert '"/x"' == as_toml(Path("/x"))
    with pytest.raises(TypeError, match="object can't be written in TOML"):
        as_toml(object())
