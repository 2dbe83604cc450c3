"""
Two relays behind the shipped proxy, a crowd of viewers, a swarm that goes on, and what operators do meanwhile.

Whatever is restarted, killed or reloaded: each viewer comes back by what it was told and misses nothing.  Figures are
printed; `pytest -s` shows them.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.harness.audience import Audience, Onlooker, Pause
from tests.harness.daemon import PrivateRelay
from tests.harness.load import Load, Publishing
from tests.harness.nginx import PrivateNginx
from tests.harness.turns import ways_through


@dataclass(frozen=True)
class Form:
    """How large it is played; `crowd` are viewers by transport."""

    crowd: Mapping[str, int]
    events: int
    rate: int
    drain_seconds: int
    projects: int = 20

    @property
    def kept_back(self) -> int:
        """So many of the last events are told when all is over."""
        return self.events // 10


SMALL = Form(
    {"websocket": 22, "legacy": 14, "many": 4, "sse": 12, "longpoll": 8}, events=6_000, rate=400, drain_seconds=2
)
LARGE = Form(
    {"websocket": 250, "legacy": 140, "many": 30, "sse": 50, "longpoll": 30},
    events=24_000,
    rate=300,
    drain_seconds=20,
    projects=60,
)
"""420 sockets among 500 viewers; the drain is as long as it is unless somebody sets another time."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All who play."""

    relays: Sequence[PrivateRelay]
    nginx: PrivateNginx
    audience: Audience
    publishing: Publishing
    load: Load

    def of(self, *transports: str) -> list[Onlooker]:
        """Return the viewers of these transports."""
        return [one for one in self.audience.onlookers if one.name.partition("-")[0] in transports]

    @property
    def streaming(self) -> list[Onlooker]:
        """Return those who hold a connection; the others ask again and again."""
        return [one for one in self.audience.onlookers if one not in self.of("longpoll")]

    @property
    def pauses(self) -> list[Pause]:
        """Return all times that somebody was without a relay."""
        return [pause for one in self.audience.onlookers for pause in one.pauses]


@asynccontextmanager
async def scene(amqp: str, folder: Path, form: Form, seed: int) -> AsyncIterator[Scene]:
    """Give a scene in which everybody is present and the swarm speaks; at its end all have seen everything."""
    load = Load(form.events, projects=form.projects, seed=seed)
    server = {"server": {"peers": True, "drain_seconds": form.drain_seconds}}
    async with PrivateRelay(server, rabbitmq=amqp) as one, PrivateRelay(server, rabbitmq=amqp) as other:
        relays = [one, other]
        upstreams = [f"127.0.0.1:{relay.port}" for relay in relays]
        with PrivateNginx(folder / "nginx", relayd=upstreams) as nginx:
            async with Audience(one, seed=seed, obedient=True) as audience:
                admit(audience, load, nginx, form.crowd)
                await audience.until_present(seconds=120)
                with load.publishing(amqp, folder, rate=form.rate) as publishing:
                    await publishing.until_confirmed(form.rate)
                    playing = Scene(relays=relays, nginx=nginx, audience=audience, publishing=publishing, load=load)
                    async with publishing.keeping_back(form.kept_back):
                        yield playing
                    # Else what happened would have happened to a swarm that was silent by then.
                    assert publishing.confirmed < load.events
                    told = await publishing.end()
                await audience.until_done(seconds=120)
                broken = audience.broken(lambda _, project_id: load.keys(project_id))
                assert {} == broken
                tell(told, playing, seed)


def admit(audience: Audience, load: Load, nginx: PrivateNginx, crowd: Mapping[str, int]) -> None:
    """Let in the crowd, through the proxy, a few from each address."""
    ways = ways_through(nginx, sum(crowd.values()))
    for transport, count in crowd.items():
        for number in range(count):
            projects = [load.projects[(number + more) % len(load.projects)] for more in range(3)]
            watched = projects if transport == "many" else projects[:1]
            audience.admit(f"{transport}-{number}", [transport], load.last(watched), relay=ways.pop())


async def restart(relay: PrivateRelay, form: Form) -> None:
    """Ask a relay to end, start it again, and return when it is ready."""
    status = await asyncio.to_thread(relay.process.stop, form.drain_seconds + 60)
    assert 0 == status
    await relay.start_async()


