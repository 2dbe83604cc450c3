"""The staged incident: what is kept of it is what is drawn, and what an operator is promised of such an hour."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.incident.picture import PICTURES, digest, read
from benchmarks.incident.stage import AWAY, Incident, staged

DISCONNECTED = "RelaydBrokerDisconnected"
FOR = 60
"""Seconds that this alert waits."""


@pytest.fixture
def kept() -> Incident:
    """Return the incident that the documentation tells of."""
    return msgspec.convert(read()["incident"], Incident)


def holds(incident: Incident) -> None:
    """Assert what is promised of it."""
    # Nobody was cut off, and everybody saw everything once and in order.
    assert (0, 0, {}) == (incident.cut, incident.gaps, incident.broken)
    connections = [value for _, value in incident.courses["connections"]]
    assert incident.viewers == max(connections)
    # A quarter of them polls, and has no connection between two polls.
    assert incident.viewers * 3 / 4 <= min(connections)
    # Whoever is on call was told once, of the cause, and not before it was certain; and that it was over.
    assert [DISCONNECTED] == [name for name, states in incident.alerts.items() if "firing" in states]
    first, last = incident.alerts[DISCONNECTED]["firing"]
    assert FOR <= first <= AWAY
    assert incident.back <= last
    # The lag says how long nothing was read, and is over with it.
    assert max(value for _, value in incident.courses["lag"]) >= AWAY - FOR
    assert incident.courses["lag"][-1][1] < 1
    assert incident.courses["deliveries"][-1][1] > 0


def test_what_is_kept_is_what_is_promised(kept: Incident) -> None:
    """The figures in docs/operate.md are those of a run that went well."""
    holds(kept)


def test_the_picture_is_drawn_from_it() -> None:
    """It carries what it was drawn from."""
    picture = (PICTURES / "incident.png").read_bytes()
    assert digest(read()).encode() in picture, "run `python -m benchmarks.incident draw` where matplotlib is"


def test_the_page_tells_of_this_one(kept: Incident) -> None:
    """Day, versions and times stand there as they were."""
    page = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
    told = page.partition("### A broker that is away for two minutes\n")[2].partition("\n## ")[0]
    whole: dict[str, Any] = read()
    first, last = kept.alerts[DISCONNECTED]["firing"]
    said = [whole["when"], *(f"{name} {version}" for name, version in whole["with"].items() if name != "relayd")]
    said += [f"{seconds:.0f} s" for seconds in (kept.back, kept.ready, first, last)]
    assert [] == [one for one in said if one not in told]


@pytest.mark.long
async def test_the_incident_goes_so_today(tmp_path: Path) -> None:
    """A broker that is away for two minutes, while the rules are honoured to the second."""
    holds(await staged(tmp_path))
