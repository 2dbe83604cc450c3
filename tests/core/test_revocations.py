"""Which tokens hold no more: whoever was told the same orders, however, holds the same list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.access import Viewer
from relayd.core.revocations import Full, Revocation, Revocations


def viewer(user: str = "ada", *, token_id: str | None = "t1", issued_at: float | None = 100.0) -> Viewer:
    """Return who a good token stands for."""
    return Viewer(user=user, expires_at=1_000.0, token_id=token_id, issued_at=issued_at)


def test_a_revoked_token_holds_no_more() -> None:
    """That one; another of the same user does."""
    revoked = Revocations()
    revoked.order("token", "t1", now=200.0, until=300.0)
    assert revoked.revokes(viewer(issued_at=250.0))
    assert not revoked.revokes(viewer(token_id="t2"))
    assert not revoked.revokes(viewer(token_id=None))
    assert not revoked.revokes(viewer("t1", token_id=None))


@pytest.mark.parametrize(("issued_at", "revokes"), [(199.0, True), (200.0, True), (200.5, False), (None, True)])
def test_a_revoked_user_needs_a_newer_token(issued_at: float | None, *, revokes: bool) -> None:
    """One that does not say when it was issued counts as old."""
    revoked = Revocations()
    revoked.order("user", "ada", now=200.0, until=300.0)
    assert revokes == revoked.revokes(viewer(issued_at=issued_at))
    assert not revoked.revokes(viewer("ben", token_id="ada", issued_at=issued_at))


def test_what_is_taken_back_holds_again() -> None:
    """And is remembered as such; what was never revoked can't be."""
    revoked = Revocations()
    assert revoked.take_back("user", "ada", now=1.0) is None
    revoked.order("user", "ada", now=200.0, until=300.0)
    assert 1 == len(revoked)
    assert Revocation(kind="user", name="ada", at=201.0, until=300.0, taken_back=True) == revoked.take_back(
        "user", "ada", now=201.0
    )
    assert not revoked.revokes(viewer())
    assert 0 == len(revoked)
    assert 1 == len(list(revoked))
    assert revoked.take_back("user", "ada", now=202.0) is None


def test_a_second_order_never_shortens_the_first() -> None:
    """Whoever mistypes an expiry lets nobody in."""
    revoked = Revocations()
    revoked.order("token", "t1", now=200.0, until=900.0)
    assert 900.0 == revoked.order("token", "t1", now=201.0, until=300.0).until


def test_an_order_wins_against_a_clock_that_was_ahead() -> None:
    """What was taken back on a relay whose clock is ahead can still be revoked on this one."""
    revoked = Revocations()
    ahead = Revocation(kind="user", name="ada", at=5_000.0, until=9_000.0, taken_back=True)
    assert revoked.merge(ahead)
    order = revoked.order("user", "ada", now=200.0, until=300.0)
    assert order.supersedes(ahead)
    assert revoked.revokes(viewer())
    assert (back := revoked.take_back("user", "ada", now=200.0)) is not None
    assert back.supersedes(order)


def test_entries_live_until_their_time() -> None:
    """To the moment; and nothing else lets them go."""
    revoked = Revocations()
    revoked.order("token", "t1", now=200.0, until=300.0)
    revoked.order("user", "ben", now=200.0, until=400.0)
    assert 0 == revoked.expire(299.9)
    assert revoked.revokes(viewer())
    assert 1 == revoked.expire(300.0)
    assert not revoked.revokes(viewer())
    assert revoked.find("user", "ben") is not None


def test_a_full_list_takes_no_order_and_loses_none() -> None:
    """One about somebody who is on it is taken, and what other relays took is, too."""
    revoked = Revocations(most=2)
    for name in ("a", "b"):
        revoked.order("user", name, now=1.0, until=9.0)
    with pytest.raises(Full):
        revoked.order("user", "c", now=2.0, until=9.0)
    assert revoked.order("user", "a", now=2.0, until=9.0).at == 2.0
    assert revoked.merge(Revocation(kind="user", name="c", at=2.0, until=9.0))
    assert 3 == len(revoked)


def test_its_generation_grows_with_news_only() -> None:
    """Each time those who are in are looked at again."""
    revoked = Revocations()
    order = revoked.order("user", "ada", now=1.0, until=9.0)
    assert 1 == revoked.generation
    assert not revoked.merge(order)
    assert 1 == revoked.generation
    revoked.take_back("user", "ada", now=2.0)
    assert 2 == revoked.generation
    revoked.expire(10.0)
    assert 2 == revoked.generation


TIMES = st.integers(0, 5).map(float)
ORDERS = st.lists(
    st.builds(
        Revocation,
        kind=st.sampled_from(["user", "token"]),
        name=st.sampled_from(["a", "b"]),
        at=TIMES,
        until=TIMES,
        taken_back=st.booleans(),
    ),
    max_size=12,
)


@given(ORDERS, st.randoms(use_true_random=False), ORDERS)
def test_who_was_told_the_same_holds_the_same(
    orders: list[Revocation], random: object, again: list[Revocation]
) -> None:
    """In whatever sequence, however often, and whatever of it came in between."""
    first, second = Revocations(), Revocations()
    for one in [*orders, *again]:
        first.merge(one)
    shuffled = [*again, *orders, *again]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for one in shuffled:
        second.merge(one)
    assert {one.subject: one for one in first} == {one.subject: one for one in second}


COMMANDS = st.lists(
    st.tuples(st.sampled_from(["order", "back", "expire"]), st.sampled_from(["a", "b", "c"]), TIMES, TIMES), max_size=20
)


@given(COMMANDS)
def test_it_does_what_a_simple_model_does(commands: list[tuple[str, str, float, float]]) -> None:
    """Revoked is who was revoked last and not taken back, for as long as the longest of its orders."""
    revoked = Revocations()
    model: dict[str, tuple[bool, float]] = {}
    for verb, name, now, life in commands:
        if verb == "order":
            revoked.order("token", name, now=now, until=now + life)
            model[name] = (True, max(now + life, model.get(name, (True, 0.0))[1]))
        elif verb == "back":
            took = revoked.take_back("token", name, now=now)
            assert (took is not None) == model.get(name, (False, 0.0))[0]
            if took is not None:
                model[name] = (False, model[name][1])
        else:
            gone = [one for one, (_, over) in model.items() if over <= now]
            assert len(gone) == revoked.expire(now)
            for one in gone:
                del model[one]
        for one in ("a", "b", "c"):
            expected = model.get(one, (False, 0.0))[0]
            assert expected == revoked.revokes(viewer(token_id=one))
        assert sum(held for held, _ in model.values()) == len(revoked)
