"""Hours of an issuer's life on a loop whose time passes at once; the last tests ask a real one."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from relayd.identity.fetch import Endpoint, FetchFailed
from relayd.identity.jwt import JwtVerifier
from relayd.identity.published import COOLDOWN, LONGEST_RETRY, SPREAD, Publication, PublishedKeys
from relayd.ports import AuthFailed, NoKeys
from relayd.testing.world import FakeClock, HandLoop, RecordingObserver, settle
from tests.harness.authority import Authority
from tests.harness.follower import WallClock, until
from tests.harness.issuer import Issuer
from tests.harness.pairs import Jwk, pair
from tests.identity.tokens import NOW

URL = "https://id.example/jwks.json"
REFRESH, MAX_STALE = 300.0, 86_400.0
HOUR = 3_600.0
CLAIMS = {"sub": "ada", "exp": int(NOW) + 600}
A, B = pair("a").jwk(), pair("b").jwk()


class Desk:
    """An issuer whose answers are a list of what is said next; the last one is said for ever."""

    def __init__(self, clock: FakeClock, *answers: bytes | FetchFailed | None) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.asked: list[float] = []
        """When, in the clock's seconds."""
        self._asked = asyncio.Event()

    async def fetch(self) -> bytes:
        """Say the next answer; None is none at all, for five seconds."""
        self.asked.append(self.clock.monotonic())
        self._asked.set()
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if answer is None:
            await asyncio.sleep(5)
            raise FetchFailed("no answer within 5 s")
        if isinstance(answer, FetchFailed):
            raise answer
        return answer

    async def until_asked(self) -> None:
        """Return when somebody has asked once more, and has understood the answer."""
        self._asked.clear()
        await self._asked.wait()
        await settle()

    @property
    def pauses(self) -> list[float]:
        """The times between, in seconds."""
        return [later - earlier for earlier, later in zip(self.asked, self.asked[1:], strict=False)]


class Scene:
    """Published keys with all they know."""

    def __init__(self, loop: HandLoop, *answers: bytes | FetchFailed | None, **about: Any) -> None:  # noqa: ANN401  # what a Publication has
        self.clock = loop.clock
        self.observer = RecordingObserver()
        self.desk = Desk(self.clock, *answers)
        self.publication = Publication(
            url=URL, algorithms=("RS256",), refresh=REFRESH, max_stale=MAX_STALE, fetch=self.desk.fetch
        )
        self.publication = replace(self.publication, **about)
        self.keys = PublishedKeys(self.publication, clock=self.clock, observer=self.observer)
        self.verifier = JwtVerifier([], published=self.keys)

    def opens(self, kid: str) -> str:
        """Return what comes of a token of that key: "ada", or a reason."""
        try:
            return self.verifier.verify(pair(kid).token(CLAIMS), NOW).user
        except AuthFailed as error:
            return error.reason

    @property
    def told(self) -> list[str]:
        """The names of what was noticed."""
        return [event for event, _ in self.observer.of("noticed")]


Play = Callable[[Scene], Coroutine[None, None, None]]


def document(*keys: Jwk) -> bytes:
    """Return a JWK set."""
    return json.dumps({"keys": keys}).encode()


def play(act: Play, *answers: bytes | FetchFailed | None, **about: Any) -> Scene:  # noqa: ANN401  # what a Publication has
    """Run an act beside the task that keeps the keys new, and return the scene as it was left."""
    loop = HandLoop()
    scene = Scene(loop, *answers, **about)

    async def run() -> None:
        task = asyncio.create_task(scene.keys.run())
        await act(scene)
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(run())
    return scene


def passing(seconds: float) -> Play:
    """Return the act in which nothing happens for a while."""
    return lambda _scene: asyncio.sleep(seconds)


AWAY = FetchFailed("nobody is there")


# -- keeping them new ------------------------------------------------------------------------------------------------


def test_keys_are_read_again_and_again() -> None:
    """The pauses are never longer than was asked for, and each is another, so that relays come apart."""
    scene = play(passing(24 * HOUR), document(A))

    assert 24 * HOUR / REFRESH <= len(scene.desk.asked) <= 24 * HOUR / REFRESH / (1 - SPREAD)
    assert all(REFRESH * (1 - SPREAD) <= pause <= REFRESH + 0.1 for pause in scene.desk.pauses)
    assert len({round(pause, 3) for pause in scene.desk.pauses}) > 100
    assert [("jwks_read", {"url": URL, "kids": ["a"], "left_out": ()})] == scene.observer.of("noticed")
    assert (2, "ada") == (scene.keys.generation, scene.opens("a"))


