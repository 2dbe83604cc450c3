"""The whole round: against a relay, through the proxy that is shipped, and against one that is no relay at all."""

import time
from pathlib import Path

import pytest

from relayd.conformance.live import published
from relayd.conformance.round import BEFORE, ROUND, Tokens, check, conforms, scene_of
from relayd.conformance.scene import Scene
from relayd.doctor.finding import Finding, Mark
from tests.conformance.held import SECONDS, broken, meddled, scene_at
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Spoilt
from tests.harness.nginx import PrivateNginx
from tests.harness.process import free_port


async def everything(scene: Scene) -> list[Finding]:
    """Return what the whole round finds."""
    return [finding async for finding in conforms(scene)]


async def test_the_relay_keeps_the_contract(daemon: PrivateRelay) -> None:
    """Every promise that can be looked at from outside; only the heartbeat and a foreign page are not waited for."""
    findings = await everything(await scene_at(daemon, empty=True))
    assert {} == broken(findings)
    left_out = [one.looked_at for one in findings if one.mark is Mark.SKIPPED]
    assert ["section 4, the heartbeat of an event stream", "section 4, the page of --origin"] == left_out
    assert 60 < len(findings)
    assert len(findings) == len({one.looked_at for one in findings}), "one line for each"


async def test_the_shipped_proxy_keeps_it(daemon: PrivateRelay, tmp_path: Path) -> None:
    """Nothing of the contract gets lost on the way through nginx, which keeps the workers' path inside."""
    with PrivateNginx(tmp_path, relayd=f"127.0.0.1:{daemon.port}") as nginx:
        findings = await everything(await scene_at(daemon, nginx.https, ca_file=tmp_path / "relayd.crt", empty=True))
    assert {} == broken(findings)
    assert 58 < len([one for one in findings if one.mark is Mark.OK])


async def test_the_meddler_spoils_nothing_by_itself(daemon: PrivateRelay) -> None:
    """Else what the other tests find would be its own."""
    assert {} == broken(await meddled(daemon, Spoilt(), *(look for _, _, look in ROUND)))


async def test_who_is_not_let_in_is_told_so_once(daemon: PrivateRelay) -> None:
    """And nothing else is called broken."""
    findings = await everything(scene_of(daemon.url, Tokens("a.b.c"), seconds=SECONDS))
    assert ["section 4, the way in"] == [*broken(findings)]
    assert "HTTP 401" in broken(findings)["section 4, the way in"]
    assert len(BEFORE) + 1 == len(findings)
    assert "not checked: nobody is let in" == findings[-1].found


async def test_nobody_there_is_named() -> None:
    """By the way in, soon."""
    began = time.monotonic()
    findings = await everything(scene_of(f"http://127.0.0.1:{free_port()}", Tokens("a.b.c"), seconds=SECONDS))
    assert "connection refused" in broken(findings)["section 4, the way in"]
    assert SECONDS > time.monotonic() - began


async def test_a_check_that_nobody_answers_is_a_finding(daemon: PrivateRelay) -> None:
    """The round goes on."""
    scene = scene_of(f"http://127.0.0.1:{free_port()}", Tokens("a.b.c"), seconds=SECONDS)
    (found,) = await check(scene, ROUND[2][2], section=2, what="pings")
    assert ("section 2, pings", Mark.BAD) == (found.looked_at, found.mark)


@pytest.mark.parametrize(
    ("how", "words"), [({"project": "a/b"}, "no project id"), ({"ca_file": Path("/not/there")}, "--ca-file")]
)
def test_what_can_not_be_asked_for_is_named(how: dict[str, object], words: str) -> None:
    """Before anybody is asked."""
    with pytest.raises(ValueError, match=words):
        scene_of("http://x", Tokens(), **how)  # type: ignore[arg-type]


async def test_without_a_worker_it_reads_what_is_there(daemon: PrivateRelay) -> None:
    """And says what it could not check, which is neither kept nor broken."""
    project = (await scene_at(daemon)).visit.project
    scene = scene_of(daemon.url, Tokens(daemon.token("reader")), project=project, seconds=SECONDS)
    scene.spacing = 0.0
    findings = await everything(scene)
    assert {} == broken(findings)
    left_out = [one for one in findings if one.mark is Mark.SKIPPED]
    assert {True} == {one.found.startswith("not checked: ") for one in left_out}
    assert "section 6, somebody else's project" in {one.looked_at for one in left_out}
    assert "section 3, a resume over WebSocket is whole" not in {one.looked_at for one in left_out}


async def test_a_project_without_events_leaves_out_what_needs_some(daemon: PrivateRelay) -> None:
    """It is said of each."""
    scene = scene_of(daemon.url, Tokens(daemon.token("nothing")), project="conformance-empty", seconds=SECONDS)
    scene.spacing = 0.0
    findings = await everything(scene)
    assert {} == broken(findings)
    assert 20 < len([one for one in findings if "fewer than two events" in one.found])


async def test_its_own_project_is_published(daemon: PrivateRelay) -> None:
    """In a project of its own, that the viewer owns."""
    (found,) = await check(await scene_at(daemon, empty=True), published)
    assert ("ok", "12 events") == (found.mark, found.found)
