"""What can be set for the built-in transports."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["WebSocketSettings"]


class WebSocketSettings(BaseModel):
    """WebSocket."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deflate: bool = Field(
        default=True,
        description="Offer permessage-deflate. Frames are compressed once for all who read the same, so it costs "
        "little; turn it off where everybody is near.",
    )