def spread(relay: PrivateRelay, form: Form) -> str:
    """
    Say that no part of the drain took more than twice its share, and return how many viewers were sent away.

    The relay's own log tells when it closed whom; however slow the machine is, it waits between two of them.
    """
    (drain,) = [line for line in relay.lines if line["event"] == "draining"]
    ends = [
        datetime.fromisoformat(line["timestamp"]).timestamp()
        for line in relay.lines
        if line["event"] == "connection_ended" and line["ending"] == "restarting"
    ]
    viewers = drain["viewers"]
    assert 0 < viewers <= len(ends)
    quarter = viewers // 4
    least = 0.9 * quarter * form.drain_seconds / viewers / 2
    took = [later - one for one, later in zip(ends, ends[quarter:viewers], strict=False)]
    assert len(took) >= viewers // 2
    assert least < min(took)
    return f"{viewers} viewers sent away in {ends[-1] - ends[0]:.1f} s"


async def a_rolling_restart(amqp: str, folder: Path, form: Form, seed: int) -> None:
    """Restart one relay and then the other, under load."""
    async with scene(amqp, folder, form, seed) as playing:
        for relay in playing.relays:
            await restart(relay, form)
            print(spread(relay, form))  # noqa: T201  # see above
    # Each viewer that holds a connection was told when to come back, did so, and was let in at the first try.
    for one in playing.streaming:
        assert 1 <= len(one.pauses) <= 2, one.name
        assert [1] * len(one.pauses) == [pause.tries for pause in one.pauses], one.name
        assert [] == [pause.advised for pause in one.pauses if not 1 <= pause.advised < 2], one.name
    # A poll never notices: the proxy asks the other relay.
    assert [] == [one.name for one in playing.of("longpoll") if one.away]


async def test_60_viewers_and_a_rolling_restart(amqp: str, tmp_path: Path, seed: int) -> None:
    """Nothing lost, nothing repeated, no gap; the closes are spread, and everybody comes back as told."""
    await a_rolling_restart(amqp, tmp_path, SMALL, seed)


@pytest.mark.long
async def test_500_viewers_and_a_rolling_restart(amqp: str, tmp_path: Path, seed: int) -> None:
    """The same with more than 400 sockets and a drain as long as in service."""
    await a_rolling_restart(amqp, tmp_path, LARGE, seed)


async def test_relays_that_are_killed_one_after_the_other(amqp: str, tmp_path: Path, seed: int) -> None:
    """Without a word to anybody: the sockets are cut, the others' proxy goes to the relay that is left."""
    async with scene(amqp, tmp_path, SMALL, seed) as playing:
        for relay in playing.relays:
            seen = playing.audience.events
            await asyncio.to_thread(relay.kill)
            await playing.audience.until_seen(seen + 2_000)
            await relay.start_async()
    assert [] == [one.name for one in playing.streaming if not 1 <= len(one.pauses) <= 2]
    assert [] == [one.name for one in playing.of("longpoll") if one.away]


async def test_a_proxy_that_is_reloaded(amqp: str, tmp_path: Path, seed: int) -> None:
    """Its old workers cut what they hold, without a close frame; nobody misses anything."""
    async with scene(amqp, tmp_path, SMALL, seed) as playing:
        for _ in range(2):
            seen = playing.audience.events
            await asyncio.to_thread(playing.nginx.reload)
            await playing.audience.until_seen(seen + 2_000)
        for relay in playing.relays:
            assert 0 == relay.metric('relayd_disconnects_total{reason="restarting"}')
    assert [] == [one.name for one in playing.streaming if not one.away]


def tell(said: str, playing: Scene, seed: int) -> None:
    """Print the figures."""
    onlookers, pauses = playing.audience.onlookers, playing.pauses
    seen = playing.audience.events
    reports = Audience.reports(lambda _, project_id: playing.load.keys(project_id), onlookers).values()
    lost, repeated = (sum(len(getattr(report, kind)) for report in reports) for kind in ("lost", "repeated"))
    longest = max([pause.seconds for pause in pauses], default=0)
    late = max([pause.seconds - pause.advised for pause in pauses], default=0)
    crowd = Counter(one.name.partition("-")[0] for one in onlookers)
    print(  # noqa: T201  # see above
        f"seed {seed}: {dict(crowd)} viewers; {said}; {seen} seen, {lost} lost, {repeated} repeated; "
        f"{len(pauses)} pauses, the longest {longest:.2f} s, at most {late:.2f} s more than advised"
    )
