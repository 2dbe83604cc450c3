import time

from relayd.conformance.reading import Way, greeted
from relayd.conformance.scene import SPACING
from tests.conformance.held import scene_at
from tests.harness.daemon import PrivateRelay


async def test_a_past_is_read_once(daemon: PrivateRelay) -> None:
    """What comes later is not a part of it, so each check compares with the same."""
    scene = await scene_at(daemon)
    past = await scene.past()
    assert past.enough
    assert ("project_started", "project_completed") == (past.messages[0]["type"], past.messages[-1]["type"])
    assert 11 == len(past.behind)
    assert past is await scene.past()


async def test_a_token_that_comes_back_is_noted(daemon: PrivateRelay) -> None:
    """With where; what only looks like one is not."""
    scene = await scene_at(daemon)
    scene.note(scene.visit, "an answer", b"nothing")
    scene.note(scene.bearing("a.b.c"), "another", b"... a.b.c ...")
    assert ["another"] == scene.echoes


async def test_requests_keep_their_distance(daemon: PrivateRelay) -> None:
    """A user may have so many in a second."""
    scene = await scene_at(daemon)
    scene.spacing = SPACING
    began = time.monotonic()
    for _ in range(4):
        await scene.turn()
    assert 3 * SPACING <= time.monotonic() - began


async def test_refusals_are_forgotten(daemon: PrivateRelay) -> None:
    """Else the answer to the next bad token would come late."""
    scene = await scene_at(daemon)
    nobody = scene.bearing("a.b.c")
    for _ in range(12):
        await scene.read(Way.POLL, {}, greeted, visit=nobody)
        await scene.at_peace()
    began = time.monotonic()
    await scene.read(Way.POLL, {}, greeted, visit=nobody)
    assert scene.visit.seconds > time.monotonic() - began


async def test_a_patient_visit_waits_longer(daemon: PrivateRelay) -> None:
    """By as long as it may be idle."""
    scene = await scene_at(daemon, idle_seconds=30)
    assert scene.visit.seconds + 30 == scene.patient().seconds
