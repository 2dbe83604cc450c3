from relayd.core.access import Decision
from relayd.identity.answers import Answers, Key

YES, NO = Decision.GRANTED, Decision.DENIED


def key(name: str) -> Key:
    """Return a token's digest, and a project."""
    return (name.encode(), "p")


def test_each_answer_holds_for_its_time() -> None:
    """A yes for ten seconds, a no for five; a newer one takes the place of an older."""
    answers = Answers(granted=10, denied=5, most=10)
    answers.put(key("a"), YES, 100.0)
    answers.put(key("b"), NO, 100.0)
    assert (YES, NO) == (answers.get(key("a"), 104.9), answers.get(key("b"), 104.9))
    assert (YES, None) == (answers.get(key("a"), 105.0), answers.get(key("b"), 105.0))
    answers.put(key("a"), NO, 106.0)
    assert (NO, None) == (answers.get(key("a"), 110.5), answers.get(key("a"), 111.0))
    assert 0 == len(answers)


def test_nothing_is_kept_for_no_time() -> None:
    """0 seconds: each is asked for."""
    answers = Answers(granted=0, denied=0, most=10)
    answers.put(key("a"), YES, 100.0)
    assert None is answers.get(key("a"), 100.0)


def test_what_nobody_asked_for_longest_gives_way() -> None:
    """However many tokens and projects come."""
    answers = Answers(granted=10, denied=5, most=2)
    for name in "ab":
        answers.put(key(name), YES, 100.0)
    assert YES is answers.get(key("a"), 101.0)
    answers.put(key("c"), YES, 101.0)
    assert [YES, None, YES] == [answers.get(key(name), 102.0) for name in "abc"]
    answers.put(key("a"), YES, 103.0)
    answers.put(key("d"), YES, 103.0)
    assert [YES, None, YES] == [answers.get(key(name), 104.0) for name in "acd"]
    assert 2 == len(answers)


def test_another_project_or_token_is_another_question() -> None:
    """A yes to one is nothing to the other."""
    answers = Answers(granted=10, denied=5, most=10)
    answers.put((b"a", "p"), YES, 100.0)
    assert [None, None] == [answers.get((b"a", "q"), 100.0), answers.get((b"b", "p"), 100.0)]
