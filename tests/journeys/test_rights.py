"""
Who may see what, from the product's own API to the last byte: the whole relay, real viewers, a real API.

Times are short here: each project of each viewer is asked for again within a second.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until, until_true
from tests.harness.inside import InsideRelay, inside
from tests.harness.product import ProductApi
from tests.harness.settled import Tables, merged, signed
from tests.harness.viewer import log, refused, watch

SECRET = "0123456789abcdef0123456789abcdef"


def tables(api: ProductApi, *more: Tables) -> Tables:
    """Return a configuration in which the API alone says who may see what, and is asked again each second."""
    return merged(
        {
            "auth": {"authorizers": ["http"], "recheck_seconds": 1},
            "authorizers.http": {"url": api.url, "granted_seconds": 0, "denied_seconds": 0},
            "limits": {"connections_per_user": 1_000},
        },
        *more,
    )


@asynccontextmanager
async def served(folder: Path, *more: Tables) -> AsyncGenerator[tuple[InsideRelay, ProductApi]]:
    """Give a relay and the API that it asks."""
    async with ProductApi() as api, inside(folder, tables(api, *more)) as relay:
        await relay.publish(log("p", "first"), log("q", "first"))
        yield relay, api


def ada() -> str:
    """Return a token that by itself opens nothing."""
    return signed("ada", projects=())


async def answers(relay: InsideRelay, what: str, token: str) -> int:
    """Return the status with which a viewer's question is answered."""
    headers = {"Authorization": f"Bearer {token}"}
    async with relay.http.get(relay.project("p", what), headers=headers) as answer:
        return answer.status


# -- at the door ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "http", "code"),
    [(200, 200, None), (204, 200, None), (403, 403, 4403), (404, 403, 4403), (500, 503, 1013)],
)
async def test_the_api_decides_at_every_door(tmp_path: Path, status: int, http: int, code: int | None) -> None:
    """WebSocket, many projects on one, server-sent events, long poll and the projects' own pages say the same."""
    async with served(tmp_path) as (relay, api):
        api.status, token = status, ada()
        for what in ("", "/status", "/logs", "/export", "/viewers", "/events?wait=0"):
            assert http == await answers(relay, what, token), what
        if code is None:
            async with watch(relay, "p", token=token) as viewer:
                assert ["first"] == await viewer.lines(1)
        else:
            async with watch(relay, "p", token=token) as viewer:
                assert code == (await viewer.ending())[0]
            assert http == (await refused(relay, "p", token=token, legacy=True))[0]
            assert http == await answers(relay, "/stream", token)
        async with watch(relay, None, token=token) as viewer:
            await viewer.says({"type": "subscribe", "project_id": "p"})
            first = await viewer.message()
            assert (first["type"] == "connection_established") == (code is None)
            assert code is None or {4403: "FORBIDDEN", 1013: "OVERLOADED"}[code] == first["code"]
        assert {token} == {asked.token for asked in api.asked}


async def test_a_hundred_who_come_at_once_are_one_question(tmp_path: Path) -> None:
    """A front end's tabs come back together after an outage."""
    async with served(tmp_path, {"auth": {"recheck_seconds": 0}}) as (relay, api), AsyncExitStack() as stack:
        api.hang()
        token = ada()
        comers = [asyncio.ensure_future(stack.enter_async_context(watch(relay, "p", token=token))) for _ in range(100)]
        await until(lambda: api.under_way > 0)
        viewers = await asyncio.gather(*comers)
        api.go_on()
        for viewer in viewers:
            assert ["first"] == await viewer.lines(1)
        assert 1 == len(api.asked)


async def test_a_list_asks_for_what_it_shows(tmp_path: Path) -> None:
    """Some projects at a time; what can't be told is not shown."""
    async with served(tmp_path, {"authorizers.http": {"granted_seconds": 60}}) as (relay, api):
        await relay.publish(*(log(f"p{number}", "first") for number in range(40)))
        api.decisions |= {"p": 403, "q": 500}
        headers = {"Authorization": f"Bearer {ada()}"}
        for _ in range(2):
            async with relay.http.get(relay.api("/projects", limit=500), headers=headers) as answer:
                page = await answer.json()
            assert (40, {f"p{number}" for number in range(40)}) == (
                page["total"],
                {project["id"] for project in page["projects"]},
            )
        assert 1 == api.projects().count("p7")
        api.hang()
        eve = {"Authorization": f"Bearer {signed('eve', projects=())}"}
        asking = asyncio.ensure_future(relay.http.get(relay.api("/projects", limit=500), headers=eve))
        await until(lambda: 8 == api.under_way)
        api.go_on()
        async with await asking as answer:
            assert 40 == (await answer.json())["total"]
        assert 8 == api.most_at_once


