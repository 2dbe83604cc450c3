"""Who a viewer is, and what an authorizer may answer."""

from enum import Enum

from msgspec import Struct

__all__ = ["Decision", "ProjectFacts", "Viewer", "any_grants"]


class Viewer(Struct, frozen=True, kw_only=True):
    """What a verified token says."""

    user: str
    expires_at: float
    """Unix seconds."""
    token_id: str | None = None
    roles: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    """Project ids granted by the token; `*` means all."""
    worker: bool = False
    """May publish events."""


class ProjectFacts(Struct, frozen=True, kw_only=True):
    """What the log says about who a project belongs to; None where it has not been said."""

    project_id: str
    known: bool
    """The log holds events of this project."""
    owner: str | None = None
    team: str | None = None


class Decision(Enum):
    """An authorizer's answer; UNKNOWN is not a no: the log may still tell."""

    GRANTED = "granted"
    DENIED = "denied"
    UNKNOWN = "unknown"


def any_grants(decisions: list[Decision]) -> Decision:
    """Return GRANTED if anyone grants, else UNKNOWN if anyone does not know yet, else DENIED."""
    if Decision.GRANTED in decisions:
        return Decision.GRANTED
    return Decision.UNKNOWN if Decision.UNKNOWN in decisions else Decision.DENIED
