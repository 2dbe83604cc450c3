"""What lies in a real Redis, seen by somebody who looks inside."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from relayd.presence.line import Command
from relayd.presence.places import Place, Places, read_ending, read_places
from relayd.protocol.disconnect import Disconnect
from relayd.testing.presence_contract import holder
from tests.harness.follower import until
from tests.harness.redis import PrivateRedis

LONG = 100.0


class Cellar:
    """A Redis, and a prefix that nobody else uses there."""

    def __init__(self, client: Redis) -> None:
        self.client: Any = client
        self.prefix = f"test-{secrets.token_hex(4)}:"

    def __call__(self, command: Command) -> Any:  # noqa: ANN401  # each has its own kind of answer
        return self.client.execute_command(*command)

    def places(self, relay: str, *, lease: float = LONG) -> Places:
        """Return what a relay says."""
        return Places(relay, prefix=self.prefix, lease_seconds=lease)

    def keys(self) -> set[str]:
        """Return what there is, without the prefix."""
        return {key.decode().removeprefix(self.prefix) for key in self.client.keys(f"{self.prefix}*")}

    def held(self, command: Command) -> list[str]:
        """Return the connection ids of a list of places."""
        return sorted(place.holder.connection_id for place in read_places(self(command)))

    def left(self, key: str) -> float:
        """Return the seconds that are left to a key."""
        left: float = self.client.pttl(f"{self.prefix}{key}") / 1_000
        return left


@pytest.fixture
def cellar(redis: PrivateRedis) -> Iterator[Cellar]:
    """Give a prefix of its own on the run's Redis."""
    with Redis.from_url(redis.url) as client:
        yield Cellar(client)


async def test_a_place_expires_and_leaves_nothing(cellar: Cellar) -> None:
    """Neither in a list nor as a key, marks and projects included: strangers' words must not stay for ever."""
    short = cellar.places("a", lease=0.2)
    assert None is cellar(short.take(short.text(holder("c1", session="tab")), limit=1))
    assert None is cellar(short.take(short.text(holder("c2", session="tab")), limit=1))
    assert {"user:ada", "relay:a", "project:p", "ended:c1"} == cellar.keys()
    await until(lambda: cellar.keys() == set())
    assert [] == cellar.held(short.of_user("ada"))
    assert None is cellar(short.take(short.text(holder("c3")), limit=1))


async def test_an_expired_place_is_none_though_it_lies_there(cellar: Cellar) -> None:
    """Another's longer lease keeps the key; the expired one counts no more, is shown no more, and is swept out."""
    short, long = cellar.places("a", lease=0.2), cellar.places("b")
    cellar(short.take(short.text(holder("c1")), limit=5))
    cellar(long.take(long.text(holder("c2")), limit=5))
    cellar(short.take(short.text(holder("c3")), limit=5))
    assert cellar.left("user:ada") > LONG / 2
    await until(lambda: cellar.held(long.of_user("ada")) == ["c2"])
    assert ["c2"] == cellar.held(long.of_project("p"))
    assert 3 == cellar.client.zcard(f"{cellar.prefix}project:p")
    assert 0 == cellar(short.end("c1", user="ada"))
    assert None is cellar(long.take(long.text(holder("c4")), limit=2))
    assert 2 == cellar.client.zcard(f"{cellar.prefix}project:p") == cellar.client.zcard(f"{cellar.prefix}user:ada")


async def test_a_renewed_lease_ends_later(cellar: Cellar) -> None:
    """In both sets, by the clock of Redis."""
    places = cellar.places("a")
    text = places.text(holder("c1"))
    cellar(places.take(text, limit=5))
    scores = [cellar.client.zscore(f"{cellar.prefix}{key}", text) for key in ("user:ada", "project:p")]
    seconds, micros = cellar.client.time()
    assert scores[0] == scores[1]
    assert seconds < (scores[0] or 0) / 1_000 - LONG / 2 < seconds + LONG
    await until(lambda: cellar.client.time() > (seconds, micros + 2_000))
    assert [] == cellar(places.keep([text]))
    assert all(
        (cellar.client.zscore(f"{cellar.prefix}{key}", text) or 0) > (scores[0] or 0)
        for key in ("user:ada", "project:p")
    )


