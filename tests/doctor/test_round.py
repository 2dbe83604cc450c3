import asyncio
from collections.abc import Iterable

from relayd.doctor.finding import Finding, ok
from relayd.doctor.round import Check, examine


def after(event: asyncio.Event | None, *names: str, then: asyncio.Event | None = None) -> Check:
    """Return a check that waits for an event, finds things, and sets another."""

    async def look() -> Iterable[Finding]:
        if event is not None:
            await event.wait()
        if then is not None:
            then.set()
        return [ok(name, "fine") for name in names]

    return Check(names[0] if names else "nothing", look)


async def test_all_look_at_once_and_are_told_in_order() -> None:
    """The first one waits for the last, and its findings stand first all the same."""
    last = asyncio.Event()
    found = await examine([after(last, "a", "b"), after(None), after(None, "c", then=last)])
    assert ["a", "b", "c"] == [one.looked_at for one in found]


async def test_what_hangs_costs_the_others_nothing() -> None:
    """It is given up when its own time is over, and told with how long that was; others go on."""
    given_up = asyncio.Event()

    async def hang() -> Iterable[Finding]:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        return []

    found = await examine([Check("stuck", hang, seconds=0.01), after(given_up, "a")])
    assert [("stuck", "bad"), ("a", "ok")] == [(one.looked_at, one.mark.value) for one in found]
    assert "no answer within 0.01 s" == found[0].found
