"""What can be set for the built-in authorizers."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ClaimsSettings", "OwnershipSettings"]


class ClaimsSettings(BaseModel):
    """The token itself says who may see what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    admin_roles: tuple[str, ...] = Field(
        default=("admin",), description="Roles in a token that see all projects; empty: none does."
    )


class OwnershipSettings(BaseModel):
    """The log says who a project belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    teams: bool = Field(default=True, description="The owner's team may see a project as the owner does.")
