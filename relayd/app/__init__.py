"""The daemon: only here do all rooms meet."""

from relayd.app.daemon import run

__all__ = ["run"]
