"""The tables `[dialects.shout]`, `[authorizers.street]` and `[sources.wall]`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ShoutSettings", "StreetSettings", "WallSettings"]


class ShoutSettings(BaseModel):
    """How shouts are shown."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    level: Literal["info", "success", "warning", "error"] = "info"
    """The level of every line."""


class StreetSettings(BaseModel):
    """What everybody may see."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prefix: Annotated[str, Field(min_length=1)] = "street-"
    """How the names of those projects begin."""


class WallSettings(BaseModel):
    """Which file is the log."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: Path
    """A file that is only ever appended to; each line of it is a body."""
    look_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Pause between two looks for more."""
