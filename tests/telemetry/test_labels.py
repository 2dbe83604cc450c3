import pytest

from relayd.telemetry import labels


@pytest.mark.parametrize("name", [name for name in labels.__all__ if name not in {"OTHER", "TRANSPORT"}])
def test_every_set_is_closed_and_has_room_for_what_nobody_thought_of(name: str) -> None:
    """Each value once, and `other` for the rest."""
    values = getattr(labels, name)
    assert len(values) == len(set(values))
    assert labels.OTHER == values[-1]
