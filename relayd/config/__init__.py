"""The configuration: read once, checked whole, handed down as plain values."""

from relayd.config.loading import load
from relayd.config.mistakes import ConfigError
from relayd.config.settings import Config

__all__ = ["Config", "ConfigError", "load"]
