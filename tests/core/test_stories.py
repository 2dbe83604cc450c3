"""docs/liveness.md tells what the code does."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.core.stories import STORIES, clock, drawn, told

PAGE = Path(__file__).parents[2] / "docs" / "liveness.md"


@pytest.mark.parametrize("name", list(STORIES))
def test_the_page_tells_what_happens(name: str) -> None:
    """Each story's table is the course of its states, to the second."""
    text = PAGE.read_text(encoding="utf-8").partition(f"pictures/liveness-{name}.svg")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+:\d\d) \| (\d+:\d\d) \| `(\w+)` \|$", text, re.MULTILINE)
    assert [(clock(span.begins), clock(span.ends), span.state) for span in told(STORIES[name]) if span.state] == rows


@pytest.mark.parametrize("name", list(STORIES))
def test_the_picture_shows_it(name: str) -> None:
    """One band for each state, wide as it is long, and in words for who can't see it; nothing from elsewhere."""
    spans, picture = told(STORIES[name]), drawn(STORIES[name])
    root, svg = ET.fromstring(picture), "{http://www.w3.org/2000/svg}"  # noqa: S314  # our own
    bands = [float(rect.get("width") or 0) for rect in root.iter(f"{svg}rect") if rect.find(f"{svg}title") is not None]
    longest = max(spans, key=lambda span: span.ends - span.begins)
    assert len(spans) == len(bands)
    assert max(bands) == bands[spans.index(longest)]
    described = root.findtext(f"{svg}desc") or ""
    assert all(f"{clock(span.begins)} {span.state or 'has ended'}" in described for span in spans)
    assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?://[^\"<]+", picture)
