"""Words of the doctor's tests: a relay that is looked at, and what is expected of the look."""

from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

from relayd.config import Config, load
from relayd.doctor.finding import Finding, Mark
from relayd.doctor.inside import inside
from relayd.doctor.outside import outside
from relayd.doctor.round import examine
from relayd.plugins import settings_of
from tests.harness.daemon import PrivateRelay
from tests.harness.settled import Tables, merged, write_settings

__all__ = ["Patient", "amiss", "found"]


USERS = count()


class Patient:
    """A healthy relay; a look at it may be with other settings than it has."""

    def __init__(self, relay: PrivateRelay) -> None:
        self.relay = relay

    def config(self, folder: Path, changes: Tables | None = None) -> Path:
        """Return a configuration file like the relay's, with changes."""
        folder.mkdir(exist_ok=True)
        return write_settings(folder, merged(self.relay._tables, {"journal": {"path": self.journal}}, changes or {}))

    @property
    def journal(self) -> Path:
        """Its file."""
        return self.relay.folder / "relayd.db"

    def settings(self, folder: Path, changes: Tables | None = None) -> Config:
        """Return such a configuration, loaded."""
        return load(self.config(folder, changes), {}, settings_of)

    async def inside(self, folder: Path, changes: Tables | None = None) -> list[Finding]:
        """Return what is found from inside."""
        path = self.config(folder, changes)
        return await examine(await inside(load(path, {}, settings_of), path, {}))

    async def outside(
        self,
        base: str,
        ca_file: Path | None,
        *,
        idle_seconds: float = 0.0,
        project: str = "p",
        token: str | None = None,
    ) -> list[Finding]:
        """Return what is found from outside, with a token of this relay unless another is given (empty: none)."""
        # A user of its own: another test's places may not be free yet.
        shown = self.relay.token(f"doctor-{next(USERS)}") if token is None else token or None
        return await examine(outside(base, token=shown, project=project, ca_file=ca_file, idle_seconds=idle_seconds))


def amiss(findings: Iterable[Finding]) -> dict[str, str]:
    """Return what is not well: what was looked at and how it is."""
    return {one.looked_at: one.mark.value for one in findings if one.mark in {Mark.WARN, Mark.BAD}}


def found(findings: Sequence[Finding], looked_at: str) -> Finding:
    """Return the one finding of that name, the worst if there are several."""
    order = [Mark.BAD, Mark.WARN, Mark.SKIPPED, Mark.OK]
    (worst, *_) = sorted((one for one in findings if one.looked_at == looked_at), key=lambda one: order.index(one.mark))
    assert (worst.mend != "") or worst.mark in {Mark.OK, Mark.SKIPPED}, "what is not well has a mend"
    return worst
