"""Fakes must behave as what they stand for, or what is tested with them is not true."""

import asyncio
import json

import pytest

from relayd.core.access import Decision, ProjectFacts, Viewer
from relayd.core.timeline import Entry
from relayd.ports import AuthFailed
from relayd.protocol.cursor import Place
from relayd.testing.viewers import FakeAuthorizer, FakeEncoding, FakeVerifier, FakeWire

ENTRIES = [Entry(Place(0, 0, item), f"c{item}", b'{"n":%d}' % item, "workflow_log", 0, None, 1.0) for item in range(2)]
ADA = Viewer(user="ada", expires_at=10.0)


def test_an_encoding_reads_as_its_kind_does() -> None:
    """A modern viewer gets an envelope and its cursor, a legacy one the messages."""
    modern, legacy = FakeEncoding(), FakeEncoding(legacy=True)
    envelope = json.loads(modern.frame(ENTRIES, "c9", 2.0, collapsed=3))
    assert ("batch", "c9", 3) == (envelope["type"], envelope["cursor"], envelope["collapsed"])
    assert b'{"n":0}\n{"n":1}' == legacy.frame(ENTRIES, "c9", 2.0)
    assert ((True, True), (False, False)) == ((modern.envelope, modern.modern), (legacy.envelope, legacy.modern))
    assert b"said" == modern.say(b"said")
    assert {"type": "beat", "cursor": "c1"} == json.loads(modern.beat("c1"))


async def test_a_wire_refuses_while_it_is_full() -> None:
    """A refused payload is not written; the kernel's progress is seen, and a drained wire takes more."""
    wire = FakeWire()
    assert wire.push(b"one")
    wire.fill()
    assert not wire.push(b"two")
    wire.write(b"three")
    assert [b"one", b"three"] == wire.sent
    taken = wire.taken()
    wire.take(10)
    assert (taken + 10, True) == (wire.taken(), wire.buffered() > 0)
    waiting = asyncio.ensure_future(wire.drain())
    await asyncio.sleep(0)
    assert not waiting.done()
    wire.take()
    await waiting
    assert (0, True) == (wire.buffered(), wire.push(b"four"))


async def test_a_viewer_that_is_gone_is_noticed_by_who_waits() -> None:
    """As a socket's drain raises when the connection is lost."""
    wire = FakeWire()
    wire.fill()
    waiting = asyncio.ensure_future(wire.drain())
    await asyncio.sleep(0)
    wire.leave()
    with pytest.raises(ConnectionResetError):
        await waiting
    assert wire.buffered() > 0


def test_a_verifier_knows_its_tokens() -> None:
    """Others, and those that have expired, are refused."""
    verifier = FakeVerifier(good=ADA)
    assert ADA == verifier.verify("good", 9.0)
    for token, now in (("bad", 9.0), ("", 9.0), ("good", 11.0)):
        with pytest.raises(AuthFailed):
            verifier.verify(token, now)


async def test_an_authorizer_decides_as_told() -> None:
    """And remembers who asked."""
    authorizer = FakeAuthorizer(closed=Decision.DENIED)
    closed, other = (ProjectFacts(project_id=name, known=True) for name in ("closed", "other"))
    assert Decision.DENIED is await authorizer.decide(ADA, closed)
    assert Decision.GRANTED is await authorizer.decide(ADA, other)
    assert [(ADA, closed), (ADA, other)] == authorizer.asked
