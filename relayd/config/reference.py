"""Documents made out of the models: the reference of all settings, and the file that operators begin with."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from relayd.config.overrides import environment_name

__all__ = ["Models", "as_toml", "render_file", "render_reference"]

Models = Mapping[str, type[BaseModel]]
"""Full name of a table, like `server` or `sources.rabbitmq` → its model."""

INTRODUCTION = """\
# Configuration

<!-- Made by `make docs` out of the models in relayd/config/ and the plug-ins' settings; edit those. -->

relayd reads one TOML file (`relayd serve --config FILE`). What comes later wins:

1. the defaults below,
2. the file,
3. environment variables `RELAYD_<TABLE>__<KEY>`; a list or table is written as in TOML: `["a", "b"]`,
4. secrets that the service manager hands over as files in `$CREDENTIALS_DIRECTORY`: `jwt_key` (the first key of
   `auth.keys`, or a secret for HS256 when there is none), `amqp_url` (`sources.rabbitmq.url`), `redis_url`
   (`presence.redis.url`) and `ticket_key` (`auth.tickets.key`). Where none are handed over they are read from the
   folder `credentials` beside the file, so that a command that is run by hand uses what the service uses.

A key that relayd does not know is an error. `relayd check-config` tells everything that is wrong at once.
"""

FILE_INTRODUCTION = """\
# relayd's configuration. Every setting stands here with its reason; those behind a # have their default.
# Secrets are not in this file: hand over the credentials jwt_key, amqp_url, redis_url, ticket_key
# (docs/configuration.md).
# Made by `make docs`; `relayd check-config --config FILE` tells what is wrong with a changed one.
"""

WIDTH = 110

BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
"""Word of JSON Schema → of people."""


def render_reference(tables: Models, plugins: Models) -> str:
    """Return docs/configuration.md."""
    sections = [
        "\n".join(_reference_section(name, model, f"[{name}]", environment=True))
        for name, model in (*tables.items(), *plugins.items())
    ]
    return "\n".join([INTRODUCTION, *sections])


def render_file(tables: Models, plugins: Models, chosen: Mapping[str, object]) -> str:
    """Return a configuration file; `chosen` are values by full key name that differ from the default."""
    sections = ["\n".join(_file_section(name, model, chosen)) for name, model in (*tables.items(), *plugins.items())]
    return "\n".join([FILE_INTRODUCTION, *sections])


def as_toml(value: object) -> str:
    """Return a value as it is written in a configuration file."""
    match value:
        case SecretStr():
            return as_toml(value.get_secret_value())
        case bool() | int() | float() | str():
            # JSON's and TOML's scalars look the same.
            return json.dumps(value, ensure_ascii=False)
        case Path():
            return as_toml(str(value))
        case Mapping():
            pairs = [f"{json.dumps(str(key))} = {as_toml(inner)}" for key, inner in value.items()]
            return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
        case Sequence():
            return f"[{', '.join(map(as_toml, value))}]"
    raise TypeError(f"{type(value).__name__} can't be written in TOML")


def _reference_section(name: str, model: type[BaseModel], title: str, *, environment: bool) -> Iterator[str]:
    schema = model.model_json_schema()
    yield f"## `{title}`\n\n{_summary(model)}\n"
    yield f"| key | type | default |{' environment |' if environment else ''} what and why |"
    yield f"|---|---|---|{'---|' if environment else ''}---|"
    for key, field in _values(model):
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        variable = f" `{environment_name(*name.split('.'), key)}` |" if environment else ""
        kind = _kind(schema["properties"][key], schema)
        yield f"| `{key}` | {_cell(kind)} | {_cell(default)} |{variable} {_cell(field.description or '')} |"
    yield ""
    for key, inner in _lists_of_tables(model):
        yield from _reference_section(f"{name}.{key}", inner, f"[[{name}.{key}]]", environment=False)
    for key, inner in _tables_by_name(model):
        yield from _reference_section(f"{name}.{key}", inner, f"[{name}.{key}.NAME]", environment=False)
    for key, inner in _tables(model):
        yield from _reference_section(f"{name}.{key}", inner, f"[{name}.{key}]", environment=environment)


def _file_section(name: str, model: type[BaseModel], chosen: Mapping[str, object]) -> Iterator[str]:
    yield from _comment(_summary(model))
    yield f"[{name}]"
    for key, field in _values(model):
        yield ""
        yield from _comment(field.description or "")
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        full = f"{name}.{key}"
        if full in chosen:
            yield f"{key} = {as_toml(chosen[full])}"
        else:
            yield f"#{key} = {'' if default is None else as_toml(default)}".rstrip()
    yield ""
    for key, inner in _tables(model):
        yield from _file_section(f"{name}.{key}", inner, chosen)


def _comment(text: str) -> Iterator[str]:
    for line in wrap(text, WIDTH):
        yield f"# {line}"


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n\n")[0]


def _default(value: object) -> str:
    return "none" if value is None else f"`{as_toml(value)}`"


def _cell(text: str) -> str:
    """Return text that does not end its table cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _kind(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """Return in words what a JSON schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _kind(whole["$defs"][name], whole)
    if "anyOf" in schema:
        return " or ".join(_kind(option, whole) for option in schema["anyOf"] if option.get("type") != "null")
    if "enum" in schema:
        return " or ".join(f"`{as_toml(value)}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'], whole)}".replace("table", "tables")
    return _scalar(schema)


def _scalar(schema: Mapping[str, Any]) -> str:
    kinds = {"integer": "whole number", "number": "number", "boolean": "true or false", "object": "table"}
    word = "secret" if schema.get("format") == "password" else kinds.get(schema.get("type", ""), "text")
    bounds = [f"{words} {_plain(schema[bound])}" for bound, words in BOUNDS.items() if bound in schema]
    return ", ".join([word, *bounds])


def _plain(number: float) -> float:
    """Return 300 for 300.0, as one would write it."""
    return int(number) if number == int(number) else number


def _values(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the keys that stand in the table itself."""
    tables = dict(_tables(model))
    return ((key, field) for key, field in model.model_fields.items() if key not in tables)


def _tables(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the keys whose values are tables, each with its model."""
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield key, field.annotation


def _lists_of_tables(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the keys whose values are lists of tables, with the model of one of them."""
    return ((key, inner) for key, inner in _inner_tables(model) if not _is_by_name(model.model_fields[key]))


def _tables_by_name(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the keys whose values are tables under names of their own, with the model of one of them."""
    return ((key, inner) for key, inner in _inner_tables(model) if _is_by_name(model.model_fields[key]))


def _is_by_name(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is Mapping


def _inner_tables(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for key, field in model.model_fields.items():
        for inner in getattr(field.annotation, "__args__", ()):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield key, inner
