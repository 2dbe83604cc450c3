"""Who a viewer is, what is asked about it, and what an authorizer may answer."""

from enum import Enum

from msgspec import Struct

__all__ = ["Decision", "ProjectFacts", "Question", "Viewer"]


class Viewer(Struct, frozen=True, kw_only=True):
    """What a verified token says."""

    user: str
    expires_at: float
    """Unix seconds."""
    token_id: str | None = None
    issued_at: float | None = None
    """Unix seconds; None where the token does not say."""
    roles: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    """Project ids granted by the token; `*` means all."""
    scopes: frozenset[str] = frozenset()
    """What the token was issued for (RFC 8693 4.2)."""
    worker: bool = False
    """May publish events."""


class ProjectFacts(Struct, frozen=True, kw_only=True):
    """What the log says about who a project belongs to; None where it has not been said."""

    project_id: str
    known: bool
    """The log holds events of this project."""
    owner: str | None = None
    team: str | None = None


class Question(Struct, frozen=True, kw_only=True):
    """May this viewer see that project?"""

    viewer: Viewer
    project: ProjectFacts
    token: str = ""
    """What the viewer showed, for authorizers that ask somebody in its name; empty where it showed none."""
    anew: bool = False
    """The viewer is in, and the question is whether it may stay: an answer from before is no answer."""

    def __repr__(self) -> str:
        """Leave the token out: it would end in whatever tells of a question, a fault's traceback among them."""
        return f"Question(viewer={self.viewer!r}, project={self.project!r}, anew={self.anew!r})"


class Decision(Enum):
    """An authorizer's answer; UNKNOWN is not a no: it can't be told yet, or not at present."""

    GRANTED = "granted"
    DENIED = "denied"
    UNKNOWN = "unknown"
