"""What producers write for a value, read into what the contract says."""

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.dialects import values
from relayd.dialects.values import Kind, cut_line, is_flat, read_timestamp, shown
from relayd.protocol.messages import MAX_LOG_MESSAGE, Budget
from tests.protocol.strategies import quick

KINDS = {name: kind for name, kind in vars(values).items() if isinstance(kind, Kind)}


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        (65, 65),
        (65.0, 65.0),
        (65.5, 65.5),
        ("65", 65),
        ("45%", 45),
        (" 45.5 % ", 45.5),
        ("0.45", 0.45),
        ("+7", 7),
        (-3, 0),
        (101, 100),
        ("250%", 100),
        (10**400, 100),
        (-(10**400), 0),
        (1e308, 100),
    ],
)
def test_progress_is_a_number_from_0_to_100(written: object, exact: float) -> None:
    """Texts are read, what lies beyond is brought to the nearest end, and an integer stays one."""
    read = values.PROGRESS.read(written)
    assert exact == read
    assert type(exact) is type(read)


@pytest.mark.parametrize(
    "written", [nan, inf, -inf, True, "", "x", "%", "45 percent", "1e2", "0x10", "٤٥", "nan", "4" * 33, [45], {}]
)
def test_progress_is_not_guessed(written: object) -> None:
    """What is no number is none."""
    assert values.PROGRESS.read(written) is None


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        (1700000000, 1700000000.0),
        (1700000000.25, 1700000000.25),
        (1700000000250, 1700000000.25),
        (1700000000250000, 1700000000.25),
        (1700000000250000000, 1700000000.25),
        ("1700000000250", 1700000000.25),
        ("1712121212123", 1712121212.123),
        ("2023-11-14T22:13:20Z", 1700000000.0),
        ("2023-11-14T22:13:20.250+00:00", 1700000000.25),
        ("2023-11-14T23:13:20+01:00", 1700000000.0),
        (" 2023-11-14 22:13:20 ", 1700000000.0),
        ("20231114T221320Z", 1700000000.0),
        ("2023-11-14", 1699920000.0),
        (0, 0.0),
    ],
)
def test_a_timestamp_is_read_by_its_form_and_magnitude(written: object, exact: float) -> None:
    """Seconds, milliseconds, microseconds, nanoseconds and ISO 8601 all become Unix seconds."""
    read = read_timestamp(written)
    assert exact == read
    assert isinstance(read, float)


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "yesterday",
        "45%",
        -1,
        "-5",
        nan,
        inf,
        True,
        [1],
        {},
        10**20,
        10**400,
        1e300,
        "0001-01-01",
        "\ud800",
        "9" * 40,
    ],
)
def test_a_timestamp_that_can_t_be_read_is_none(written: object) -> None:
    """The relay's own clock stands in for it."""
    assert read_timestamp(written) is None


