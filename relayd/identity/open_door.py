"""Everybody may come in and see everything: `auth.mode = "disabled"`, for one's own machine only."""

from relayd.core.access import Viewer

__all__ = ["OpenDoor"]

LIFETIME = 365 * 86_400.0
"""Seconds; a number that every reader of a time can hold, other than infinity."""


class OpenDoor:
    """The TokenVerifier port that looks at no token."""

    generation = 0

    def verify(self, token: str, now: float) -> Viewer:  # noqa: ARG002  # the port's signature
        """Return the same almighty viewer for every token, also for none."""
        return Viewer(
            user="anonymous",
            expires_at=now + LIFETIME,
            roles=frozenset({"admin"}),
            projects=frozenset({"*"}),
            worker=True,
        )
