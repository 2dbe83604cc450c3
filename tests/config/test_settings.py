import pytest
from pydantic import ValidationError

from relayd.config.loading import TABLES
from relayd.config.settings import Server
from relayd.config.table import Table


@pytest.mark.parametrize("model", TABLES.values(), ids=lambda model: str(model.__name__))
def test_every_setting_has_a_reason_and_a_default(model: type[Table]) -> None:
    """docs/configuration.md is made of them, and a file may be empty."""
    assert [] == [name for name, field in model.model_fields.items() if not field.description or field.is_required()]
    assert model.__doc__


@pytest.mark.parametrize("model", TABLES.values(), ids=lambda model: str(model.__name__))
def test_every_default_would_be_accepted(model: type[Table]) -> None:
    """Bounds and defaults are written apart and must agree."""
    assert model() == model.model_validate(model().model_dump())


def test_what_was_read_stays() -> None:
    """Nobody changes a setting at run time behind the others' backs."""
    server = Server()

    with pytest.raises(ValidationError):
        server.port = 1
