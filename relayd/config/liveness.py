"""The table `[liveness]`: how much silence means what."""

from pydantic import Field

from relayd.config.table import Table

__all__ = ["Liveness"]

DAY, YEAR = 86_400, 31_536_000


class Liveness(Table):
    """
    How much silence of an agent means what; each is at least the one it builds upon.

    Only silence while this relay was level with its log counts.  What is derived is shown and never acted upon;
    docs/liveness.md has it in pictures.
    """

    quiet_seconds: float = Field(
        default=30, ge=1, le=DAY, description="Seconds without a sign of work until an agent is called quiet."
    )
    stuck_seconds: float = Field(
        default=300,
        ge=1,
        le=DAY,
        description="Seconds without a sign of work until an agent may be stuck. Keep it above the longest time that "
        "your agents think without saying anything.",
    )
    tool_seconds: float = Field(
        default=1_800,
        ge=1,
        le=YEAR,
        description="The same while a tool is open: builds and test runs take long and say nothing.",
    )
    lost_seconds: float = Field(
        default=900,
        ge=1,
        le=YEAR,
        description="Seconds without any sign of life until an agent is lost; while a tool is open, later by as much "
        "as tool_seconds is above stuck_seconds.",
    )
    end_seconds: float = Field(
        default=21_600,
        ge=1,
        le=YEAR,
        description="Seconds in which nobody said anything of a project that has not ended, until its end is missing.",
    )
