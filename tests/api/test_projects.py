from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.inside import InsideRelay, inside
from tests.harness.settled import Event
from tests.harness.viewer import log


def started(project_id: str, **fields: object) -> Event:
    """Return how a project begins."""
    return {"type": "project_started", "project_id": project_id, "timestamp": 100.0, **fields}


def completed(project_id: str, timestamp: float = 160.0) -> Event:
    """Return how it ends well."""
    return {
        "type": "project_completed",
        "project_id": project_id,
        "timestamp": timestamp,
        "url": "https://shop.example",
    }


async def names(
    relay: InsideRelay, user: str = "ada", projects: tuple[str, ...] = ("*",), **query: object
) -> list[str]:
    """Return the ids of one page."""
    headers = relay.bearer(user, projects=projects)
    async with relay.http.get(relay.api("/projects", **query), headers=headers) as answer:
        assert 200 == answer.status, await answer.text()
        return [project["id"] for project in (await answer.json())["projects"]]


async def test_the_latest_project_stands_first(relay: InsideRelay) -> None:
    """By when something of it was heard last."""
    for project_id in ("a", "b", "c", "a"):
        await relay.publish(log(project_id, "hello"))
    assert ["a", "c", "b"] == await names(relay)


async def test_pages_follow_one_another(relay: InsideRelay) -> None:
    """`total` counts all, whatever the page holds."""
    for number in range(5):
        await relay.publish(started(f"p{number}"))
    status, page = await relay.get(relay.api("/projects", limit=2, skip=2))
    assert (200, 5, 2, 2) == (status, page["total"], page["limit"], page["skip"])
    assert ["p2", "p1"] == [project["id"] for project in page["projects"]]
    assert [] == await names(relay, skip=5)


async def test_one_status_can_be_asked_for(relay: InsideRelay) -> None:
    """Of those that there are."""
    await relay.publish(started("going"), started("done"), completed("done"), started("broken"))
    await relay.publish({"type": "project_error", "project_id": "broken", "timestamp": 3.0, "error": "no disk"})
    assert ["done"] == await names(relay, status="completed")
    assert ["broken"] == await names(relay, status="failed")
    assert ["going"] == await names(relay, status="in_progress") + await names(relay, status="initializing")


async def test_only_what_one_may_see_is_listed(relay: InsideRelay) -> None:
    """By the token's projects, by ownership, by the owner's team; the totals tell no more."""
    await relay.publish(
        started("hers", owner="ada"), started("ours", owner="bob", team="red"), started("his", owner="bob")
    )
    headers = relay.bearer("ada", projects=["granted"], teams=["red"])
    async with relay.http.get(relay.api("/projects"), headers=headers) as answer:
        page = await answer.json()
    assert (2, {"hers", "ours"}) == (page["total"], {project["id"] for project in page["projects"]})
    async with relay.http.get(relay.api("/metrics"), headers=headers) as answer:
        assert 2 == (await answer.json())["total_projects"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "x"),
        ("limit", "٣"),
        ("skip", "-1"),
        ("skip", "1e3"),
        ("status", "lost"),
    ],
)
async def test_a_question_that_can_t_be_read_is_named(relay: InsideRelay, name: str, value: str) -> None:
    """400 and the mend."""
    status, body = await relay.get(relay.api("/projects", **{name: value}))
    assert (400, "BAD_REQUEST") == (status, body["code"])
    assert body["detail"].startswith(f"{name}: use ")


async def test_a_number_without_end_is_no_fault_of_ours(relay: InsideRelay) -> None:
    """Python refuses to read more than 4,300 digits; so do we, with the same 400."""
    status, body = await relay.get(relay.api("/projects", limit="9" * 5_000))
    assert (400, True) == (status, body["detail"].startswith("limit: use "))


