import pytest
from pydantic import ValidationError

from relayd.config.liveness import Liveness
from relayd.core.liveness import Thresholds


def test_what_is_not_set_is_what_the_core_takes() -> None:
    """One set of defaults, wherever somebody reads it."""
    liveness, core = Liveness(), Thresholds()
    assert (core.quiet, core.stuck, core.tool, core.lost, core.end) == (
        liveness.quiet_seconds,
        liveness.stuck_seconds,
        liveness.tool_seconds,
        liveness.lost_seconds,
        liveness.end_seconds,
    )


@pytest.mark.parametrize("key", list(Liveness.model_fields))
def test_no_silence_at_all_means_nothing(key: str) -> None:
    """Everybody would be lost between two words."""
    with pytest.raises(ValidationError, match="greater than"):
        Liveness.model_validate({key: 0})