def test_a_new_key_comes_and_an_old_one_goes() -> None:
    """Both hold while both are listed; each change makes another generation, and no other reading does."""

    async def act(scene: Scene) -> None:
        for generation, held in ((2, ["a"]), (3, ["a", "b"]), (3, ["a", "b"]), (4, ["b"])):
            await scene.desk.until_asked()
            assert generation == scene.keys.generation == scene.verifier.generation
            # Not through the verifier: a key that there is not would be asked for.
            ring = scene.keys.ring
            assert ring is not None
            assert held == sorted(ring.by_id)

    scene = play(act, document(A), document(A, B), document(B, A), document(B))

    assert [["a"], ["a", "b"], ["b"]] == [fields["kids"] for _, fields in scene.observer.of("noticed")]
    assert ("unknown_key", "ada") == (scene.opens("a"), scene.opens("b"))


def test_what_is_left_out_is_told() -> None:
    """With the reading that found it."""
    scene = play(passing(1), document(A, pair("b").jwk(use="enc")))

    assert [
        ("jwks_read", {"url": URL, "kids": ["a"], "left_out": ("keys[1]: its `use` is not sig",)})
    ] == scene.observer.of("noticed")


# -- nobody answers --------------------------------------------------------------------------------------------------


def test_an_issuer_that_is_away_at_the_start() -> None:
    """It is asked ever more seldom, up to once a minute; tokens can't be judged meanwhile, and the reason is told."""
    scene = play(passing(HOUR), AWAY)

    limits = [min(LONGEST_RETRY, 2.0**number) for number in range(len(scene.desk.pauses))]
    assert all(
        (1 - SPREAD) * limit <= pause <= limit + 0.1
        for pause, limit in zip(scene.desk.pauses, limits, strict=True)
    )  # fmt: skip
    assert 60 <= len(scene.desk.asked) <= 90
    assert None is scene.keys.ring
    assert "no_keys" == scene.opens("a")
    with pytest.raises(NoKeys):
        scene.verifier.verify(pair("a").token(CLAIMS, kid=None), NOW)
    with pytest.raises(AuthFailed, match="algorithm"):
        scene.verifier.verify(pair("a").token(CLAIMS, alg="none"), NOW)
    assert f"the keys of {URL} have not been read yet: nobody is there" == scene.keys.trouble()
    age = scene.keys.age()
    assert age is not None
    assert 0 <= age - HOUR < 1
    assert [
        ("jwks_not_read", {"level": "warning", "url": URL, "detail": "nobody is there"})
    ] == scene.observer.of("noticed")  # fmt: skip


def test_who_wants_new_keys_often_asks_again_as_often() -> None:
    """No pause is longer than that between two readings."""
    assert max(play(passing(60), AWAY, refresh=5).desk.pauses) <= 5.1


def test_an_issuer_that_comes_late() -> None:
    """Everything is well from then on, and told."""
    scene = play(passing(10), AWAY, AWAY, document(A))

    assert "ada" == scene.opens("a")
    assert None is scene.keys.trouble()
    assert ["jwks_not_read", "jwks_read"] == scene.told


def test_keys_outlive_their_issuer_for_a_while() -> None:
    """They hold to the second as long as was allowed; then they are gone, and another generation begins."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(MAX_STALE - 1)
        assert ("ada", None, 2) == (scene.opens("a"), scene.keys.trouble(), scene.keys.generation)
        await asyncio.sleep(2)
        assert ("no_keys", 3) == (scene.opens("a"), scene.keys.generation)

    scene = play(act, document(A), AWAY)

    assert ["jwks_read", "jwks_not_read", "jwks_expired"] == scene.told
    assert f"the keys of {URL} are older than 86400 s and hold no more: nobody is there" == scene.keys.trouble()
    assert {"level": "error", "url": URL, "detail": "nobody is there"} == dict(scene.observer.of("noticed")[-1][1])


def test_an_issuer_that_comes_back() -> None:
    """What was given up holds again, as another generation; what was not is as it was."""
    answers: list[bytes | FetchFailed] = [document(A), *[AWAY] * 8, document(A)]
    given_up = play(passing(1_000), *answers, max_stale=REFRESH + 1)
    kept = play(passing(1_000), *answers)

    assert (4, "ada", None) == (given_up.keys.generation, given_up.opens("a"), given_up.keys.trouble())
    assert ["jwks_read", "jwks_not_read", "jwks_expired", "jwks_read"] == given_up.told
    assert (2, "ada", None) == (kept.keys.generation, kept.opens("a"), kept.keys.trouble())
    assert ["jwks_read", "jwks_not_read", "jwks_read"] == kept.told


def test_keys_are_given_up_while_an_answer_is_waited_for() -> None:
    """Whoever can make the issuer slow must not make its keys last longer."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(REFRESH + 5)
        assert "no_keys" == scene.opens("a")
        assert f"the keys of {URL} are older than 301 s and hold no more: it has not answered since" == (
            scene.keys.trouble()
        )

    async def for_ever() -> bytes:
        return document(A) if loop_time() < 1_001 else await asyncio.get_running_loop().create_future()

    def loop_time() -> float:
        return asyncio.get_running_loop().time()

    play(act, document(A), max_stale=REFRESH + 1, fetch=for_ever)


