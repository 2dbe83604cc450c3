"""docs/scaling.md says what the model says, and so does its picture."""

import re
from pathlib import Path

import pytest

from benchmarks.scaling.curves import curves, digest
from benchmarks.scaling.figures import Reports, costs, reports
from benchmarks.scaling.page import EXAMPLES, TABLES, UNIT_FILES, UNIT_MIB, predicted, render, rounded, short

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "scaling.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def read() -> Reports:
    """Return the reports that are kept."""
    return reports()


def test_the_page_says_what_the_model_says(read: Reports) -> None:
    """Every table on the page is that of today's model and today's reports (`make docs` writes them)."""
    assert PAGE == render(PAGE, read)


def test_every_table_is_on_the_page() -> None:
    """None is made for nobody."""
    assert sorted(TABLES) == sorted(re.findall(r"^<!-- table: (\w+) ", PAGE, re.MULTILINE))


def test_the_picture_shows_what_the_model_says(read: Reports) -> None:
    """It carries what it was drawn from; another model or other reports want another picture."""
    picture = (DOCS / "pictures" / "scaling.png").read_bytes()
    assert digest(curves(costs(read))).encode() in picture, "run `python -m benchmarks.scaling` where matplotlib is"


def test_only_what_stands_in_its_place_is_written_anew(read: Reports) -> None:
    """The text around a table stays; a stale table goes, however long it is."""
    text = "before\n<!-- table: rates made by `make docs` -->\n\nold\n\nolder\n\n<!-- end -->\nafter\n"
    made = render(text, read)
    assert made.startswith("before\n<!-- table: rates made by `make docs` -->\n\n| events/s")
    assert made.endswith("|\n\n<!-- end -->\nafter\n")
    assert "old" not in made


def test_a_table_that_nobody_makes_is_an_error(read: Reports) -> None:
    """A misspelt place would stay stale for ever."""
    with pytest.raises(KeyError, match="nope"):
        render("<!-- table: nope x -->\n\n<!-- end -->", read)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.0123, "0.012"), (1.26, "1.3"), (9.29, "9.3"), (47.7, "48"), (1234.5, "1,234")]
)
def test_a_figure_has_two_digits(value: float, text: str) -> None:
    """More would promise what was not measured."""
    assert text == short(value)


@pytest.mark.parametrize(("value", "text"), [(5_399, "5,300"), (52_030, "52,000"), (99.9, "99"), (7, "7")])
def test_a_limit_is_rounded_down(value: float, text: str) -> None:
    """Who plans with it stays within."""
    assert text == rounded(value)


def test_the_experiment_is_reckoned_like_any_other_relay(read: Reports) -> None:
    """Reading all, a payload for each of 20 groups, and a frame for each of 500 viewers, ten times a second."""
    shape = {"rate": 1_000.0, "array": 1.0, "projects": 100.0, "viewers": 500.0}
    found = costs(read)
    reading, whole = predicted(shape, 20, found)
    assert pytest.approx(found.singly.share(1_000) * 100) == reading
    assert pytest.approx((20 * 10 * found.singly.payload_us + 500 * 10 * found.frame_us) / 1e4) == whole - reading


def test_a_viewer_alone_is_a_group(read: Reports) -> None:
    """500 viewers on a thousand projects: as many payloads as frames."""
    found = costs(read)
    reading, whole = predicted({"rate": 10_000, "array": 100, "projects": 1_000, "viewers": 500}, 1_000, found)
    assert pytest.approx(found.arrays.share(10_000) * 100) == reading
    assert pytest.approx(500 * 10 * (found.arrays.payload_us + found.frame_us) / 1e4) == whole - reading


def test_the_bounds_are_those_of_the_unit() -> None:
    """Who changes the unit runs `make docs`."""
    unit = (DOCS.parent / "deploy" / "systemd" / "relayd.service").read_text(encoding="utf-8")
    assert f"\nLimitNOFILE={UNIT_FILES}\n" in unit
    assert f"\nMemoryMax={UNIT_MIB // 1024}G\n" in unit


def test_the_examples_are_those_that_the_page_promises() -> None:
    """From a team to a million."""
    assert [50, 2_000, 50_000, 50_000, 1_000_000] == [need.viewers for need in EXAMPLES]
