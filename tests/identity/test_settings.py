import pytest

from relayd.identity.settings import ClaimsSettings, OwnershipSettings


@pytest.mark.parametrize("model", [ClaimsSettings, OwnershipSettings])
def test_every_setting_has_a_reason_and_a_default(model: type[ClaimsSettings] | type[OwnershipSettings]) -> None:
    """They work without a table, and the reference is made of them."""
    assert [] == [name for name, field in model.model_fields.items() if not field.description or field.is_required()]
