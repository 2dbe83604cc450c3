from collections.abc import Mapping

from pydantic import BaseModel

from relayd.config.mistakes import ConfigError, Mistakes, key_name, nearest, type_at

KNOWN = {"": ["limits", "journal"], "limits": ["tail", "max_tail"], "journal": ["path"], "empty": []}


class Inner(BaseModel):
    """A table in a list."""

    name: str


class Outer(BaseModel):
    """A table with a list of tables, and with tables by name."""

    entries: tuple[Inner, ...]
    named: Mapping[str, Inner]


def test_the_own_table_s_key_comes_first() -> None:
    """Equally alike, the key of the table one is in is the likelier one."""
    known = {"a": ["limit"], "b": ["limit"], "c": ["limit"]}

    assert "b.limit" == nearest("limits", known, prefer="b")


def test_another_table_s_key_is_named_when_it_is_more_alike() -> None:
    """Right key, wrong table."""
    assert "limits.tail" == nearest("tail", KNOWN, prefer="journal")


def test_a_table_is_only_meant_where_tables_stand() -> None:
    """`journal` inside a table is no slip for `[journal]`."""
    assert "journal" == nearest("journals", KNOWN, prefer="")
    assert None is nearest("journals", KNOWN, prefer="limits")


def test_a_key_that_is_like_none_is_answered_with_all_there_are() -> None:
    """An unlikely guess would lead astray."""
    mistakes = Mistakes()

    mistakes.add_unknown("zzz", "limits", KNOWN)
    mistakes.add_unknown("zzz", "empty", KNOWN)

    assert [
        "limits.zzz: unknown key; there are: tail, max_tail",
        "empty.zzz: unknown key; nothing can be set here",
    ] == mistakes.problems


def test_nothing_is_near_when_there_is_nothing() -> None:
    """A plug-in's model may have no keys at all."""
    assert None is nearest("x", {}, prefer="a")


def test_a_key_s_name_is_written_as_in_the_file() -> None:
    """Places in lists stand in brackets."""
    assert "auth.keys[0].algorithm" == key_name("auth", ("keys", 0, "algorithm"))
    assert "server" == key_name("", ("server",))


def test_the_type_at_a_place() -> None:
    """Into lists of tables and tables by name, and to nowhere."""
    assert Inner is type_at(Outer, ("entries", 0))
    assert str is type_at(Outer, ("entries", 0, "name"))
    assert Inner is type_at(Outer, ("named", "whatever"))
    assert str is type_at(Outer, ("named", "whatever", "name"))
    assert None is type_at(Outer, ("none", "deeper"))
    assert None is type_at(Outer, ("none", 0))


def test_the_error_says_all_of_it() -> None:
    """Printed by whoever does not know its parts, it is still whole."""
    assert "a\nb" == str(ConfigError(["a", "b"]))
