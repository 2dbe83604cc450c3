"""One module, one concept: short enough to be read at once, and named after what it is."""

import re

from tests.house.tree import modules

MAX_LINES = 300
REFUSED = re.compile(r"(^|_)(utils?|helpers?|common|managers?|base|misc)(_|$)")
"""Names that say nothing: what is in there could be anything, and soon is."""


def test_no_module_is_long() -> None:
    """What does not fit 300 lines is more than one thing."""
    assert {} == {
        str(module.path): lines for module in modules() if (lines := len(module.text.splitlines())) > MAX_LINES
    }


def test_every_name_says_something() -> None:
    """A module is named after its one concept."""
    names = {part for module in modules() for part in module.name.split(".")}
    assert set() == {name for name in names if REFUSED.search(name)}
