import json
import sys
import time
from pathlib import Path

import pytest

from relayd.app.rooms import add_checks, apply
from relayd.config import Config, load
from relayd.identity.jwt import BadKey
from relayd.plugins import settings_of
from relayd.ports import JournalError, SourceState
from relayd.telemetry import logs
from relayd.telemetry.health import Health
from relayd.testing.sources import FakeSource
from relayd.testing.world import FakeClock
from tests.harness.follower import until_true
from tests.harness.inside import inside
from tests.harness.issuer import Issuer
from tests.harness.pairs import Jwk, pair
from tests.harness.process import free_port
from tests.harness.product import ProductApi
from tests.harness.settled import SECRET, Tables, signed, write_settings
from tests.harness.viewer import log, watch

OTHER = "another-secret-of-32-bytes-for-tests"


def config(folder: Path, tables: Tables) -> Config:
    """Return a checked configuration."""
    return load(write_settings(folder, tables), {}, settings_of)


async def test_a_journal_brings_everything_back(tmp_path: Path) -> None:
    """Places go on where they were, cursors are whole, projects are shelved until somebody asks."""
    async with inside(tmp_path) as relay:
        cursor = (await relay.publish(log("p", "one")))["cursor"]
        head = relay.rooms.engine.log.head
    async with inside(tmp_path) as relay:
        state = relay.rooms.engine.log
        assert (head, {"p"}, {}) == (state.head, state.shelved, state.projects)
        position = relay.rooms.position()
        assert position is not None
        assert (0, 0) == (position.epoch, position.offset)
        await relay.publish(log("p", "two"))
        async with watch(relay, "p", after=cursor) as viewer:
            assert (await viewer.frame())["recovered"]
            assert ["two"] == await viewer.lines(1)


async def test_a_new_journal_has_no_position(tmp_path: Path) -> None:
    """Reading begins where the source begins."""
    async with inside(tmp_path) as relay:
        assert None is relay.rooms.position()


async def test_readiness_names_what_is_wrong(tmp_path: Path) -> None:
    """The source that is not read, the journal that can't be written, the drain."""
    async with inside(tmp_path) as relay:
        await relay.until(lambda: relay.rooms.health.ready()[0])
        assert b"\nrelayd_ready 1.0\n" in relay.rooms.metrics.render()[0]
        relay.rooms.journaling.trouble.tell(JournalError("full"), "the disk is full")
        relay.rooms.admission.draining = True
        assert (False, {"journal": "the disk is full", "drain": "this relay is draining"}) == relay.rooms.health.ready()
        assert b"\nrelayd_ready 0.0\n" in relay.rooms.metrics.render()[0]


async def test_a_source_that_stalls_keeps_viewers_away_and_a_late_canary_does_not(tmp_path: Path) -> None:
    """The one has more than it shows; with the other everything there is can be seen."""

    class Told(FakeSource):
        told = SourceState(connected=True, caught_up=True, detail="it hands out nothing", stalled=True)

        def state(self) -> SourceState:
            return self.told

    async with inside(tmp_path) as relay:
        health, source = Health(FakeClock(), lag=lambda: 0.0), Told()
        add_checks(health, source, relay.rooms.journaling, relay.rooms.admission)
        assert ((False, {"source": "it hands out nothing"}), {}) == (health.ready(), health.notes())
        source.told = SourceState(connected=True, caught_up=True, detail="", note="a canary is late")
        assert ((True, {}), {"source": "a canary is late"}) == (health.ready(), health.notes())


async def test_an_api_that_gives_no_answers_is_told_beside_readiness(tmp_path: Path) -> None:
    """Another relay would ask the same; the note goes with the first answer."""
    async with ProductApi() as api:
        tables: Tables = {"auth": {"authorizers": ["claims", "http"]}, "authorizers.http": {"url": api.url}}
        async with inside(tmp_path, tables) as relay:
            health, stranger = relay.rooms.health, relay.bearer(projects=())
            await relay.until(lambda: health.ready()[0])

            async def answered(number: int) -> int:
                return (await relay.get(relay.project(f"p-{number}", "/status"), **stranger))[0]

            assert (404, {}) == (await answered(0), health.notes())
            api.status = 500
            assert [503] * 6 == [await answered(number) for number in range(1, 7)]
            told = health.notes()
            assert (["authorizers.http"], True) == ([*told], health.ready()[0])
            assert "127.0.0.1 gave no answer when it was asked last (it answers 500)" in told["authorizers.http"]
            api.status = 200

            async def is_answered() -> bool:
                return await answered(7) == 404

            await until_true(is_answered)
            assert {} == health.notes()


