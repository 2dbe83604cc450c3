"""Words of the tests of conformance: who is held to the contract, by which checks, and what they find."""

from collections.abc import Iterable
from itertools import count
from typing import Any

from relayd.conformance.live import published
from relayd.conformance.round import Look, Tokens, check, scene_of
from relayd.conformance.scene import Scene
from relayd.doctor.finding import Finding, Mark
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Meddler, Spoilt

__all__ = ["IN_VAIN", "SECONDS", "broken", "held", "meddled", "scene_at"]

USERS = count()
SECONDS = 10.0
IN_VAIN = 2.0
"""For those tests in which something does not come."""


async def scene_at(relay: PrivateRelay, base: str = "", *, empty: bool = False, **how: Any) -> Scene:  # noqa: ANN401  # what `scene_of` takes
    """Return a viewer of a small project that was just published, unless `empty`, at a relay or what stands before."""
    user = f"conformance-{next(USERS)}"
    tokens = Tokens(
        relay.token(user), relay.token(f"{user}-other", projects=("elsewhere",)), relay.token("w", worker=True)
    )
    scene = scene_of(base or relay.url, tokens, publish_url=relay.url, **{"seconds": SECONDS, **how})
    # One test's relay bears more than one user's may ask.
    scene.spacing = 0.0
    if not empty:
        assert {} == broken(await check(scene, published))
    return scene


async def held(relay: PrivateRelay, *looks: Look, base: str = "", seconds: float = SECONDS) -> list[Finding]:
    """Return what some checks find."""
    scene = await scene_at(relay, base, seconds=seconds)
    return [finding for look in looks for finding in await check(scene, look)]


async def meddled(relay: PrivateRelay, spoilt: Spoilt, *looks: Look, seconds: float = SECONDS) -> list[Finding]:
    """Return what some checks find of a relay behind a proxy that is no good."""
    async with Meddler(relay.url, spoilt) as meddler:
        return await held(relay, *looks, base=meddler.base, seconds=seconds)


def broken(findings: Iterable[Finding]) -> dict[str, str]:
    """Return which promises are not kept, and what was found; each with its mend."""
    bad = [one for one in findings if one.mark is Mark.BAD]
    assert all(one.mend for one in bad)
    return {one.looked_at: one.found for one in bad}
