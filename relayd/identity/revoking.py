"""Tokens that hold no more although they have not expired: a TokenVerifier before another one."""

from relayd.core.access import Viewer
from relayd.core.revocations import Revocations
from relayd.ports import AuthFailed, TokenVerifier

__all__ = ["Revoking"]


class Revoking:
    """The TokenVerifier port that refuses what another one would let in, where it was revoked."""

    def __init__(self, verifier: TokenVerifier, revocations: Revocations) -> None:
        """Stand before a verifier; the list changes, and is looked at each time."""
        self._verifier = verifier
        self._revocations = revocations

    @property
    def generation(self) -> int:
        """A number that grows with either's."""
        return self._verifier.generation + self._revocations.generation

    def verify(self, token: str, now: float) -> Viewer:
        """Return who it is; raises AuthFailed, NoKeys."""
        # The other one first: what an unsigned token says of itself is nobody's name.
        viewer = self._verifier.verify(token, now)
        if self._revocations.revokes(viewer):
            raise AuthFailed("revoked")
        return viewer
