"""One viewer's interest in one project: the member that channels hold."""

from typing import Protocol

from relayd.core.access import ProjectFacts, Question
from relayd.core.channel import Key, Passed
from relayd.core.floor import BELOW_ALL
from relayd.core.log import Log
from relayd.core.project import Project
from relayd.ports import Encoding
from relayd.protocol.commands import Selection
from relayd.protocol.disconnect import Disconnect
from relayd.relay.refusal import Refused

__all__ = ["Follower", "Subscription", "Watched", "WatchedLog", "refuse_beyond"]


class Granted(Protocol):
    """What a follower was let in by."""

    def question(self, project: ProjectFacts, *, anew: bool = False) -> Question:
        """Return what is asked when it is to be known whether it may see a project, by the token it shows now."""
        ...


class Follower(Protocol):
    """What a subscription belongs to."""

    @property
    def grant(self) -> Granted:
        """By what it was let in."""
        ...

    @property
    def encoding(self) -> Encoding:
        """How it reads."""
        ...

    def push(self, payload: bytes) -> bool:
        """Write now, or refuse and write nothing."""
        ...

    def fell_behind(self, subscription: "Subscription") -> None:
        """Take note that the subscription left its group and must catch up from what it has passed."""
        ...

    def stir(self, subscription: "Subscription") -> None:
        """Take note that there is news for a subscription that is served on its own."""
        ...

    def lose(self, subscription: "Subscription", disconnect: Disconnect, sentence: str) -> None:
        """Go on without a project that the viewer may not see any more, or end where it has no other."""
        ...


class Subscription:
    """A follower, a project and a selection; identity is equality, so that a channel can hold it."""

    __slots__ = ("follower", "gap", "index", "passed", "project", "push", "selection")

    def __init__(self, follower: Follower, project: "Watched", selection: Selection) -> None:
        """Begin before everything; whoever opens it says where it stands."""
        self.follower = follower
        self.project = project
        self.selection = selection
        self.passed = Passed(BELOW_ALL, "")
        """Meaningful while it is in no group; without a cursor until it is opened, for it has passed nothing yet."""
        self.index: int | None = None
        """Of the next entry in the timeline; known once it has been live, and while it is served on its own."""
        self.gap = ""
        """Why its past is not whole any more; told before anything else."""
        self.push = follower.push
        """Write now, or refuse and write nothing; the follower's own, for it is called once a viewer and frame."""

    @property
    def key(self) -> Key:
        """What it must have in common with others to share their bytes."""
        return (self.selection, self.follower.encoding)

    @property
    def live(self) -> bool:
        """Tell whether it gets what comes, as it comes."""
        return self in self.project.channel.alone or self.project.channel.group_of(self) is not None

    def cursor(self, log: "WatchedLog") -> str:
        """Return what it has passed by now: the head of the whole log when nothing of its project is waiting."""
        group = self.project.channel.group_of(self)
        index, passed = (self.index, self.passed) if group is None else (group.index, group.passed)
        if self.live and index == self.project.timeline.end:
            return log.head_cursor()
        return passed.cursor

    def fall_behind(self, passed: Passed, gap: str = "") -> None:
        """Leave the live viewers; with a gap, what lies between is given up, and said so."""
        group = self.project.channel.group_of(self)
        if group is not None:
            self.index = group.index
        self.project.channel.fall(self)
        self.passed = passed
        self.gap = gap
        self.follower.fell_behind(self)


def refuse_beyond(viewers: int, project: "Watched") -> None:
    """Raise Refused if a project has so many viewers on this relay; 0 is any number."""
    if 0 < viewers <= len(project.channel):
        raise Refused(
            Disconnect.OVERLOADED,
            f"{viewers} viewers watch this project here already; try again",
            "project_full",
            data={"limit": viewers},
        )


Watched = Project[Subscription]
WatchedLog = Log[Subscription]
