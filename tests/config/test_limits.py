import pytest
from pydantic import ValidationError

from relayd.config.limits import Limits


@pytest.mark.parametrize("key", ["requests_per_second", "publishes_per_second", "failed_logins_per_minute"])
def test_a_pace_of_nothing_is_refused(key: str) -> None:
    """It would let nobody in; who wants no bound sets a high one."""
    with pytest.raises(ValidationError, match="greater than"):
        Limits.model_validate({key: 0})


def test_a_project_may_have_any_number_of_viewers() -> None:
    """By a bound of 0."""
    assert 0 == Limits(viewers_per_project=0).viewers_per_project
