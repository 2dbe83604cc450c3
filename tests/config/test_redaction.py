import pytest
from pydantic import ValidationError

from relayd.config.redaction import Redaction
from relayd.core.redaction import SWITCHES


def test_every_rule_can_be_named() -> None:
    """And all of them are on by default."""
    assert SWITCHES == Redaction(off=SWITCHES).off
    assert () == Redaction().off


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("off", "nonsense", "'nonsense' is no rule; rules are private_key"),
        ("patterns", "(", "is no regular expression"),
        ("patterns", "x*", "matches the empty text"),
        ("fields", "", "at least 1 character"),
    ],
)
def test_a_mistake_is_named(key: str, value: str, said: str) -> None:
    """With what would be right."""
    with pytest.raises(ValidationError, match=said):
        Redaction.model_validate({key: [value]})
