"""
From a file, the environment and the credentials directory to one checked `Config`.

What comes later wins: defaults, the TOML file, `RELAYD_<TABLE>__<KEY>`, the files in `$CREDENTIALS_DIRECTORY` or in
`credentials` beside the file.
All mistakes are gathered before any is told.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from relayd.config.checks import check, check_spoken
from relayd.config.choices import Dialects, Presence, Source, Transports
from relayd.config.mistakes import ConfigError, Mistakes
from relayd.config.overrides import overlay, with_credentials
from relayd.config.secrets import with_key_material
from relayd.config.settings import Auth, Config
from relayd.config.table import Table

__all__ = ["PLUGIN_TABLES", "TABLES", "SettingsOf", "load"]

SettingsOf = Callable[[str, str], type[BaseModel] | None]
"""(entry-point group, name) → the plug-in's settings model, or None; raises LookupError for a plug-in there is not."""

PLUGIN_TABLES = {
    "sources": "relayd.sources",
    "transports": "relayd.transports",
    "dialects": "relayd.dialects",
    "authorizers": "relayd.authorizers",
    "presence": "relayd.presence",
}
"""Table whose sub-tables are plug-ins' own → entry-point group."""

TABLES: dict[str, type[Table]] = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Table)
}
"""Name of a table of relayd itself → its model."""

KNOWN: dict[str, list[str]] = {
    "": sorted({*TABLES, *PLUGIN_TABLES}),
    **{name: list(model.model_fields) for name, model in TABLES.items()},
}

Tree = dict[str, Any]


def load(path: Path | None, environ: Mapping[str, str], settings_of: SettingsOf) -> Config:
    """Return the checked configuration; raises ConfigError with a sentence for each mistake."""
    mistakes = Mistakes()
    environ = with_credentials(environ, path, mistakes)
    tree = _read(path) if path else {}
    overlay(tree, environ, lambda names: _model_at(names, settings_of), mistakes)
    own, plugins = _split(tree, mistakes)
    tables = {name: _validate(model, own.get(name, {}), name, mistakes) for name, model in TABLES.items()}
    if isinstance(auth := tables["auth"], Auth):
        tables["auth"] = with_key_material(auth, environ, mistakes)
    settings = _settle_plugins(_used(tables), plugins, settings_of, mistakes)
    check(tables, mistakes)
    check_spoken(next(iter(settings["sources"].values()), None), tables["dialects"], mistakes)
    if mistakes.problems:
        raise ConfigError(mistakes.problems)
    return Config.model_validate(
        {
            **tables,
            "source_settings": next(iter(settings["sources"].values())),
            "transport_settings": settings["transports"],
            "dialect_settings": settings["dialects"],
            "authorizer_settings": settings["authorizers"],
            "presence_settings": next(iter(settings["presence"].values())),
        }
    )


def _read(path: Path) -> Tree:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: must be UTF-8; byte {error.start} is not"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: can't be read: {error.strerror}"]) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = f"(at line {text.count(chr(10)) + 1}, the end of the file)"
        raise ConfigError([f"{path}: bad TOML: {error}".replace("(at end of document)", where)]) from error


def _model_at(names: Iterable[str], settings_of: SettingsOf) -> tuple[type[BaseModel] | None, list[str]]:
    """Return the model that a dotted name leads into, and what is left of the name behind the model's own."""
    first, *rest = names
    if first in PLUGIN_TABLES and len(rest) > 1:
        try:
            return settings_of(PLUGIN_TABLES[first], rest[0]), rest[1:]
        except LookupError:
            return None, rest[1:]  # told when the table itself is looked at
    return TABLES.get(first), rest


def _split(tree: Tree, mistakes: Mistakes) -> tuple[Tree, dict[str, Tree]]:
    """Return relayd's own tables, and the plug-ins' by group and name; note what is neither."""
    own: Tree = {}
    plugins: dict[str, Tree] = {group: {} for group in PLUGIN_TABLES}
    for name, table in tree.items():
        if name not in KNOWN[""]:
            mistakes.add_unknown(name, "", KNOWN)
        elif not isinstance(table, dict):
            mistakes.add(name, f"must be a table: [{name}]")
        else:
            keys = KNOWN.get(name, [])
            theirs = {
                key for key, value in table.items() if name in plugins and key not in keys and isinstance(value, dict)
            }
            plugins.get(name, {}).update({key: table[key] for key in theirs})
            own[name] = {key: value for key, value in table.items() if key not in theirs}
            if name not in TABLES:
                for key in own.pop(name):
                    mistakes.add(f"{name}.{key}", f"must be a table: [{name}.{key}]")
    return own, plugins


def _validate(model: type[BaseModel], table: Tree, name: str, mistakes: Mistakes) -> BaseModel | None:
    try:
        # Through JSON, because strict there means "no guessing" ("8000" is no number, true is no 1) while lists
        # still become tuples; `default` is for TOML's dates, which no setting takes and the model will say so.
        return model.model_validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        mistakes.add_all(model, name, error, {**KNOWN, name: list(model.model_fields)})
        return None


def _used(tables: Mapping[str, BaseModel | None]) -> dict[str, list[tuple[str, str]]]:
    """Return by group the plug-ins that are used, each with the key that says so."""
    used: dict[str, list[tuple[str, str]]] = {group: [] for group in PLUGIN_TABLES}
    if isinstance(source := tables["source"], Source):
        used["sources"] = [(source.use, "source.use")]
    if isinstance(transports := tables["transports"], Transports):
        used["transports"] = [(name, "transports.use") for name in transports.use]
    if isinstance(dialects := tables["dialects"], Dialects):
        used["dialects"] = [(name, "dialects.use") for name in dialects.use]
    if isinstance(auth := tables["auth"], Auth):
        used["authorizers"] = [(name, "auth.authorizers") for name in auth.authorizers]
    if isinstance(presence := tables["presence"], Presence):
        used["presence"] = [(presence.use, "presence.use")]
    return used


def _settle_plugins(
    used: Mapping[str, list[tuple[str, str]]],
    plugins: Mapping[str, Tree],
    settings_of: SettingsOf,
    mistakes: Mistakes,
) -> dict[str, dict[str, BaseModel | None]]:
    """Return by group and name the settings of the used plug-ins; tables of unused ones are checked, too."""
    settled: dict[str, dict[str, BaseModel | None]] = {}
    for group, names in used.items():
        asked = dict(names) | {name: f"{group}.{name}" for name in plugins[group] if name not in dict(names)}
        found = {
            name: _settle(group, name, key, plugins[group].get(name, {}), settings_of, mistakes)
            for name, key in asked.items()
        }
        settled[group] = {name: found[name] for name, _ in names}
    return settled


def _settle(
    group: str, name: str, asked_by: str, table: Tree, settings_of: SettingsOf, mistakes: Mistakes
) -> BaseModel | None:
    full = f"{group}.{name}"
    try:
        model = settings_of(PLUGIN_TABLES[group], name)
    except LookupError as error:
        mistakes.add(asked_by, str(error))
        return None
    if model is not None:
        return _validate(model, table, full, mistakes)
    if table:
        mistakes.add(full, "this plug-in has no settings; remove the table")
    return None
