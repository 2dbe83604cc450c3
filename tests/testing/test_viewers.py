"""Viewers without sockets."""

import asyncio

import pytest

from relayd.core.access import Decision, ProjectFacts, Question, Viewer
from relayd.ports import AuthFailed, Authorizer, Encoding, TokenVerifier, Wire
from relayd.testing.journal_words import said
from relayd.testing.viewers import FakeAuthorizer, FakeEncoding, FakeVerifier, FakeWire
from relayd.testing.world import settle

ADA = Viewer(user="ada", expires_at=100.0)


def test_equal_encodings_are_one() -> None:
    """They are hashable values, as a group's key needs them."""
    encoding: Encoding = FakeEncoding()
    assert {encoding} == {FakeEncoding()}
    assert FakeEncoding(legacy=True) != encoding
    assert (True, True) == (encoding.envelope, encoding.modern)
    assert (False, False) == (FakeEncoding(legacy=True).envelope, FakeEncoding(legacy=True).modern)


def test_an_encoding_is_plain_json() -> None:
    """An envelope for the modern, a line for each message for the legacy."""
    entries = [said("p", 0), said("p", 1)]
    assert b'"cursors":{"p":"c"}' in FakeEncoding().frame(entries, "c", 1.0, {"p": "c"})
    assert b'"collapsed":2' in FakeEncoding().frame(entries, "c", 1.0, None, 2)
    assert [entry.payload for entry in entries] == FakeEncoding(legacy=True).frame(entries, "c", 1.0).split(b"\n")
    assert b"{}" == FakeEncoding().say(b"{}", "c")
    assert b'{"type":"beat","cursor":"c"}' == FakeEncoding().beat("c")


async def test_a_wire_takes_all_until_it_is_filled() -> None:
    """Then pushes are refused, and what is written all the same waits."""
    fake = FakeWire()
    wire: Wire = fake
    assert wire.push(b"a")
    await wire.drain()
    assert (0, 1) == (wire.buffered(), wire.taken())
    fake.fill()
    taken = wire.taken()
    assert not wire.push(b"b")
    wire.write(b"c")
    assert [b"a", b"c"] == fake.sent
    draining = asyncio.create_task(fake.drain())
    await settle()
    fake.take(10)
    await settle()
    assert not draining.done()
    assert taken + 10 == wire.taken()
    fake.take()
    await draining
    assert 0 == wire.buffered()
    assert wire.push(b"d")
    assert 2 == fake.drains


async def test_a_wire_whose_viewer_left_says_so() -> None:
    """To whoever waits and to whoever comes."""
    wire = FakeWire(FakeEncoding(legacy=True), answers=False)
    wire.fill()
    draining = asyncio.create_task(wire.drain())
    await settle()
    wire.leave()
    with pytest.raises(ConnectionResetError):
        await draining
    with pytest.raises(ConnectionResetError):
        await wire.drain()
    assert wire.buffered()
    assert not wire.answers


def test_a_wire_tells_when_it_is_written_to() -> None:
    """So that a test can act at that very moment."""
    heard: list[bytes] = []
    wire = FakeWire()
    wire.push(b"unheard")
    wire.on_write = heard.append
    wire.write(b"a")
    assert [b"a"] == heard


def test_a_verifier_knows_its_tokens() -> None:
    """Others don't open, and why is for the operator."""
    verifier: TokenVerifier = FakeVerifier(ada=ADA)
    assert ADA is verifier.verify("ada", 100.0)
    for token, now, reason in (("", 0.0, "missing"), ("eve", 0.0, "unknown"), ("ada", 101.0, "expired")):
        with pytest.raises(AuthFailed) as failed:
            verifier.verify(token, now)
        assert reason == failed.value.reason


async def test_an_authorizer_grants_what_was_not_decided_otherwise() -> None:
    """And remembers what it was asked."""
    fake = FakeAuthorizer(q=Decision.DENIED)
    authorizer: Authorizer = fake
    p, q = (Question(viewer=ADA, project=ProjectFacts(project_id=project_id, known=True)) for project_id in "pq")
    assert Decision.GRANTED is await authorizer.decide(p)
    assert Decision.DENIED is await authorizer.decide(q)
    assert [p, q] == fake.asked


async def test_an_authorizer_answers_when_the_test_lets_it() -> None:
    """With what is true by then."""
    fake = FakeAuthorizer()
    fake.hangs = asyncio.Event()
    answer = asyncio.ensure_future(fake.decide(Question(viewer=ADA, project=ProjectFacts(project_id="p", known=True))))
    await asyncio.sleep(0)
    assert not answer.done()
    fake.decisions["p"] = Decision.DENIED
    fake.hangs.set()
    assert Decision.DENIED is await answer