@pytest.mark.parametrize(
    "bad",
    [b"<html>", b"{}", document(), document({"kty": "oct", "k": "c2VjcmV0"}), document(pair("b").jwk(d="AQAB"))],
)
def test_a_bad_document_is_as_if_none_had_come(bad: bytes) -> None:
    """What was good before still is; that it is bad is told once."""
    scene = play(passing(HOUR), document(A), bad)

    assert ("ada", 2) == (scene.opens("a"), scene.keys.generation)
    assert ["jwks_read", "jwks_not_read"] == scene.told
    assert scene.observer.of("noticed")[1][1]["detail"].startswith(("this is no", "none of its", "keys[0] is no"))
    age = scene.keys.age()
    assert age is not None
    assert HOUR - 1 < age < HOUR + 1


def test_slow_answers_are_not_gathered() -> None:
    """One after the other: the next question waits for the answer to the last."""
    scene = play(passing(60), None)

    assert all(pause > 5 for pause in scene.desk.pauses)
    assert "jwks_not_read" == scene.told[0]


# -- keys that there are not -----------------------------------------------------------------------------------------


def test_an_unknown_key_is_asked_for_at_once() -> None:
    """Its token is refused, the next one opens."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(10)
        assert "unknown_key" == scene.opens("b")
        await asyncio.sleep(0.1)
        assert "ada" == scene.opens("b")

    assert 2 == len(play(act, document(A), document(A, B)).desk.asked)


def test_a_storm_of_unknown_keys_asks_once_a_cooldown() -> None:
    """Ten strangers each second for an hour, and the issuer notices next to nothing."""

    async def act(scene: Scene) -> None:
        strangers = [pair("b").token(CLAIMS, kid=f"kid-{number}") for number in range(10)]
        await asyncio.sleep(1)
        for _ in range(3_600):
            for stranger in strangers:
                with pytest.raises(AuthFailed, match="unknown_key"):
                    scene.verifier.verify(stranger, NOW)
            await asyncio.sleep(1)

    scene = play(act, document(A))

    assert 1 + HOUR / COOLDOWN - 2 <= len(scene.desk.asked) <= 1 + HOUR / COOLDOWN + 1
    # The first one at once, the others after their cooldown.
    assert scene.desk.pauses[0] == pytest.approx(1, abs=0.01)
    assert all(pause == pytest.approx(COOLDOWN, abs=0.01) for pause in scene.desk.pauses[1:])


def test_a_storm_while_nobody_answers() -> None:
    """Strangers don't make the pauses shorter than the cooldown either."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(600)
        before, stranger = len(scene.desk.asked), pair("b").token(CLAIMS)
        for _ in range(600):
            with pytest.raises(NoKeys):
                scene.verifier.verify(stranger, NOW)
            await asyncio.sleep(1)
        assert len(scene.desk.asked) - before <= 600 / COOLDOWN + 1

    play(act, AWAY)


def test_what_is_wrong_otherwise_asks_nobody() -> None:
    """A bad signature, an algorithm that is none, a token without an id: there is nothing to be learnt."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(1)
        for text in (
            "",
            "nonsense",
            pair("b").token(CLAIMS, kid="a"),
            pair("b").token(CLAIMS, alg="none"),
            pair("b").token(CLAIMS, kid=None),
            pair("b", "ES256").token(CLAIMS, kid=None),
            pair("a").token({"sub": "ada", "exp": 1}),
        ):
            with pytest.raises(AuthFailed):
                scene.verifier.verify(text, NOW)
        await asyncio.sleep(1)

    assert 1 == len(play(act, document(A)).desk.asked)


# -- another configuration -------------------------------------------------------------------------------------------


def test_another_address_begins_anew() -> None:
    """Its predecessor's keys hold no more, at once; the new one is asked at once."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(1)
        other = Desk(scene.clock, AWAY, document(B))
        scene.keys.follow(replace(scene.publication, url="https://other.example/", fetch=other.fetch))
        assert ("no_keys", 3) == (scene.opens("a"), scene.keys.generation)
        assert "the keys of https://other.example/ have not been read yet: it has not been asked yet" == (
            scene.keys.trouble()
        )
        await asyncio.sleep(2)
        assert "ada" == scene.opens("b")
        assert 1 == len(scene.desk.asked)

    play(act, document(A))


