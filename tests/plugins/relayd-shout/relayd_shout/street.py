"""What happens in the street everybody may see."""

from relayd.core.access import Decision, Question

from .settings import StreetSettings

__all__ = ["StreetAuthorizer"]


class StreetAuthorizer:
    """Grants every viewer the projects whose names begin so."""

    Settings = StreetSettings
    name = "street"

    def __init__(self, settings: StreetSettings) -> None:
        self._prefix = settings.prefix

    async def decide(self, question: Question) -> Decision:
        """Grant by the project's name; whoever asks."""
        return Decision.GRANTED if question.project.project_id.startswith(self._prefix) else Decision.DENIED
