"""Plug-ins for relayd: events that are shouted, projects that everybody in the street may see, a wall to write on."""

from .dialect import ShoutDialect
from .street import StreetAuthorizer
from .wall import WallSource

__all__ = ["ShoutDialect", "StreetAuthorizer", "WallSource"]