async def test_everything_asks_for_a_token_but_health(relay: InsideRelay) -> None:
    """Strangers learn that it serves, and nothing else."""
    await relay.publish(started("p"))
    whats = ["/projects", "/projects/p", "/projects/p/status", "/projects/p/agents", "/projects/p/logs"]
    for what in [*whats, "/projects/p/viewers", "/connections", "/metrics"]:
        async with relay.http.get(relay.api(what)) as answer:
            assert (401, "AUTH_FAILED") == (answer.status, (await answer.json())["code"]), what
    async with relay.http.get(relay.api("/health")) as answer:
        assert (200, {"status": "healthy", "message": "relayd serves"}) == (answer.status, await answer.json())
    relay.rooms.admission.draining = True
    async with relay.http.get(relay.api("/health")) as answer:
        assert (503, "draining") == (answer.status, (await answer.json())["status"])


async def test_another_s_project_is_forbidden_and_an_unheard_one_not_found(relay: InsideRelay) -> None:
    """Who may see all is told that there is nothing; who may not, is not told whether there is."""
    await relay.publish(started("hers", owner="eve"))
    for what in ("", "/status", "/agents", "/logs", "/viewers"):
        address = relay.project("hers", what)
        async with relay.http.get(address, headers=relay.bearer(projects=[])) as answer:
            assert (403, "FORBIDDEN") == (answer.status, (await answer.json())["code"])
    for what in ("", "/status", "/agents", "/logs"):
        status, body = await relay.get(relay.project("unheard", what))
        assert (404, "NOT_FOUND") == (status, body["code"])
        assert "publish `project_started`" in body["detail"]


async def test_the_shapes_are_the_front_end_s(relay: InsideRelay) -> None:
    """Field for field what it reads of a project, its status and its agents."""
    await relay.publish(
        started("p", name="Shop", description="A shop", project_type="web", owner="ada"),
        {"type": "workflow_stage_update", "project_id": "p", "timestamp": 110.0, "stage": "testing", "message": "Go"},
        {"type": "agent_status_update", "project_id": "p", "timestamp": 111.0, "agent": "coder", "status": "working",
         "progress": 40, "task": "cart"},
        {"type": "agent_status_update", "project_id": "p", "timestamp": 112.0, "agent": "tester", "status": "idle",
         "progress": 0},
        {"type": "project_progress", "project_id": "p", "timestamp": 113.0, "progress": 65, "message": "Building"},
    )  # fmt: skip
    _, project = await relay.get(relay.project("p"))
    assert {"id": "p", "name": "Shop", "description": "A shop", "type": "web", "progress": 65, "stage": "testing",
            "createdAt": 100.0, "completedAt": None} == {
        name: project[name]
        for name in ("id", "name", "description", "type", "progress", "stage", "createdAt", "completedAt")
    }  # fmt: skip
    _, status = await relay.get(relay.project("p", "/status"))
    wanted: dict[str, Any] = {
        "project_id": "p", "current_stage": "testing", "stage": "testing", "progress": 65, "message": "Building",
        "active_agents": ["coder"], "stages_completed": [], "errors": [], "warnings": [], "completion_url": None,
        "deployment_url": None,
    }  # fmt: skip
    assert wanted == {name: status[name] for name in wanted}
    assert {"status", "updated_at"} <= status.keys()
    _, agents = await relay.get(relay.project("p", "/agents"))
    assert [("coder", "working", 40, "cart"), ("tester", "idle", 0, None)] == [
        (agent["name"], agent["status"], agent["progress"], agent["current_task"]) for agent in agents
    ]