def test_places_are_kept_over_the_limit(cellar: Cellar) -> None:
    """What a relay holds it holds; and however many they are, it is one command."""
    places = cellar.places("a")
    texts = [places.text(holder(f"c{number}", user=f"u{number % 10}")) for number in range(1_000)]
    assert [] == cellar(places.keep(texts))
    assert 1_000 == len(cellar.held(places.of_project("p"))) == len(cellar.held(places.of_relay()))
    assert [] == cellar.held(cellar.places("b").of_relay())
    assert 100 == len(cellar(places.take(places.text(holder("x", user="u3")), limit=5)))
    assert None is cellar(places.free(texts))
    assert set() == cellar.keys()


def test_who_took_a_place_over_is_not_pushed_out_again(cellar: Cellar) -> None:
    """The renewal of the old one, which was under way, is answered with its end."""
    old, new = cellar.places("a"), cellar.places("b")
    texts = [old.text(holder("c1", session="tab")), old.text(holder("c2", session="other"))]
    cellar(old.keep(texts))
    assert None is cellar(new.take(new.text(holder("c3", session="tab", project="q")), limit=1))
    assert [b"c1 REPLACED"] == cellar(old.keep(texts))
    assert ["c2", "c3"] == cellar.held(old.of_user("ada"))
    assert (["c2"], ["c3"]) == (cellar.held(old.of_project("p")), cellar.held(old.of_project("q")))
    assert LONG / 2 < cellar.left("ended:c1") <= LONG


def test_a_relay_is_called_over_its_own_channel(cellar: Cellar) -> None:
    """With the connection and the reason; one that takes a place over from itself is not called."""
    here, there = cellar.places("a"), cellar.places("b")
    cellar(there.keep([there.text(holder("c1", session="tab")), there.text(holder("c2"))]))
    with cellar.client.pubsub(ignore_subscribe_messages=True) as ear:
        ear.psubscribe(f"{cellar.prefix}relay:*")
        assert None is ear.get_message(timeout=1)
        cellar(here.take(here.text(holder("c0", session="tab")), limit=5))
        cellar(here.take(here.text(holder("c3", session="tab")), limit=5))
        assert 1 == cellar(here.end("c2", user="ada"))
        assert 0 == cellar(here.end("c2", user="ada"))
        said = [ear.get_message(timeout=5) for _ in range(2)]
        assert None is ear.get_message(timeout=0)
    assert [b"c1 REPLACED", b"c2 NORMAL"] == [one["data"] for one in said if one]
    assert ["c3"] == cellar.held(here.of_user("ada"))


def test_a_place_that_is_freed_twice_frees_no_other(cellar: Cellar) -> None:
    """A text is that of one connection, and of no other."""
    places = cellar.places("a")
    texts = [places.text(holder(f"c{number}", project=None)) for number in range(3)]
    cellar(places.keep(texts))
    cellar(places.free(texts[:1]))
    cellar(places.free([texts[0], places.text(holder("never", project="p"))]))
    assert ["c1", "c2"] == cellar.held(places.of_user("ada"))
    assert {"user:ada", "relay:a"} == cellar.keys()


def test_what_is_read_back_is_what_was_written() -> None:
    """The holder, and whose it is; what can't be read is left out."""
    held = holder("c1", user='Zoë "日本"', session="tab", project=None)
    text = Places("a", prefix="", lease_seconds=1).text(held)
    assert [Place("a", held)] == read_places([b"{}", text, b"\xff", b'{"relay":"x","holder":{}}'])


@pytest.mark.parametrize(
    ("said", "ending"),
    [
        (b"c1 REPLACED", ("c1", Disconnect.REPLACED)),
        (b"c1 NORMAL", ("c1", Disconnect.NORMAL)),
        (b"c1 LATER_WORDS", ("c1", Disconnect.NORMAL)),
        (b"", ("", Disconnect.NORMAL)),
        (b"\xff x", ("�", Disconnect.NORMAL)),
    ],
)
def test_a_call_is_read(said: bytes, ending: tuple[str, Disconnect]) -> None:
    """Anything else is somebody's wish, and never an error."""
    assert ending == read_ending(said)