def test_other_algorithms_begin_anew() -> None:
    """Keys were bound to what was allowed before."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(1)
        scene.keys.follow(replace(scene.publication, algorithms=("PS256",)))
        assert "no_keys" == scene.opens("a")
        await asyncio.sleep(0.1)
        assert "no_keys" == scene.opens("a")

    play(act, document(A))


def test_other_times_leave_the_keys() -> None:
    """They are read at once, and hold as long as is allowed now, counted from when they were read."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(100)
        scene.keys.follow(replace(scene.publication, max_stale=200))
        assert ("ada", 2) == (scene.opens("a"), scene.keys.generation)
        await asyncio.sleep(99)
        assert (2, "ada") == (len([at for at in scene.desk.asked if at < 1_100.5]), scene.opens("a"))
        await asyncio.sleep(2)
        assert "no_keys" == scene.opens("a")

    play(act, document(A), AWAY)


def test_less_time_than_has_passed() -> None:
    """They are given up at once, and stay so when the configuration is read once more."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(100)
        for _ in range(2):
            scene.keys.follow(replace(scene.publication, max_stale=50))
            await settle()
            assert "no_keys" == scene.opens("a")
            trouble = scene.keys.trouble()
            assert trouble is not None
            assert trouble.startswith(f"the keys of {URL} are older than 50 s and hold no more: ")

    play(act, document(A), AWAY)


def test_an_answer_for_the_one_before_is_not_taken() -> None:
    """It was asked before the change, and came after it; good or bad, it says nothing about the new one."""
    late = asyncio.Event()

    async def act(scene: Scene) -> None:
        for answer in (document(A), AWAY):

            async def fetch(answer: bytes | FetchFailed = answer) -> bytes:
                await late.wait()
                if isinstance(answer, FetchFailed):
                    raise answer
                return answer

            late.clear()
            scene.keys.follow(replace(scene.publication, fetch=fetch))
            await asyncio.sleep(1)
            scene.keys.follow(replace(scene.publication, url="https://other.example/", fetch=scene.desk.fetch))
            late.set()
            await asyncio.sleep(1)
            assert ("unknown_key", "ada") == (scene.opens("a"), scene.opens("b"))
            assert ["jwks_read"] == scene.told
            scene.observer.told.clear()

    play(act, document(B))


def test_without_an_issuer_nothing_happens() -> None:
    """No key, no question, no figure; and one can be followed later."""

    async def act(scene: Scene) -> None:
        await asyncio.sleep(HOUR)
        scene.keys.follow(None)
        await asyncio.sleep(HOUR)
        scene.keys.missed()
        await asyncio.sleep(HOUR)
        assert ("unknown_key", None, None) == (scene.opens("a"), scene.keys.age(), scene.keys.trouble())
        await scene.keys.renew()
        asked = len(scene.desk.asked)
        scene.keys.follow(scene.publication)
        await asyncio.sleep(1)
        assert ("ada", asked + 1) == (scene.opens("a"), len(scene.desk.asked))

    play(act, document(A))


# -- a real one ------------------------------------------------------------------------------------------------------


async def test_the_keys_of_a_real_issuer(tmp_path: Path) -> None:
    """Over TLS: rotation, a storm of strangers, an absence, and a comeback with other keys."""
    authority = Authority(tmp_path)
    observer = RecordingObserver()
    async with Issuer(A, tls=authority.server()) as issuer:
        endpoint = Endpoint(issuer.url, timeout=5, ca_file=str(authority.path))
        publication = Publication(
            url=issuer.url, algorithms=("RS256",), refresh=HOUR, max_stale=2 * HOUR, fetch=endpoint.fetch
        )
        keys = PublishedKeys(publication, clock=WallClock(), observer=observer)
        verifier = JwtVerifier([], published=keys)
        await keys.renew()
        assert "ada" == verifier.verify(pair("a").token(CLAIMS), NOW).user
        running = asyncio.create_task(keys.run())
        issuer.publish(A, B)
        for number in range(1_000):
            with pytest.raises(AuthFailed, match="unknown_key"):
                verifier.verify(pair("b").token(CLAIMS, kid=f"kid-{number}"), NOW)
        await until(lambda: keys.generation == 3)
        assert "ada" == verifier.verify(pair("b").token(CLAIMS), NOW).user
        assert 2 == issuer.asked
        await issuer.stop()
        keys.follow(publication)
        await until(lambda: observer.of("noticed")[-1][0] == "jwks_not_read")
        assert "ada" == verifier.verify(pair("a").token(CLAIMS), NOW).user
        issuer.publish(B)
        await issuer.start()
        await until(lambda: keys.generation == 4)
        with pytest.raises(AuthFailed, match="unknown_key"):
            verifier.verify(pair("a").token(CLAIMS), NOW)
        running.cancel()
        await asyncio.wait({running})
