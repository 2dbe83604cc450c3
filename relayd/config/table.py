"""What all tables of the configuration file have in common."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Table"]


class Table(BaseModel):
    """What every table is: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
