"""What the harness sees of a relay that tells too much."""

import pytest

from tests.harness.daemon import PrivateRelay


async def test_a_token_in_a_file_of_the_relay_is_seen() -> None:
    """So that every test with a relay is one of this, too."""
    relay = PrivateRelay()
    relay.start()
    (relay.folder / "left-behind").write_text(f"it was {relay.token()}, I think", encoding="utf-8")
    with pytest.raises(AssertionError, match="left-behind"):
        relay.close()
    assert not relay.folder.exists()
