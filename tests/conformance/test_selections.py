"""Selections, as a relay obeys them and as a bad proxy loses them."""

from collections.abc import Iterable

import pytest
from multidict import CIMultiDict

from relayd.conformance.reading import Way
from relayd.conformance.selections import filters, selections
from tests.conformance.held import IN_VAIN, broken, held, meddled
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Spoilt


class Typeless(Spoilt):
    """Which types a viewer wants is lost."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        query.pop("types", None)


class Narrow(Spoilt):
    """Who selects something in a poll gets errors only."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        if path.endswith("/events") and query.keys() & {"types", "level", "agent"}:
            query["types"] = "project_error"


class Level(Spoilt):
    """A level is lost."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        query.pop("level", None)


class Wordless(Spoilt):
    """A text is lost."""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        query.pop("q", None)


class Deaf(Spoilt):
    """A command is lost."""

    def up(self, frame: str | bytes) -> Iterable[str | bytes]:
        return ()


TYPES = {f"section 4, `types` over {way.value}" for way in Way}


@pytest.mark.parametrize(
    ("spoilt", "named", "words"),
    [
        (Typeless(), TYPES, "was let pass"),
        (
            Narrow(),
            {f"section 4, `types` over {Way.POLL.value}", "section 4, `level`, `agent` and `q`"},
            "was held back",
        ),
        (Level(), {"section 4, `level`, `agent` and `q`"}, "level=error: "),
        (Wordless(), {"section 4, `level`, `agent` and `q`"}, "q=dONE: "),
        (Deaf(), {"section 2, the command `filter`"}, "no notice within"),
    ],
    ids=lambda value: type(value).__name__.lower() if isinstance(value, Spoilt) else "",
)
async def test_a_breach_is_named(daemon: PrivateRelay, spoilt: Spoilt, named: set[str], words: str) -> None:
    """And nothing else is."""
    found = broken(await meddled(daemon, spoilt, selections, filters, seconds=IN_VAIN))
    assert named == found.keys()
    assert words in " ".join(found.values())


async def test_a_relay_obeys_them(daemon: PrivateRelay) -> None:
    """All of them."""
    assert [*["ok"] * 6] == [one.mark.value for one in await held(daemon, selections, filters)]
