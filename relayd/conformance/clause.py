"""One thing that the contract promises, and what a finding says of it."""

from collections.abc import Sequence

from msgspec import Struct

from relayd.doctor.finding import Finding, bad, ok, skipped

__all__ = ["GIVE_TOKEN", "NEEDS_EVENTS", "SOME_EVENTS", "Clause"]

SHOWN = 3
"""So many mistakes of one kind are told; the others are counted."""

NEEDS_EVENTS = "the project has fewer than two events"
SOME_EVENTS = "name another with --project, or give a worker's token: then a small project is published"
GIVE_TOKEN = "give a viewer's token with --token-file"  # noqa: S105 - a sentence


class Clause(Struct, frozen=True):
    """A promise of a section of docs/protocol.md, and what to look at where it is not kept."""

    section: int
    promise: str
    mend: str

    @property
    def looked_at(self) -> str:
        """What a finding names."""
        return f"section {self.section}, {self.promise}"

    def judge(self, mistakes: Sequence[str], kept: str) -> Finding:
        """Return that it is kept, or the first of the mistakes."""
        if not mistakes:
            return ok(self.looked_at, kept)
        told = list(dict.fromkeys(mistakes))
        more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        return bad(self.looked_at, "; ".join(told[:SHOWN]) + more, mend=self.mend)

    def unchecked(self, why: str, mend: str = "") -> Finding:
        """Return that nobody knows, and what would help."""
        return skipped(self.looked_at, f"not checked: {why}", mend)
