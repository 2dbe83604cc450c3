"""Ways to say a configuration and to hear what is wrong with it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from relayd.config import Config, ConfigError, load
from tests.config.plugin_settings import KEY, settings_of

Loads = Callable[..., Config]
Problems = Callable[..., list[str]]

GOOD = f"""
[auth]
keys = [{{ algorithm = "HS256", key = "{KEY}" }}]
[journal]
path = "relayd.db"
"""


@pytest.fixture
def loads(tmp_path: Path) -> Loads:
    """Load a text, by default behind all that is required."""

    def loads(text: str = "", environ: Mapping[str, str] | None = None, *, good: str = GOOD) -> Config:
        path = tmp_path / "relayd.toml"
        path.write_text(text + good, encoding="utf-8")
        return load(path, environ or {}, settings_of)

    return loads


@pytest.fixture
def problems(loads: Loads) -> Problems:
    """Tell what is wrong with a text."""

    def problems(text: str = "", environ: Mapping[str, str] | None = None, *, good: str = GOOD) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loads(text, environ, good=good)
        return caught.value.problems

    return problems
