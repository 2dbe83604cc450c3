"""Every way a connection ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.protocol.disconnect import REASON_BYTES, Disconnect, close_reason
from tests.protocol.strategies import quick


def test_each_ending_has_its_own_code_and_label() -> None:
    """A client decides by the code, an operator by the label."""
    assert len(Disconnect) == len({ending.code for ending in Disconnect})
    assert "too_many_connections" == Disconnect.TOO_MANY_CONNECTIONS.label


@pytest.mark.parametrize("ending", Disconnect)
def test_each_code_is_legal(ending: Disconnect) -> None:
    """Codes that RFC 6455 lets a server send: registered ones and those for applications."""
    assert ending.code in {1000, 1002, 1007, 1009, 1012, 1013} or 4000 <= ending.code < 5000
    assert 200 <= ending.http_status < 600


def test_a_reason_names_the_ending_and_when_to_come_back() -> None:
    """`CODE: sentence; retry_after_ms=N`, or without the end when there is nothing to wait for."""
    assert "OVERLOADED: too full; retry_after_ms=500" == close_reason(Disconnect.OVERLOADED, "too full", 500)
    assert "FORBIDDEN: not yours" == close_reason(Disconnect.FORBIDDEN, "not yours")


@quick
@given(st.sampled_from(Disconnect), st.text(max_size=300), st.integers(0, 10**6))
def test_a_reason_always_fits_a_control_frame(ending: Disconnect, sentence: str, retry_after_ms: int) -> None:
    """A reason that is longer, or no UTF-8, would be an illegal frame and hide the code itself."""
    reason = close_reason(ending, sentence, retry_after_ms)
    assert len(reason.encode()) <= REASON_BYTES
    assert reason.startswith(f"{ending.name}: ")
    assert reason.endswith(f"; retry_after_ms={retry_after_ms}") or not retry_after_ms


def test_a_character_is_never_halved() -> None:
    """A cut in the middle of a character drops it whole."""
    reason = close_reason(Disconnect.FORBIDDEN, "é" * 100)
    assert f"FORBIDDEN: {'é' * 56}" == reason
