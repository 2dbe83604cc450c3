import pytest

from relayd.ports import LogBreak
from relayd.testing.source_contract import Say, SourceContract, position, take
from relayd.testing.sources import FakeSource


@pytest.fixture
def say(source: FakeSource) -> Say:
    """Give the mouth of the fake."""

    async def speak(bodies: object) -> None:
        source.say(*bodies)  # type: ignore[misc]

    return speak


class TestReplaying(SourceContract):
    @pytest.fixture
    def source(self) -> FakeSource:
        """Give a fake stream."""
        return FakeSource()


class TestEmbedded(SourceContract):
    @pytest.fixture
    def source(self) -> FakeSource:
        """Give a fake that keeps nothing."""
        return FakeSource(replays=False)


async def test_a_break_comes_between_batches() -> None:
    """What was said before it and not read is gone with the old log."""
    source = FakeSource()
    (first,) = source.say(b"a")
    batches = source.batches(None)
    assert [first] == await take(batches, 1)
    source.say(b"never read")
    source.break_("recreated")
    (again,) = source.say(b"b")
    assert LogBreak("recreated") == await anext(batches)
    assert [again] == await take(batches, 1)
    assert 0 == again.offset
    await batches.aclose()


async def test_a_truncated_log_goes_on_counting() -> None:
    """Offsets never come twice in one log."""
    source = FakeSource()
    (first,) = source.say(b"a", message_id="m", received_at=5.0)
    source.break_("truncated")
    source.skip(10)
    (after,) = source.say(b"b")
    batches = source.batches(position(source, first))
    assert LogBreak("truncated") == await anext(batches)
    assert [after] == await take(batches, 1)
    assert 11 == after.offset == source.state().head_offset
    assert ("m", 5.0) == (first.message_id, first.received_at)
    await batches.aclose()
