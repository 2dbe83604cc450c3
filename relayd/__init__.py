"""relayd: watch swarms of AI agents work, live."""

__version__ = "0.1.0"
