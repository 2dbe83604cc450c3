"""
Plug-ins by name, from the entry points of installed packages; the built-ins use the same door.

A plug-in's `Settings` class attribute, where it has one, is the model of its own table in the configuration file.
"""

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any

__all__ = [
    "AUTHORIZERS",
    "DIALECTS",
    "PRESENCE",
    "SOURCES",
    "TRANSPORTS",
    "PluginError",
    "find",
    "names",
    "settings_of",
]

SOURCES = "relayd.sources"
TRANSPORTS = "relayd.transports"
DIALECTS = "relayd.dialects"
AUTHORIZERS = "relayd.authorizers"
PRESENCE = "relayd.presence"


class PluginError(LookupError):
    """There is no such plug-in, or it can't be loaded; the message says what there is or what went wrong."""


def names(group: str) -> list[str]:
    """Return the names of all installed plug-ins of an entry-point group, sorted."""
    return sorted(_installed(group, tuple(sys.path)).names)


def find(group: str, name: str) -> type[Any]:
    """Return the class that the entry point names; raises PluginError."""
    # One package seen twice (an editable install and its build folder) is no conflict: the value is the same.
    found = {entry.value: entry for entry in _installed(group, tuple(sys.path)).select(name=name)}
    kind = group.removeprefix("relayd.").removesuffix("s")
    if not found:
        there_are = ", ".join(names(group)) or "none"
        raise PluginError(f'there is no {kind} "{name}"; installed are: {there_are}')
    if len(found) > 1:
        claims = " and ".join(sorted(found))
        raise PluginError(f'several packages call a {kind} "{name}": {claims}; uninstall all but one')
    (entry,) = found.values()
    return _load(entry, kind)


def settings_of(group: str, name: str) -> type[Any] | None:
    """Return the plug-in's `Settings` model, None when it has no settings; raises PluginError."""
    return getattr(find(group, name), "Settings", None)


@lru_cache(maxsize=8)
def _installed(group: str, _path: tuple[str, ...]) -> EntryPoints:
    # All packages on the path are opened for it, which takes 10 ms; a start asks twenty times.
    return entry_points(group=group)


def _load(entry: EntryPoint, kind: str) -> type[Any]:
    try:
        loaded = entry.load()
    except (ImportError, AttributeError) as error:
        raise PluginError(f'the {kind} "{entry.name}" can\'t be loaded from {entry.value}: {error}') from error
    if not isinstance(loaded, type):
        raise PluginError(f'the {kind} "{entry.name}" names {entry.value}, which is not a class')
    return loaded
