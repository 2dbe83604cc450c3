"""The built-in answers to "may this viewer see that project?"; one that grants is enough."""

from relayd.core.access import Decision, Question
from relayd.identity.settings import PLACE, ClaimsSettings, OwnershipSettings

__all__ = ["ClaimsAuthorizer", "OwnershipAuthorizer"]

ALL_PROJECTS = "*"


class ClaimsAuthorizer:
    """Grants what the token itself grants; asks nobody."""

    Settings = ClaimsSettings
    name = "claims"

    def __init__(self, settings: ClaimsSettings) -> None:
        """Keep which roles see everything, and what scopes open."""
        self._roles = frozenset(settings.admin_roles)
        self._scopes = settings.scopes

    async def decide(self, question: Question) -> Decision:
        """Grant by admin role, `*`, the project's id and scope; never UNKNOWN, because the token is all there is."""
        viewer, project_id = question.viewer, question.project.project_id
        granted = (
            project_id in viewer.projects
            or ALL_PROJECTS in viewer.projects
            or not self._roles.isdisjoint(viewer.roles)
            or any(scope.replace(PLACE, project_id) in viewer.scopes for scope in self._scopes)
        )
        return Decision.GRANTED if granted else Decision.DENIED


class OwnershipAuthorizer:
    """Grants what the log says: the owner and the owner's team."""

    Settings = OwnershipSettings
    name = "ownership"

    def __init__(self, settings: OwnershipSettings) -> None:
        """Keep whether a team shares its projects."""
        self._teams = settings.teams

    async def decide(self, question: Question) -> Decision:
        """Grant by owner and team; UNKNOWN while the log has named neither, because it may still."""
        viewer, project = question.viewer, question.project
        if project.owner is None and project.team is None:
            return Decision.UNKNOWN
        owns = project.owner == viewer.user
        shares = self._teams and project.team in viewer.teams
        return Decision.GRANTED if owns or shares else Decision.DENIED
