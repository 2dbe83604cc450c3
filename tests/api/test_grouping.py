import json

import pytest

from relayd.api import grouping
from relayd.api.grouping import Groups
from relayd.ports import Rejected
from relayd.protocol.cursor import Place


def rejected(body: object, *, reason: str = "unknown_type", at: float = 1.0, dialect: str = "native") -> Rejected:
    """Return an event that was rejected."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Rejected(
        cursor="c",
        place=Place(0, 1),
        reason=reason,
        detail="why",
        headers={"dialect": dialect} if dialect else {},
        body=raw,
        received_at=at,
    )


def test_alike_is_what_dialect_reason_and_type_have_in_common() -> None:
    """The newest is the sample; the largest group comes first."""
    groups = Groups()
    groups.add(9, rejected({"type": "order", "project": "p", "n": 3}, at=9.0))
    groups.add(8, rejected({"type": "order"}, reason="bad_project", at=8.0))
    groups.add(7, rejected({"type": "order"}, at=5.0))
    groups.add(6, rejected({"type": "order"}, dialect="celery", at=6.0))
    groups.add(5, rejected({"kind": "other"}, at=4.0))
    told, other = groups.largest(10)
    assert 0 == other
    assert 5 == groups.looked_at
    first = told[0]
    assert ("native", "unknown_type", "order", 2) == (first.dialect, first.reason, first.type, first.count)
    assert (5.0, 9.0, 9) == (first.first_seen, first.last_seen, first.number)
    assert {"type": "order", "project": "p", "n": 3} == json.loads(first.sample)
    assert {("native", "order"), ("celery", "order"), ("native", "other")} == {(one.dialect, one.type) for one in told}


def test_what_is_in_no_group_that_is_told_is_counted() -> None:
    """Whether it is small, or came when there were enough groups."""
    groups = Groups()
    for number in range(grouping.MOST + 3):
        groups.add(number, rejected({"type": f"t{number}"}))
    groups.add(0, rejected({"type": "t0"}))
    told, other = groups.largest(2)
    assert [2, 1] == [one.count for one in told]
    assert grouping.MOST + 4 - 3 == other
    assert grouping.MOST == len(groups.largest(10_000)[0])


@pytest.mark.parametrize(
    ("reason", "has_rule"),
    [
        ("unknown_type", True),
        ("bad_project", True),
        ("bad_field", True),
        ("forbidden_project", False),
        ("mapping_failed", False),
    ],
)
def test_a_rule_is_suggested_where_one_helps(reason: str, has_rule: bool) -> None:
    """Rights and faults of ours are mended elsewhere."""
    groups = Groups()
    groups.add(1, rejected({"type": "order", "project": "p"}, reason=reason))
    ((group,), _) = groups.largest(1)
    assert has_rule == group.rule.startswith("# type is a guess")


@pytest.mark.parametrize("body", [b"\xff not json", b'"\xbd"', b"[" * 5_000, b"7", b"[]"])
def test_what_is_no_object_has_neither_type_nor_rule(body: bytes) -> None:
    """It has a sample, and where it came from."""
    groups = Groups()
    groups.add(1, rejected(body, dialect=""))
    ((group,), _) = groups.largest(1)
    assert ("", "", "") == (group.type, group.rule, group.dialect)
    assert group.sample


def test_a_sample_is_short() -> None:
    """With a mark that there was more."""
    groups = Groups()
    groups.add(1, rejected(b"x" * 5_000))
    ((group,), _) = groups.largest(1)
    assert "x" * grouping.SAMPLE_BYTES + "…" == group.sample
