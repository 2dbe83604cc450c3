"""What the environment and the credentials directory put over the file's tree."""

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from relayd.config.mistakes import Mistakes, type_at

__all__ = ["ENVIRONMENT_PREFIX", "credential", "environment_name", "overlay", "with_credentials"]

ENVIRONMENT_PREFIX = "RELAYD_"

CREDENTIALS = {
    "amqp_url": ["sources", "rabbitmq", "url"],
    "redis_url": ["presence", "redis", "url"],
    "ticket_key": ["auth", "tickets", "key"],
}
"""Credential → the key that it sets."""

HANDED = "CREDENTIALS_DIRECTORY"
"""The variable in which a service manager tells where they are (systemd.exec(5))."""

OTHERS = 0o077

Tree = dict[str, Any]
ModelAt = Callable[[Iterable[str]], tuple[type[BaseModel] | None, list[str]]]


def overlay(tree: Tree, environ: Mapping[str, str], model_at: ModelAt, mistakes: Mistakes) -> None:
    """Put environment variables and the credentials that are a key's value over the tree."""
    for variable, text in sorted(environ.items()):
        if variable.startswith(ENVIRONMENT_PREFIX) and "__" in variable:
            names = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            model, rest = model_at(names)
            _put(tree, names, _value(text, type_at(model, tuple(rest))), f"environment variable {variable}", mistakes)
    for name, key in CREDENTIALS.items():
        value = credential(environ, name, mistakes)
        if value is not None:
            _put(tree, key, value, f"credential {name}", mistakes)


def environment_name(*names: str) -> str:
    """Return the variable that sets a key."""
    return ENVIRONMENT_PREFIX + "__".join(names).upper()


def with_credentials(environ: Mapping[str, str], path: Path | None, mistakes: Mistakes) -> Mapping[str, str]:
    """
    Return the environment with the folder `credentials` beside the file, if no service manager has handed any over.

    So whoever runs a command by hand uses what the service uses.
    """
    if path is None or environ.get(HANDED):
        return environ
    folder = path.parent / "credentials"
    if not folder.is_dir():
        return environ
    if folder.stat().st_mode & OTHERS:
        mistakes.add("credentials", f"{folder} is open to others than its owner; run `chmod 700 {folder}`")
    return {**environ, HANDED: str(folder)}


def credential(environ: Mapping[str, str], name: str, mistakes: Mistakes) -> str | None:
    """Return the text of a credential that the service manager handed over, None where there is none."""
    directory = environ.get(HANDED)
    if not directory:
        return None
    path = Path(directory, name)
    try:
        # No look at the group's bits here: the service manager opens these files to the service by an ACL, whose
        # mask shows up as group-readable, and it guards the directory itself.
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        mistakes.add(f"credential {name}", f"{path} can't be read: {error}")
        return None


def _put(tree: Tree, names: list[str], value: object, origin: str, mistakes: Mistakes) -> None:
    """Set a value deep in the tree; where the file has something else than a table the file's mistake is told."""
    mistakes.origins[".".join(names)] = origin
    table = tree
    for name in names[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        table = inner
    table[names[-1]] = value


def _value(text: str, kind: object) -> object:
    """Return the text itself where a string is wanted, else what it means in TOML: 8000, true, ["a"]."""
    try:
        TypeAdapter[Any](cast("Any", kind)).validate_json(json.dumps(text), strict=True)
    except ValidationError:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text
