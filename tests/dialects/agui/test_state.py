"""The progress in an agent's state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.dialects.agui.state import Pointer
from tests.protocol.strategies import quick

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "0", ""]), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("pointer", "state", "progress"),
    [
        ("/done", {"done": 40}, 40),
        ("/a/b", {"a": {"b": 12.5}}, 12.5),
        ("/a~1b/m~0n", {"a/b": {"m~n": 1}}, 1),
        ("/steps/1", {"steps": [5, 6]}, 6),
        ("/steps/2", {"steps": [5, 6]}, None),
        ("/steps/-", {"steps": [5, 6]}, None),
        ("/steps/99999999999999999999", {"steps": [5]}, None),
        ("/", {"": 3}, 3),
        ("/done", {"done": "40"}, None),
        ("/done", {"done": True}, None),
        ("/done", {"done": 10**400}, 100),
        ("/done", {"done": -4}, 0),
        ("/done", [40], None),
        ("/done", None, None),
        ("", 40, None),
    ],
)
def test_a_snapshot_has_it_where_the_pointer_says(pointer: str, state: object, progress: float | None) -> None:
    """RFC 6901; what is no number is none, one beyond the bounds is brought to them, and the empty pointer is off."""
    assert progress == Pointer(pointer, full=100).in_snapshot(state)


def test_a_fraction_is_a_progress() -> None:
    """By what the number is when all is done."""
    assert (25, 33.33, 100) == tuple(Pointer("/p", full=1).in_snapshot({"p": p}) for p in (0.25, 1 / 3, 7))


@pytest.mark.parametrize(
    ("patch", "progress"),
    [
        ([{"op": "replace", "path": "/a/p", "value": 5}], 5),
        ([{"op": "add", "path": "/a", "value": {"p": 6}}], 6),
        ([{"op": "add", "path": "", "value": {"a": {"p": 7}}}], 7),
        ([{"op": "add", "path": "/a/p", "value": 5}, {"op": "replace", "path": "/a/p", "value": 8}], 8),
        ([{"op": "add", "path": "/a/p", "value": 5}, {"op": "replace", "path": "/a/p", "value": "x"}], 5),
        ([{"op": "add", "path": "/a/q", "value": 5}], None),
        ([{"op": "add", "path": "/a/p/x", "value": 5}], None),
        ([{"op": "copy", "from": "/x", "path": "/a/p"}], None),
        ([{"op": "remove", "path": "/a/p"}], None),
        ([{"op": "test", "path": "/a/p", "value": 5}], None),
        ([{"op": "add", "path": "x", "value": {"a": {"p": 7}}}, 7, {"op": "add"}], None),
        ({}, None),
        (None, None),
    ],
)
def test_a_patch_says_it_when_it_sets_it(patch: object, progress: float | None) -> None:
    """Or something around it; the last word counts, and no state is kept to know it by."""
    assert progress == Pointer("/a/p", full=100).in_patch(patch)


def test_the_empty_pointer_hears_no_patch() -> None:
    """Nothing is configured, so nothing is told."""
    assert Pointer("", full=100).in_patch([{"op": "add", "path": "", "value": 5}]) is None


@quick
@given(st.sampled_from(["/a", "/a/0", "/0/a", "/"]), JSON)
def test_whatever_the_state_is(pointer: str, state: object) -> None:
    """It has a progress within the bounds or none."""
    patch = [{"op": "add", "path": "", "value": state}]
    progress = Pointer(pointer, full=100).in_snapshot(state)
    assert progress == Pointer(pointer, full=100).in_patch(patch)
    assert progress is None or 0 <= progress <= 100
