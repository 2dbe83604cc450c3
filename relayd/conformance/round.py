"""
The round of conformance: one check after another, since a user has few places and many requests are too many.

It is a doctor's round in all else: each check within its time, its findings in order.
"""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from relayd.client.address import checked
from relayd.client.http import Unreachable
from relayd.conformance.beginnings import beginning, elsewhere, tails
from relayd.conformance.clause import Clause
from relayd.conformance.endings import crowds, frames, refusals
from relayd.conformance.errors import echoes, errors, pages
from relayd.conformance.greetings import entrance, greetings, states
from relayd.conformance.live import lives, published, repeats
from relayd.conformance.resuming import resumes
from relayd.conformance.scene import Scene
from relayd.conformance.selections import filters, selections
from relayd.conformance.signs import heartbeats, pings, waits
from relayd.doctor.finding import Finding
from relayd.doctor.round import Check, examine
from relayd.doctor.visit import SECONDS, Visit, project_of, trusting

__all__ = ["BEFORE", "ROUND", "Look", "Tokens", "check", "conforms", "scene_of"]

Look = Callable[[Scene], Awaitable[Iterable[Finding]]]

BEFORE: Sequence[tuple[int, str, Look]] = ((8, "publishing", published), (4, "the way in", entrance))
"""A past, and a way in; without that there is nothing to look at."""

ROUND: Sequence[tuple[int, str, Look]] = (
    (1, "first messages", greetings),
    (1, "state", states),
    (2, "pings", pings),
    (2, "filter", filters),
    (3, "resuming", resumes),
    (3, "after=0", beginning),
    (3, "a cursor of another log", elsewhere),
    (4, "tails", tails),
    (4, "selections", selections),
    (4, "waiting", waits),
    (4, "heartbeats", heartbeats),
    (4, "errors", errors),
    (4, "pages", pages),
    (4, "live", lives),
    (8, "repeats", repeats),
    (6, "frames", frames),
    (6, "refusals", refusals),
    (6, "places", crowds),
    (4, "echoes", echoes),
)
"""By section: what is looked at, and who looks.  What provokes refusals comes last."""

STEPS = 16
"""So many requests, each of which may wait for its answer, has the longest of them."""

REST = Clause(1, "and all that follows", "")
MEND_AWAY = "see whether it runs and is reached from here; `relayd doctor --url` looks closer"


class Tokens(Struct, frozen=True):
    """A viewer's, that of somebody who may not see the project, and a worker's."""

    viewer: str | None = None
    other: str | None = None
    worker: str | None = None


def scene_of(
    base: str,
    tokens: Tokens,
    *,
    project: str | None = None,
    publish_url: str | None = None,
    origin: str | None = None,
    ca_file: Path | None = None,
    idle_seconds: float = 0.0,
    seconds: float = SECONDS,
) -> Scene:
    """Return who is held to the contract, and as whom; a worker publishes a project of its own; raises ValueError."""
    nonce = secrets.token_hex(8)
    own = f"relayd-conformance-{nonce}" if tokens.worker is not None else project_of(tokens.viewer)
    visit = Visit(
        base=base,
        project=checked(project or own),
        token=tokens.viewer,
        trusted=trusting(ca_file),
        nonce=nonce,
        seconds=seconds,
    )
    return Scene(
        visit,
        other=tokens.other,
        worker=tokens.worker,
        publish_url=publish_url,
        origin=origin,
        idle_seconds=idle_seconds,
    )


async def conforms(scene: Scene) -> AsyncGenerator[Finding]:
    """Yield what each check finds, as soon as it is known."""
    for section, what, look in BEFORE:
        for finding in await check(scene, look, section=section, what=what):
            yield finding
    if not scene.open:
        yield REST.unchecked("nobody is let in", "mend the line above first")
        return
    for section, what, look in ROUND:
        for finding in await check(scene, look, section=section, what=what):
            yield finding


async def check(scene: Scene, look: Look, *, section: int = 0, what: str = "it") -> list[Finding]:
    """Return what one check finds; that nobody answers is found, too."""

    async def reached() -> Iterable[Finding]:
        try:
            return await look(scene)
        except Unreachable as error:
            return [Clause(section, what, MEND_AWAY).judge([str(error)], "")]

    seconds = STEPS * scene.visit.seconds + scene.idle_seconds
    return await examine([Check(f"section {section}, {what}", reached, seconds=seconds)])