async def test_what_a_project_spends_is_told(tmp_path: Path) -> None:
    """By agent and model and in all, with what is used of its budget."""
    usage: dict[str, Any] = {"budget_tokens": 1_000_000, "prices": {"large": {"input": 2, "output": 4}}}
    async with inside(tmp_path, {"usage": usage}) as relay:
        await relay.publish(
            started("p", budget={"cost": 2.5}),
            {"type": "log", "project_id": "p", "level": "info", "message": "m", "agent": "coder",
             "usage": {"model": "large", "prompt_tokens": 500_000, "completion_tokens": 300_000}},
        )  # fmt: skip
        _, project = await relay.get(relay.project("p"))
        used = {"input_tokens": 500_000, "output_tokens": 300_000, "total_tokens": 800_000, "cost": 2.2}
        assert {"agents": {"coder": used}, "models": {"large": used}} == project["usage_by"]
        assert (800_000, 2.2, True) == tuple(project["spending"][name] for name in ("tokens", "cost", "cost_complete"))
        assert (0.8, 0.88) == (project["budget"]["tokens"]["share"], project["budget"]["cost"]["share"])
        _, status = await relay.get(relay.project("p", "/status"))
        assert "budget: 800,000 of 1,000,000 tokens are used (80 %)" == status["warnings"][0]


async def test_totals_and_times(relay: InsideRelay) -> None:
    """Times by the producer's clock, in seconds."""
    _, before = await relay.get(relay.api("/metrics"))
    assert (0, None) == (before["total_projects"], before["avg_completion_time"])
    await relay.publish(started("a"), completed("a", 130.0), started("b"), completed("b", 150.0), started("c"))
    assert {
        "total_projects": 3, "active_projects": 1, "completed_projects": 2, "failed_projects": 0,
        "avg_completion_time": 40.0,
    } == (await relay.get(relay.api("/metrics")))[1]  # fmt: skip


async def test_projects_out_of_memory_are_listed_as_the_journal_has_them(tmp_path: Path) -> None:
    """Finished long ago or cold: the list is whole, and a look brings one back."""
    async with inside(tmp_path, {"memory": {"projects": 1}}) as relay:
        for number in range(3):
            await relay.publish(started(f"p{number}", name=f"No {number}"))
        await relay.rooms.journaling.keeper.flush(everything=True)
        relay.rooms.engine.log.unload(projects=1)
        assert 1 == len(relay.rooms.engine.log.projects)
        assert ["p2", "p1", "p0"] == await names(relay)
        assert "No 0" == (await relay.get(relay.project("p0")))[1]["name"]


async def test_the_list_is_whole_after_a_crash(tmp_path: Path) -> None:
    """A project whose state was never written down is as much there as its events are."""
    async with inside(tmp_path) as relay:
        await relay.publish(started("p"), completed("p"))
        # No flush: what a SIGKILL leaves.
        async with relay.http.get(relay.api("/projects"), headers=relay.bearer()) as answer:
            before = await answer.json()
    async with inside(tmp_path) as relay:
        _, after = await relay.get(relay.api("/projects"))
        assert 1 == after["total"]
        assert before["projects"][0]["status"] == after["projects"][0]["status"] == "completed"


async def test_the_older_prefix_is_an_alias(tmp_path: Path, relay: InsideRelay) -> None:
    """Front ends that were built for `/api/v1/` find everything there, unless it is turned off."""
    await relay.publish(started("p"))
    assert 200 == (await relay.get(relay.project("p").replace("/v1/", "/api/v1/")))[0]
    (tmp_path / "other").mkdir()
    async with inside(tmp_path / "other", {"server": {"legacy_prefix": False}}) as strict:
        assert 404 == (await strict.get(strict.api("/metrics").replace("/v1/", "/api/v1/")))[0]


async def test_a_project_is_there_the_moment_its_worker_was_answered(daemon: PrivateRelay) -> None:
    """Through a real process: answered means durable, also for who pulls the plug right after."""
    await daemon.publish([started("plug"), log("plug", "kept")])
    daemon.kill()
    await daemon.start_async()
    headers = {"Authorization": f"Bearer {daemon.token()}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(daemon.api("/projects")) as answer:
            assert "plug" in [project["id"] for project in (await answer.json())["projects"]]
        async with http.get(daemon.project("plug", "/logs")) as answer:
            assert ["kept"] == [line["message"] for line in (await answer.json())["logs"]]
