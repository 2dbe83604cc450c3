"""One library, one room: whoever replaces a library changes one room."""

import sys

from tests.house.tree import Module, modules

ROOMS: dict[str, tuple[str, ...]] = {
    "aio_pika": ("relayd.rabbitmq", "relayd.worker"),
    "aiohttp": (
        "relayd.transports",
        "relayd.api",
        "relayd.identity.fetch",
        "relayd.identity.product",
        "relayd.client",
        "relayd.web",
        # Where transports and API, which are strangers, come onto one application and one port.
        "relayd.app.listening",
        "relayd.app.routes",
    ),
    "aiormq": ("relayd.rabbitmq", "relayd.worker"),
    "aiosqlite": ("relayd.journal",),
    "cryptography": ("relayd.identity",),
    "jmespath": ("relayd.dialects.rules",),
    "jwt": ("relayd.identity",),
    "msgspec": ("relayd",),
    "multidict": ("relayd.transports", "relayd.api", "relayd.client"),
    "pamqp": ("relayd.rabbitmq", "relayd.worker"),
    "prometheus_client": ("relayd.telemetry.metrics", "relayd.telemetry.scrape"),
    "pydantic": ("relayd.config",),
    "pytest": ("relayd.testing",),
    "redis": ("relayd.presence.line", "relayd.presence.rights"),
    "rich": ("relayd.cli",),
    "sqlite3": ("relayd.journal",),
    "structlog": ("relayd.telemetry",),
    "typer": ("relayd.cli",),
    "uvloop": ("relayd.cli", "relayd.app"),
    "yarl": (
        "relayd.transports",
        "relayd.api",
        "relayd.identity.fetch",
        "relayd.identity.product",
        "relayd.client",
        "relayd.rabbitmq",
        "relayd.worker",
    ),
}
"""Which rooms (or single modules) may import a library; one that is not here may not be imported at all."""

SETTINGS = {"pydantic"}
"""What any module called `settings` may import, too: each room describes its own table."""


def may_import(module: Module, library: str) -> bool:
    """Return whether the table lets the module import the library."""
    if library in SETTINGS and module.path.stem == "settings":
        return True
    return any(module.name == room or module.name.startswith(f"{room}.") for room in ROOMS.get(library, ()))


def test_each_library_stays_in_its_rooms() -> None:
    """A library that nobody else imports can be replaced, or refused, in one place."""
    ours = sys.stdlib_module_names - ROOMS.keys() | {"relayd"}
    assert set() == {
        f"{module.path} imports {library}"
        for module in modules()
        for name, _ in module.imports()
        if (library := name.split(".")[0]) not in ours and not may_import(module, library)
    }
