"""Of which project an event is: what is certain, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.dialects.agui.projects import Projects, legal
from relayd.dialects.belonging import PROJECT_HEADER
from relayd.dialects.delivery import Delivery, Reason
from relayd.dialects.normalise import Misunderstood
from relayd.dialects.values import read_project
from tests.protocol.strategies import quick


def of(event: dict[str, Any], *, last: str | None = None, among: Projects | None = None, **delivery: Any) -> str:  # noqa: ANN401
    """Return the project of an event that came in a delivery."""
    came = Delivery(offset=1, body=b"", received_at=5.0, **delivery)
    return (among or Projects(by_user=False)).of({"type": "STEP_STARTED", **event}, came, last)


THREAD = {"threadId": "thread", "runId": "run"}
META = {"metadata": {"project_id": "meta"}}
HEADER: dict[str, Any] = {"headers": {PROJECT_HEADER: "header"}}
TOKEN: dict[str, Any] = {"projects": frozenset({"token"})}


def test_the_nearest_word_counts() -> None:
    """The header, then the metadata, the token's only project, thread, run, and last the run of the same body."""
    assert "header" == of(THREAD | META, last="last", **HEADER, **TOKEN)
    assert "meta" == of(THREAD | META, last="last", **TOKEN)
    assert "token" == of(THREAD, last="last", **TOKEN)
    assert "thread" == of(THREAD, last="last")
    assert "run" == of({"runId": "run"}, last="last")
    assert "last" == of({}, last="last")


def test_a_token_for_several_names_none_of_them() -> None:
    """Nor does one for all."""
    assert "thread" == of(THREAD, projects=frozenset({"a", "b"}))
    assert "thread" == of(THREAD)


def test_an_event_of_nobody_is_refused_with_the_mend() -> None:
    """A guess would show it to those who may see another project."""
    with pytest.raises(Misunderstood, match=f"send the header {PROJECT_HEADER}") as caught:
        of({"threadId": "", "runId": None, "metadata": None}, user_id="worker")
    assert Reason.BAD_PROJECT is caught.value.reason


@pytest.mark.parametrize(
    ("event", "delivery", "told"),
    [
        ({}, {"headers": {PROJECT_HEADER: "../x"}}, f"{PROJECT_HEADER}: expected 1 to 128"),
        ({}, {"headers": {PROJECT_HEADER: True}}, f"{PROJECT_HEADER}: expected 1 to 128"),
        ({"metadata": {"project_id": [7]}}, {}, "metadata.project_id: expected 1 to 128"),
    ],
)
def test_a_name_that_is_given_on_purpose_must_be_one(
    event: dict[str, Any], delivery: dict[str, Any], told: str
) -> None:
    """It is not made into another."""
    with pytest.raises(Misunderstood) as caught:
        of(event, last="last", **delivery)
    assert told in caught.value.detail


def test_a_user_s_last_run_counts_only_where_that_is_set() -> None:
    """Several workers may share a user, and none of them may speak for another's project."""
    delivery = Delivery(offset=1, body=b"", received_at=5.0, user_id="worker")
    strict, trusting = Projects(by_user=False), Projects(by_user=True)
    strict.begin("p", delivery)
    trusting.begin("o", delivery)
    trusting.begin("p", delivery)
    assert "p" == of({}, among=trusting, user_id="worker")
    for projects, user in ((strict, "worker"), (trusting, "another"), (trusting, None)):
        with pytest.raises(Misunderstood):
            of({}, among=projects, user_id=user)


def test_users_are_bounded() -> None:
    """The longest unused is forgotten, not the oldest."""
    projects = Projects(by_user=True, users=2)
    for user in ("a", "b", "a", "c"):
        projects.begin(user, Delivery(offset=1, body=b"", received_at=5.0, user_id=user))
    projects.begin("nobody", Delivery(offset=1, body=b"", received_at=5.0))
    assert ("a", "c") == tuple(of({}, among=projects, user_id=user) for user in ("a", "c"))
    with pytest.raises(Misunderstood):
        of({}, among=projects, user_id="b")


def test_a_thread_that_can_be_a_project_is_one() -> None:
    """What else it is called, a project can be made of it, and of two never the same."""
    assert "0b1f-x_y.z" == legal("0b1f-x_y.z")
    assert legal("shop/1").startswith("shop-1~")
    assert legal("shop/1") != legal("shop:1") != legal("shop-1")
    assert "-x~" == legal(".x")[:3]
    assert 100 + 17 == len(legal("é" * 500))


@quick
@given(st.text(min_size=1))
def test_every_thread_has_a_legal_project(name: str) -> None:
    """The same one each time."""
    assert legal(name) == read_project(legal(name))
