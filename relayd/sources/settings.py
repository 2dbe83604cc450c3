"""The tables `[sources.embedded]` and `[sources.simulator]`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["EmbeddedSettings", "SimulatorSettings"]

LogName = Annotated[str, Field(min_length=1, max_length=200)]


class EmbeddedSettings(BaseModel):
    """How much may wait to be written, and what the log is called."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    log: LogName = "embedded:main"
    """The log's name in cursors; give each journal its own, and a new one to a journal that begins anew."""
    waiting: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    """Requests that may wait to be written; the next ones wait outside until there is room."""
    waiting_bytes: Annotated[int, Field(ge=1)] = 64 * 1024 * 1024
    """Bytes of bodies that may wait; a single larger one is let in alone."""
    room_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Longest wait for room; after that the publisher is asked to come back."""
    batch: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Most bodies written in one transaction."""


class SimulatorSettings(EmbeddedSettings):
    """A made-up swarm."""

    log: LogName = "simulator:main"
    """The log's name in cursors."""
    seed: int = 1
    """The same seed tells the same stories."""
    projects: Annotated[int, Field(ge=1, le=1_000)] = 3
    """How many projects are at work at a time."""
    speed: Annotated[float, Field(gt=0, le=1_000)] = 1.0
    """How much faster than life they are told."""
    recording: str = ""
    """A recording to play again and again beside them: "demo", which comes with relayd, or a path; empty: none."""