# -- a right that is taken back ---------------------------------------------------------------------------------------


async def test_who_may_not_see_it_any_more_is_cut(tmp_path: Path) -> None:
    """Within an interval, on each kind of connection; who still may is not disturbed, and nothing is sent behind it."""
    async with served(tmp_path) as (relay, api), AsyncExitStack() as stack:
        theirs, eve = ada(), signed("eve", projects=())
        head = relay.rooms.engine.log.head_cursor()
        socket = await stack.enter_async_context(watch(relay, "p", token=theirs))
        legacy = await stack.enter_async_context(watch(relay, "p", token=theirs, legacy=True))
        many = await stack.enter_async_context(watch(relay, None, token=theirs))
        other = await stack.enter_async_context(watch(relay, "p", token=eve))
        for project_id in "pq":
            await many.says({"type": "subscribe", "project_id": project_id})
            await many.hears("connection_established")
        headers = {"Authorization": f"Bearer {theirs}"}
        stream = await stack.enter_async_context(relay.http.get(relay.project("p", "/stream"), headers=headers))
        poll = asyncio.ensure_future(
            relay.http.get(relay.project("p", "/events", after=head, wait=50), headers=headers)
        )
        await until(lambda: 7 == len(relay.rooms.engine.rounds))

        api.decisions[theirs, "p"] = 403
        for viewer in (socket, legacy):
            code, reason = await viewer.ending()
            assert 4403 == code
            assert "may not see this project any more" in reason
        notice = await many.hears("notice")
        assert ("FORBIDDEN", "p") == (notice["code"], notice["project_id"])
        last = [line for line in (await stream.text()).splitlines() if line.startswith("data: ")][-1]
        assert ("FORBIDDEN", 4403) == (json.loads(last[6:])["code"], json.loads(last[6:])["data"]["close_code"])
        async with await poll as answer:
            assert (403, "FORBIDDEN") == (answer.status, (await answer.json())["code"])

        await relay.publish(log("p", "a secret"), log("q", "second"))
        assert ["first", "a secret"] == await other.lines(2)
        assert "second" == (await many.hears("workflow_log"))["message"]
        assert "a secret" not in json.dumps(many.frames)
        await relay.until(lambda: 2 == relay.places())


async def test_a_newer_token_is_worth_what_the_api_says_of_it(tmp_path: Path) -> None:
    """At once, and not within an interval."""
    async with served(tmp_path, {"auth": {"recheck_seconds": 3_600}}) as (relay, api):
        newer = signed("ada", projects=(), ttl=1_000)
        async with watch(relay, None, token=ada()) as viewer:
            for project_id in "pq":
                await viewer.says({"type": "subscribe", "project_id": project_id})
                await viewer.hears("connection_established")
            api.decisions[newer, "p"] = 401
            await viewer.says({"type": "refresh", "token": newer})
            codes = [(await viewer.hears("notice"))["code"] for _ in range(2)]
            assert ["REFRESHED", "FORBIDDEN"] == codes
            await relay.publish(log("p", "a secret"), log("q", "second"))
            while (message := await viewer.hears("workflow_log"))["message"] == "first":
                continue
            assert ("q", "second") == (message["project_id"], message["message"])


# -- an API that is away ----------------------------------------------------------------------------------------------


async def test_who_is_in_stays_while_the_api_is_away(tmp_path: Path) -> None:
    """And hears what comes; who comes is told to come again; when it is back all is as before."""
    async with served(tmp_path, {"auth": {"stale_seconds": 3_600, "recheck_seconds": 0.2}}) as (relay, api):
        token = ada()
        async with watch(relay, "p", token=token) as viewer:
            assert ["first"] == await viewer.lines(1)
            await api.stop()
            metric = "relayd_rights_requests_total"

            def unanswered() -> bool:
                text = relay.rooms.metrics.render()[0].decode()
                values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(metric))
                return float(values[f'{metric}{{outcome="resting"}}']) > 0

            await relay.until(unanswered)
            async with watch(relay, "p", token=token) as late:
                code, reason = await late.ending()
            assert 1013 == code
            assert "can't be told at present" in reason
            await relay.publish(log("p", "second"))
            assert ["second"] == await viewer.lines(1)
            await api.start()

            async def comes_in() -> bool:
                return await answers(relay, "/status", token) == 200

            await until_true(comes_in)
            api.decisions["p"] = 403
            assert 4403 == (await viewer.ending())[0]


