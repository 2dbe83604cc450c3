"""What a project spends, from the worker's report to each kind of viewer, over real sockets."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.harness.inside import InsideRelay, inside
from tests.harness.viewer import Viewer, log, watch

TABLES: dict[str, Any] = {"usage": {"prices": {"large-1": {"input": 2, "output": 10}}}}
SENTENCE = "budget: 1,000,000 of 1,200,000 tokens are used (83 %)"
REPORT = {"provider": "p", "model": "large-1", "inputTokens": 900_000, "outputTokens": 100_000}


async def until_told(viewer: Viewer, code: str) -> dict[str, Any]:
    """Return the next notice with that code."""
    while (frame := await viewer.frame()).get("code") != code:
        continue
    return frame


async def streamed(relay: InsideRelay, address: str) -> list[dict[str, Any]]:
    """Return what a stream of events says until the figures come."""
    heard: list[dict[str, Any]] = []
    async with relay.http.get(address, headers=relay.bearer("cem")) as answer:
        while not heard or heard[-1].get("code") != "SPENDING":
            line = (await answer.content.readline()).decode()
            if line.startswith("data: "):
                heard.append(json.loads(line[6:]))
    return heard


async def test_every_viewer_is_told_in_its_own_way(tmp_path: Path) -> None:
    """A legacy socket by a line, a modern one and a stream by notices, too, a poll by the state; nobody by the log."""
    async with inside(tmp_path, TABLES) as relay:
        await relay.publish({"type": "project_started", "project_id": "p", "budget": {"tokens": 1_200_000}})
        async with (
            watch(relay, "p") as modern,
            watch(relay, "p", legacy=True, token=relay.token("bob")) as legacy,
            asyncio.timeout(15),
        ):
            stream = asyncio.create_task(streamed(relay, relay.project("p", "/stream")))
            await modern.frame()
            for _ in ("established", "started", "progress", "started, from the log"):
                await legacy.frame()
            await relay.until(lambda: 3 == relay.places() and not relay.rooms.engine.log.projects["p"].channel.behind)
            _, fresh = await relay.get(relay.project("p", "/events"))
            await relay.publish(log("p", "costly") | {"agent": "coder", "usage": [REPORT]})

            crossed, figures = await until_told(modern, "BUDGET"), await until_told(modern, "SPENDING")
            assert (SENTENCE, 0.8333) == (crossed["detail"], crossed["data"]["share"])
            used = {"input_tokens": 900_000, "output_tokens": 100_000, "total_tokens": 1_000_000, "cost": 2.8}
            assert {"agents": {"coder": used}, "models": {"large-1": used}} == figures["data"]["usage_by"]
            line = next(frame for frame in modern.frames if frame.get("synthetic"))
            assert (SENTENCE, "warning", False) == (line["message"], line["level"], "id" in line)

            assert ["costly", SENTENCE] == [(await legacy.frame())["message"] for _ in range(2)]
            heard = await stream
            assert SENTENCE in [message.get("message") for message in heard]
            assert figures["data"] == heard[-1]["data"]

        _, resumed = await relay.get(relay.project("p", "/events", after=fresh["cursor"], wait=0))
        assert ["costly"] == [message["message"] for message in resumed["messages"]]
        _, anew = await relay.get(relay.project("p", "/events"))
        assert figures["data"].items() <= anew["snapshot"].items()
        assert [SENTENCE] == anew["snapshot"]["warnings"]