async def test_a_redis_that_is_away_makes_a_relay_no_worse_than_alone(tmp_path: Path) -> None:
    """It is told beside readiness, for viewers may come; a relay alone has nothing to tell."""
    async with inside(tmp_path) as relay:
        await relay.until(lambda: relay.rooms.health.ready()[0])
        assert {} == relay.rooms.health.notes()
    url = f"redis://127.0.0.1:{free_port()}"
    async with inside(tmp_path, {"presence": {"use": "redis"}, "presence.redis": {"url": url}}) as relay:
        await relay.until(lambda: relay.rooms.health.ready()[0])
        told = relay.rooms.health.notes()
        assert told["presence"].startswith(f"Redis at {url.removeprefix('redis://')}: ")
        async with watch(relay, "p") as viewer:
            assert "connection_established" == (await viewer.frame())["type"]
            assert 1 == relay.places()


async def test_what_can_change_changes(tmp_path: Path) -> None:
    """Limits, keys and origins, at once and everywhere."""
    async with inside(tmp_path) as relay:
        newer = config(
            tmp_path,
            {
                "auth": {"keys": [{"algorithm": "HS256", "key": OTHER}]},
                "limits": {"connections_per_user": 2, "pace_per_second": 7},
                "usage": {"budget_tokens": 11},
                "server": {"origins": ["https://dashboard.example"]},
                "liveness": {"quiet_seconds": 3},
            },
        )
        apply(relay.rooms, newer)
        rooms = relay.rooms
        assert (2, 2, 7) == (
            rooms.presence.limit,
            rooms.engine.limits.connections_per_user,
            rooms.engine.fanout.limits.outbound.rate,
        )
        assert {"https://dashboard.example"} == rooms.origins.allowed
        assert 11 == rooms.engine.spending.terms.tokens
        assert 3 == rooms.engine.vigil.thresholds.quiet
        for secret, status in ((SECRET, 401), (OTHER, 200)):
            token = signed(secret=secret)
            assert status == (await relay.get(relay.api("/projects"), Authorization=f"Bearer {token}"))[0]


async def test_a_document_of_keys_is_used_and_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the keys of one's own; a newer one takes its place, and what is left out of it is told."""

    def write(*keys: Jwk) -> Tables:
        (tmp_path / "jwks.json").write_text(json.dumps({"keys": keys}))
        return {"auth.jwks": {"file": tmp_path / "jwks.json"}}

    logs.configure("json", "info", sys.stderr)
    claims = {"sub": "ada", "projects": ["*"], "exp": int(time.time()) + 60}
    async with inside(tmp_path, write(pair("a").jwk())) as relay:
        for newer, opens in (
            (None, (200, 401, 200)),
            (write(pair("b").jwk(), pair("a").jwk(use="enc")), (401, 200, 200)),
        ):
            if newer is not None:
                apply(relay.rooms, config(tmp_path, newer))
            for token, status in zip((pair("a").token(claims), pair("b").token(claims), signed()), opens, strict=True):
                assert status == (await relay.get(relay.api("/projects"), Authorization=f"Bearer {token}"))[0]
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "jwks_read" in line]
    assert [(["a"], []), (["b"], ["keys[1]: its `use` is not sig"])] == [
        (line["kids"], line["left_out"]) for line in told
    ]


async def test_an_issuer_is_followed(tmp_path: Path) -> None:
    """Its keys count for readiness, and how old they are is exported; without it neither is so."""
    async with inside(tmp_path) as relay:
        await relay.until(lambda: relay.rooms.health.ready()[0])
        assert b"\nrelayd_jwks_age_seconds " not in relay.rooms.metrics.render()[0]
        async with Issuer(pair("a").jwk()) as issuer:
            apply(relay.rooms, config(tmp_path, {"auth.jwks": {"url": issuer.url}}))
            said = f"the keys of {issuer.url} have not been read yet: it has not been asked yet"
            assert (False, {"keys": said}) == relay.rooms.health.ready()
            await relay.rooms.published.renew()
            assert relay.rooms.health.ready()[0]
            assert b"\nrelayd_jwks_age_seconds 0.0" in relay.rooms.metrics.render()[0]


async def test_a_key_that_is_none_changes_nothing(tmp_path: Path) -> None:
    """The rooms stay as they were: all of it, or none."""
    async with inside(tmp_path) as relay:
        before = relay.rooms.engine.verifier, relay.rooms.engine.limits
        newer = config(tmp_path, {"limits": {"connections_per_user": 2}})
        bad = newer.auth.keys[0].model_copy(update={"algorithm": "RS256"})
        untrusted = newer.auth.jwks.model_copy(update={"url": "https://id.example/", "ca_file": "/nowhere"})
        for update in ({"keys": (bad,)}, {"jwks": untrusted}):
            with pytest.raises(BadKey):
                apply(relay.rooms, newer.model_copy(update={"auth": newer.auth.model_copy(update=update)}))
        assert before == (relay.rooms.engine.verifier, relay.rooms.engine.limits)
        assert 5 == relay.rooms.presence.limit
        assert None is relay.rooms.published.age()
