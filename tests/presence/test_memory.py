import pytest

from relayd.presence.memory import MemoryPresence
from relayd.testing.presence_contract import PresenceContract, holder, take


class TestMemory(PresenceContract):
    @pytest.fixture
    def presence(self) -> MemoryPresence:
        """Give one that nobody is in."""
        return MemoryPresence()


async def test_it_keeps_no_stranger_s_words() -> None:
    """Users and projects are strangers' words; keeping them would fill the memory."""
    presence = MemoryPresence()
    for number in range(100):
        (await take(presence, holder("c", user=f"u{number}", project=f"p{number}"))).release()

    assert {} == presence._by_user
    assert {} == presence._by_project