@pytest.mark.parametrize(
    ("kind", "written", "exact"),
    [
        (values.TEXT, "x", "x"),
        (values.TEXT, 5, "5"),
        (values.TEXT, 5.5, "5.5"),
        (values.TEXT, True, None),
        (values.TEXT, ["x"], None),
        (values.LINE, "x", "x"),
        (values.LINE, {}, None),
        (values.NAME, "coder", "coder"),
        (values.NAME, 7, "7"),
        (values.NAME, "", None),
        (values.NAME, "x" * 256, "x" * 256),
        (values.NAME, "x" * 257, None),
        (values.NAMES, ["a", 5], ["a", "5"]),
        (values.NAMES, [], []),
        (values.NAMES, ["a", None], None),
        (values.NAMES, "a,b", None),
        (values.PROJECT, "shop-1", "shop-1"),
        (values.PROJECT, 42, "42"),
        (values.PROJECT, "a/b", None),
        (values.PROJECT, "a\n", None),
        (values.PROJECT, {"id": "a"}, None),
        (values.SECONDS, 90, 90),
        (values.SECONDS, "1.5", 1.5),
        (values.SECONDS, 2**53 + 1, None),
        (values.SECONDS, 1e300, None),
        (values.SECONDS, "soon", None),
        (values.LEVEL, "WARN", "warning"),
        (values.LEVEL, 30, None),
        (values.AGENT_STATUS, "busy", ("working", None)),
        (values.AGENT_STATUS, "queued", ("idle", "waiting")),
        (values.AGENT_STATUS, "thinking", ("working", "thinking")),
        (values.STAGE_STATUS, "in progress", "running"),
        (values.ACTIVITY, "sleeping", None),
        (values.FLAG, True, True),
        (values.FLAG, False, False),
        (values.FLAG, "No", False),
        (values.FLAG, 1, True),
        (values.FLAG, 2, None),
        (values.FLAG, None, None),
        (values.OBJECT, {"a": [{"b": 10**30}]}, {"a": [{"b": 10**30}]}),
        (values.OBJECT, [], None),
        (
            values.USAGE,
            {"tokens": 5, "model": "x", "more": {"a": 1e300}},
            {"total_tokens": 5, "model": "x", "more": {"a": 1e300}},
        ),
        (values.USAGE, {"tokens": 10**400}, None),
        (values.USAGE, {"tokens": nan}, None),
        (values.USAGE, [{"inputTokens": 5}], {"input_tokens": 5}),
        (values.USAGE, "5", None),
        (values.BUDGET, {"tokens": 5, "cost": 2, "more": 1}, Budget(tokens=5, cost=2.0)),
        (values.BUDGET, {"tokens": None}, Budget()),
        (values.BUDGET, {}, Budget()),
        (values.BUDGET, {"tokens": 0}, None),
        (values.BUDGET, {"tokens": 1.5}, None),
        (values.BUDGET, {"tokens": True}, None),
        (values.BUDGET, {"tokens": 10**400}, None),
        (values.BUDGET, {"cost": 0}, None),
        (values.BUDGET, {"cost": nan}, None),
        (values.BUDGET, {"cost": "5"}, None),
        (values.BUDGET, [], None),
        (values.BUDGET, 5, None),
    ],
)
def test_each_kind_reads(kind: Kind, written: object, exact: object) -> None:
    """Exact values, or None for what can't be read."""
    read = kind.read(written)
    assert exact == read
    assert type(exact) is type(read)


def nested(depth: int) -> dict[str, Any]:
    """Return an object that is nested so deep."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": [value]} if depth % 2 else {"a": value}
    return value


def test_nesting_is_bounded() -> None:
    """A depth that can be read but not written again would end a relay."""
    assert is_flat(nested(8))
    assert not is_flat(nested(10))
    assert not is_flat([[[[[[[[[1]]]]]]]]])
    assert values.OBJECT.read(nested(900)) is None
    assert values.USAGE.read(nested(900)) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "'x'"),
        ("a\nb", r"'a\nb'"),
        ("\ud800", r"'\ud800'"),
        ("x" * 60, f"'{'x' * 60}'"),
        ("x" * 61, f"'{'x' * 59}…"),
        (5, "5"),
        (10**300, "1" + "0" * 59 + "…"),
        (True, "true"),
        (None, "None"),
        ({"a": 1}, "an object"),
        ([1], "a list"),
    ],
)
def test_a_value_is_shown_short_and_on_one_line(value: object, text: str) -> None:
    """An error of ten megabytes helps nobody."""
    assert text == shown(value)


@quick
@given(st.integers(0, 50_000))
def test_a_long_line_is_cut_and_says_so(surplus: int) -> None:
    """The cut line fits the bound, and what it says is missing is what is missing."""
    line = "x" * (MAX_LOG_MESSAGE + surplus)
    cut = cut_line(line)
    assert len(cut) <= MAX_LOG_MESSAGE
    kept, mark, said = cut.partition("… [cut: ")
    assert bool(mark) == bool(surplus)
    assert not surplus or f"{len(line) - len(kept)} characters more]" == said


@quick
@given(
    st.sampled_from(sorted(KINDS)),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
)
def test_no_value_breaks_a_reader(name: str, value: object) -> None:
    """It is read or it is None, and in an error it is short."""
    KINDS[name].read(value)
    read_timestamp(value)
    assert len(shown(value)) <= 63