async def test_who_is_in_does_not_stay_for_ever(tmp_path: Path) -> None:
    """Whoever can keep the relay from asking must not keep a right that was taken back."""
    async with served(tmp_path, {"auth": {"stale_seconds": 0.5}}) as (relay, api), AsyncExitStack() as stack:
        viewer = await stack.enter_async_context(watch(relay, "p", token=ada()))
        many = await stack.enter_async_context(watch(relay, None, token=ada()))
        await many.says({"type": "subscribe", "project_id": "p"})
        await many.hears("connection_established")
        api.status = 503
        code, reason = await viewer.ending()
        assert 1013 == code
        assert "retry_after_ms=5000" in reason
        notice = await many.hears("notice")
        assert ("OVERLOADED", "p") == (notice["code"], notice["project_id"])


async def test_an_api_that_comes_and_goes_ends_nobody(tmp_path: Path) -> None:
    """Each answer in between begins the time anew, and what is slow is no no."""
    stale: Tables = {
        "auth": {"stale_seconds": 4, "recheck_seconds": 0.3},
        "authorizers.http": {"timeout_seconds": 0.2},
    }
    async with served(tmp_path, stale) as (relay, api), watch(relay, "p", token=ada()) as viewer:
        assert ["first"] == await viewer.lines(1)
        for _ in range(3):
            api.hang()
            await until(lambda: api.under_way > 0)
            # Whoever waited has given up.
            await until(lambda: api.under_way == 0)
            api.go_on()
            for api.status in (500, 200):
                seen = len(api.asked)
                await until(lambda seen=seen: len(api.asked) > seen)  # type: ignore[misc]  # a default is no argument
        await relay.publish(log("p", "second"))
        assert ["second"] == await viewer.lines(1)


# -- the whole daemon -------------------------------------------------------------------------------------------------


async def test_the_api_can_trust_the_question_and_no_line_tells_the_token(tmp_path: Path) -> None:
    """A relay as its own process at its most talkative, with yes, no, faults and an API that is away."""
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    async with ProductApi() as api:
        settings = tables(
            api,
            {"authorizers.http": {"secret_file": secret, "timeout_seconds": 1}, "telemetry": {"log_level": "debug"}},
        )
        async with PrivateRelay(settings) as relay:
            await relay.publish(log("p", "first"))
            tokens = [signed(user, projects=()) for user in ("ada", "eve", "bob", "kim")]
            async with watch(relay, "p", token=tokens[0]) as viewer:
                assert ["first"] == await viewer.lines(1)
                api.decisions[tokens[1], "p"] = 403
                async with watch(relay, "p", token=tokens[1]) as cut:
                    assert 4403 == (await cut.ending())[0]
                api.decisions[tokens[2], "p"] = 302
                async with watch(relay, "p", token=tokens[2]) as cut:
                    assert 1013 == (await cut.ending())[0]
                await api.stop()
                async with watch(relay, "p", token=tokens[3]) as cut:
                    assert 1013 == (await cut.ending())[0]
                await asyncio.to_thread(relay.wait_for_line, "rights_unanswered")
                await api.start()
                api.decisions[tokens[0], "p"] = 403
                assert 4403 == (await viewer.ending())[0]
            await asyncio.to_thread(relay.wait_for_line, "rights_ended")
            for asked in api.asked:
                assert_signed(asked.headers["X-Relayd-Signature"], asked.target, asked.token)
            assert 1 == relay.metric('relayd_projects_withdrawn_total{reason="forbidden"}')
            assert 1 <= relay.metric('relayd_rights_requests_total{outcome="granted"}')
            assert await relay.stop_async() == 0
            for token in tokens:
                assert token not in relay.log
                assert token.rpartition(".")[2] not in relay.log
            assert SECRET not in relay.log


def assert_signed(value: str, target: str, token: str) -> None:
    """Check as an API does that a question is its relay's (docs/operate.md)."""
    parts: dict[str, Any] = dict(part.split("=", 1) for part in value.split(","))
    told = f"{parts['t']}.GET.{target}.{hashlib.sha256(token.encode()).hexdigest()}"
    assert hmac.compare_digest(hmac.new(SECRET.encode(), told.encode(), hashlib.sha256).hexdigest(), parts["v1"])
