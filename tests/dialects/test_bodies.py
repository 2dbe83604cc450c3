"""One body into its raw events."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relayd.dialects.bodies import MAX_EVENTS, MAX_MARKS, Pieces, cut
from tests.dialects.poison import ONE_EVENT, SEVERAL
from tests.protocol.strategies import quick

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"]))
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


@quick
@given(st.lists(anything, max_size=6), st.sampled_from([None, 1, "\t"]), st.booleans())
@example([{}, [], "", '"', "\\", '\\"', "[", "{", {"]": ","}], None, False)
def test_an_array_is_cut_into_its_elements(values: list[Any], indent: int | str | None, ascii_only: bool) -> None:
    """Brackets, commas and quotes inside of texts mean nothing, however the array is printed."""
    pieces = cut(json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode())
    assert pieces is not None
    assert pieces.many
    assert [json.dumps(value) for value in values] == [json.dumps(json.loads(raw)) for raw in pieces.raws]


@quick
@given(st.lists(st.dictionaries(st.text(max_size=5), anything, max_size=3), min_size=2, max_size=6), st.booleans())
def test_lines_are_cut_at_line_feeds(values: list[Any], windows: bool) -> None:
    """NDJSON, with blank lines or without, from any system."""
    ending = "\r\n" if windows else "\n"
    pieces = cut((ending + ending).join(json.dumps(value) for value in values).encode())
    assert pieces is not None
    assert pieces.many
    assert [json.dumps(value) for value in values] == [json.dumps(json.loads(raw)) for raw in pieces.raws]


@quick
@given(st.dictionaries(st.text(max_size=5), anything))
def test_one_object_is_one_piece_however_it_is_printed(value: dict[str, Any]) -> None:
    """An object over several lines is no NDJSON."""
    body = json.dumps(value, indent=2).encode()
    assert Pieces([body], many=False) == cut(body)


@quick
@given(st.binary(max_size=60) | st.text('[]{},"\\ \n1a', max_size=60).map(str.encode))
def test_no_body_breaks_the_knife(body: bytes) -> None:
    """Whatever the bytes, they become pieces or nothing, and no byte of a piece is invented."""
    pieces = cut(body.strip())
    assert pieces is None or all(raw in body for raw in pieces.raws)


@pytest.mark.parametrize("name", SEVERAL)
def test_a_broken_event_is_one_piece_among_the_others(name: str) -> None:
    """It takes its place and costs its neighbours nothing."""
    count, body = SEVERAL[name]
    pieces = cut(body.strip())
    assert pieces is not None
    assert count == len(pieces.raws)
    assert pieces.many


@pytest.mark.parametrize(
    "name", ["deep array without an end", "quote without an end", "bracket too many", "crossed brackets"]
)
def test_an_array_that_can_t_be_told_apart_is_none(name: str) -> None:
    """Quotes or brackets do not match."""
    assert cut(ONE_EVENT[name]) is None


@pytest.mark.parametrize(
    "broken", [ONE_EVENT["half an object over lines"].strip(), b'{\n  "a": NaN,\n  "b": [\n    {}\n  ]\n}']
)
def test_a_broken_object_over_lines_is_one_piece(broken: bytes) -> None:
    """It is reported once, not line by line, whatever stands on its lines."""
    assert Pieces([broken], many=False) == cut(broken)


def test_more_events_than_allowed_are_cut_no_further() -> None:
    """Memory is bounded: thirty megabytes of commas are not thirty million pieces."""
    for body in (b"[" + b"0," * 200_000 + b"0]", b"{}\n" * 200_000):
        pieces = cut(body)
        assert pieces is not None
        assert MAX_EVENTS + 1 == len(pieces.raws)


def test_brackets_without_end_are_given_up() -> None:
    """The time one body may cost is bounded."""
    assert cut(b"[" + b"[,{" * (MAX_MARKS // 3 + 1)) is None
