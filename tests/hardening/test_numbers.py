"""What strangers can make grow: series of metrics, names, answers; each test's sentence tells the attack."""

import asyncio
import json
import urllib.request

import aiohttp
import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.memory import MEBIBYTE, memory
from tests.harness.viewer import log, watch

PROJECTS = 10_000
BODY = 500
"""Events of one body."""

SERIES = 1_000
"""Most lines of metrics that a relay may have, buckets included."""


def series(relay: PrivateRelay) -> set[str]:
    """Return the names with labels of all series."""
    with urllib.request.urlopen(f"{relay.admin_url}/metrics", timeout=5) as answer:  # noqa: S310 - our own
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


async def test_ten_thousand_projects_make_no_series() -> None:
    """Ids, agents, types, stages, paths, methods, users and programs of strangers are counted, and never named."""
    async with PrivateRelay({"limits": {"connections_per_user": 50}}) as relay:
        async with watch(relay, "p", token=relay.token("somebody")) as viewer, aiohttp.ClientSession() as http:
            await viewer.frame()
            await relay.publish(log("p", "all that one event makes"))
            before = series(relay)
            for first in range(0, PROJECTS, BODY):
                numbers = range(first, first + BODY)
                await relay.publish([log(f"p-{number}", "x", agent=f"agent-{number}") for number in numbers])
            await relay.publish(
                [{"type": f"type-{number}", "project_id": "p", "timestamp": 1} for number in range(50)]
                + [log("p", "x")]
            )
            for number in range(100):
                headers = {
                    "User-Agent": f"browser-{number}",
                    "Authorization": f"Bearer {relay.token(f'user-{number}')}",
                }
                async with http.request(f"M{number}", relay.api(f"/made-up-{number}"), headers=headers) as answer:
                    assert answer.status in {400, 404, 405}
                async with http.get(relay.project(f"p-{number}", "/events", wait=0), headers=headers) as answer:
                    assert 200 == answer.status
        after = series(relay)
        assert PROJECTS < relay.metric('relayd_broker_messages_total{type="workflow_log"}')
    assert not [name for name in after if "made-up" in name or "browser-" in name or "agent-1" in name or "p-1" in name]
    # What happened for the first time may have begun a series that is known by name; nothing grows with the strangers.
    assert len(after - before) < 20, after - before
    assert len(after) < SERIES


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/rejected", "/debug", "/rejected/1/replay"])
async def test_what_is_for_operators_is_not_where_viewers_are(daemon: PrivateRelay, path: str) -> None:
    """The public listener has none of it, with a worker's and an admin's token neither."""
    headers = {"Authorization": f"Bearer {daemon.token('root', roles=['admin'], worker=True)}"}
    async with aiohttp.ClientSession() as http:
        for method in ("GET", "POST"):
            async with http.request(method, f"{daemon.url}{path}", headers=headers) as answer:
                assert (404, "NOT_FOUND") == (answer.status, (await answer.json())["code"])


async def test_who_stands_before_the_operators_listener(daemon: PrivateRelay) -> None:
    """It listens on the loopback, and gives nothing of a project, a token or a configuration."""
    await daemon.publish(log("a-secret-project", "a secret"))
    async with aiohttp.ClientSession() as http:
        for path in ("/metrics", "/livez", "/readyz", "/rejected"):
            async with http.get(f"{daemon.admin_url}{path}") as answer:
                text = await answer.text()
                assert 200 == answer.status
                assert "secret" not in text
                assert "*" != answer.headers.get("Access-Control-Allow-Origin")


EVIL = "(a+)+$"


async def test_a_search_is_no_program(daemon: PrivateRelay) -> None:
    """What would make a regular expression think for years is a text that is looked for, wherever one searches."""
    await daemon.publish([log("search", "a" * 16_000 + "!"), log("search", f"literally {EVIL}")])
    headers = {"Authorization": f"Bearer {daemon.token()}"}
    async with watch(daemon, "search", q=EVIL) as viewer:
        assert [f"literally {EVIL}"] == await viewer.lines(1)
        await viewer.says({"type": "filter", "filter": {"q": ".*"}})
        assert "FILTERED" == (await viewer.hears("notice"))["code"]
        await daemon.publish([log("search", "no star"), log("search", "a .* star")])
        assert ["a .* star"] == await viewer.lines(1)
    async with aiohttp.ClientSession() as http:
        async with http.get(daemon.project("search", "/logs", q=EVIL), headers=headers) as answer:
            assert [f"literally {EVIL}"] == [line["message"] for line in (await answer.json())["logs"]]
        async with http.get(daemon.project("search", "/logs", q="x" * 65), headers=headers) as answer:
            assert (400, "BAD_REQUEST") == (answer.status, (await answer.json())["code"])


async def test_names_that_were_only_asked_for(daemon: PrivateRelay) -> None:
    """A thousand projects that nobody ever published, asked for by one viewer, cost no memory once it is gone."""
    headers = {"Authorization": f"Bearer {daemon.token('curious')}"}
    async with aiohttp.ClientSession() as http:

        async def ask(number: int) -> None:
            async with http.get(daemon.project(f"never-{number}", "/events", wait=0), headers=headers) as answer:
                assert answer.status in {200, 429}

        for number in range(50):
            await ask(number)
        idle = memory(daemon.process.pid, "VmRSS")
        for first in range(0, 1_000, 4):
            await asyncio.gather(*(ask(first + more) for more in range(4)))
        async with http.get(daemon.api("/projects", limit=100), headers=headers) as answer:
            listed = json.dumps(await answer.json())
    assert "never-" not in listed
    assert memory(daemon.process.pid, "VmRSS") - idle < 8 * MEBIBYTE
