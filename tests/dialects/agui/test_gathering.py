"""Texts in pieces, gathered into lines."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.redaction import Redactor
from relayd.dialects.agui.gathering import NAMES, PIECE, STRANDS, Piece, Run, remember
from relayd.dialects.agui.reading import SHOWN
from tests.protocol.strategies import quick


def piece(act: str, name: str = "m", delta: str = "", **more: Any) -> Piece:  # noqa: ANN401  # fields of a piece
    """Return a piece of a text."""
    fields = {"kind": "text", "agent": "a", "timestamp": 1.0, **more}
    return Piece(act=act, id=name, delta=delta, **fields)  # type: ignore[arg-type]  # the tests' own words


def texts(lines: list[dict[str, Any]]) -> list[str]:
    """Return what the lines say."""
    return [line["message"] for line in lines]


def follow(run: Run, *pieces: Piece) -> list[str]:
    """Return what a run tells of the pieces, in order."""
    return [text for one in pieces for text in texts(run.follow(one))]


def test_a_text_is_told_when_it_ends() -> None:
    """As one line, of whoever spoke, at the time of the last piece."""
    run = Run()
    assert [] == follow(run, piece("open", source="user"), piece("add", delta="one "), piece("add", delta="two"))
    (line,) = run.follow(piece("close", timestamp=9.0))
    assert ("one two", "user", "a", "m", 9.0, "info") == (
        line["message"], line["source"], line["agent"], line["key"], line["timestamp"], line["level"],
    )  # fmt: skip
    assert not run.strands


def test_a_text_of_which_nothing_came_is_none() -> None:
    """Nor is an end without a beginning."""
    assert [] == follow(Run(), piece("open"), piece("close"), piece("close"))


def test_a_text_whose_beginning_was_not_seen_says_so() -> None:
    """It is told all the same."""
    assert ["…two"] == follow(Run(), piece("add", delta="two"), piece("close"))


def test_texts_side_by_side_stay_apart() -> None:
    """Two agents speak at a time, and one calls a tool meanwhile."""
    run = Run()
    assert ["two", "one"] == follow(
        run,
        piece("open"), piece("open", "n", agent="b"), piece("add", delta="one"), piece("add", "n", "two", agent="b"),
        piece("open", "t", kind="tool"), piece("close", "n", agent="b"), piece("close"),
    )  # fmt: skip
    assert [("tool", "t")] == [*run.strands]


def test_a_shorthand_ends_when_its_agent_goes_on_to_something_else() -> None:
    """To another text, to a tool, or to what it does; what others do does not end it."""
    run = Run()
    assert ["hello you", "next one"] == follow(
        run,
        piece("chunk", delta="hello"), piece("chunk", "", delta=" you"), piece("chunk", "n", delta="next"),
        piece("chunk", "x", delta="other", agent="b"), piece("chunk", "n", delta=" one"),
        piece("open", "t", kind="tool"), piece("chunk", "y", delta="more"),
    )  # fmt: skip
    assert ["other"] == texts(run.turn("b"))
    assert ["more"] == texts(run.turn("a"))


def test_who_goes_on_with_a_text_need_not_say_whose_it_is() -> None:
    """What it ends is its own agent's, not that of one who says nothing."""
    run = Run()
    assert ["mine"] == follow(
        run,
        piece("open", "t", kind="tool", agent="a"), piece("chunk", "x", delta="mine"),
        piece("chunk", "y", delta="other", agent="b"), piece("add", "t", "{}", kind="tool", agent="b"),
    )  # fmt: skip
    assert ["calls a tool"] == follow(run, piece("close", "t", kind="tool", agent="b"))


def test_a_shorthand_without_an_id_goes_on_with_what_is_open() -> None:
    """Be that begun in the long form, or not at all."""
    run = Run()
    assert ["ab"] == follow(run, piece("open"), piece("chunk", "", delta="a"), piece("add", delta="b"), piece("close"))
    assert ["c"] == follow(run, piece("chunk", "", delta="c"), piece("chunk", "n"))


def test_a_long_text_is_told_in_pieces() -> None:
    """Whole words of at most so many characters; nothing is missing, and a word without an end has one all the same."""
    run = Run()
    text = "word\n" * 1_500 + "y" * (2 * PIECE) + " end"
    lines = follow(run, piece("open"), *[piece("add", delta=text[at : at + 7]) for at in range(0, len(text), 7)])
    assert all(0 < len(line) <= PIECE for line in lines)
    assert lines[0].endswith("word\n")
    assert text == "".join([*lines, *follow(run, piece("close"))])


def test_no_secret_is_cut_in_two() -> None:
    """In halves it would be no secret's shape."""
    secret = "sk-" + "a1" * 20
    run = Run()
    lines = follow(run, piece("open"), piece("add", delta="x " * (PIECE // 2 - 10) + secret + " y"), piece("close"))
    assert 2 == len(lines)
    assert secret not in "".join(map(Redactor().text, lines))
    assert [f"{secret} y" in line for line in lines] == [False, True]


def test_what_a_tool_is_called_with_is_an_object_where_it_is_one() -> None:
    """For the names in it tell what is secret; what is none, or too large, is a text."""
    run = Run()
    remember(run.tools, "t", "grep")
    (line,) = run.follow(piece("chunk", "t", '{"password":', kind="tool", source="grep")) + run.follow(
        piece("chunk", "u", '"x"}', kind="tool")
    )
    assert ("calls grep", "grep", {"arguments": '{"password":'}) == (line["message"], line["source"], line["fields"])
    told = [
        run.follow(piece("add", "t", text, kind="tool")) + run.follow(piece("close", "t", kind="tool"))
        for text in ("", '{"a": 1}')
    ]
    assert [{"arguments": "…"}, {"arguments": '…{"a": 1}'}] == [lines[-1]["fields"] for lines in told]
    run.follow(piece("open", "t", kind="tool"))
    run.follow(piece("add", "t", '{"a": {"b": 1}}', kind="tool"))
    assert {"arguments": {"a": {"b": 1}}} == run.follow(piece("close", "t", kind="tool"))[0]["fields"]
    run.follow(piece("open", "t", kind="tool"))
    assert "fields" not in run.follow(piece("close", "t", kind="tool"))[0]


def test_what_a_tool_is_called_with_is_bounded() -> None:
    """However much comes; it is said how much is missing."""
    run = Run()
    run.follow(piece("open", "t", kind="tool"))
    for _ in range(100):
        run.follow(piece("add", "t", "word " * 100, kind="tool"))
    assert 2 * SHOWN == len(run.strands["tool", "t"].text)
    (line,) = run.follow(piece("close", "t", kind="tool"))
    assert line["fields"]["arguments"].endswith(f"word… [cut: {50_000 - SHOWN + 1} characters more]")


def test_what_looks_whole_and_is_not_is_no_object() -> None:
    """What is beyond what is kept may be anything."""
    run = Run()
    run.follow(piece("open", "t", kind="tool"))
    run.follow(piece("add", "t", '{"a": 1}' + " " * 2 * SHOWN + "and more", kind="tool"))
    (line,) = run.follow(piece("close", "t", kind="tool"))
    assert line["fields"]["arguments"].startswith('{"a": 1} ')
    assert line["fields"]["arguments"].endswith(" characters more]")


def test_a_tool_that_nobody_named_is_a_tool() -> None:
    """Its name was said before this relay was there."""
    run = Run()
    run.follow(piece("add", "t", "{}", kind="tool"))
    assert ["calls a tool"] == follow(run, piece("close", "t", kind="tool"))


def test_reasoning_says_that_it_is() -> None:
    """It has no role."""
    run = Run()
    run.follow(piece("chunk", delta="hm", kind="reasoning"))
    assert ["reasoning"] == [line["source"] for line in run.end()]


def test_the_oldest_gives_way_and_is_told() -> None:
    """One text more than are gathered at a time."""
    run = Run()
    pieces = [piece("add", str(number), str(number)) for number in range(STRANDS + 1)]
    assert ["…0"] == follow(run, *pieces)
    assert STRANDS == len(run.strands)
    assert [f"…{number}" for number in range(1, STRANDS + 1)] == texts(run.end())


def test_names_are_bounded() -> None:
    """The longest unused is forgotten."""
    run = Run()
    for number in range(NAMES):
        remember(run.tools, str(number), "x")
    remember(run.tools, "0", "y")
    remember(run.tools, "new", "z")
    assert (NAMES, "y", "z") == (len(run.tools), run.tools["0"], run.tools["new"])
    assert "1" not in run.tools
    remember(run.tools, "long", "x" * 100_000)
    assert "x" * 256 == run.tools["long"]


PIECES = st.lists(
    st.builds(
        piece,
        st.sampled_from(["open", "add", "close", "chunk"]),
        st.sampled_from(["", "m", "n"]),
        st.text(st.sampled_from("ab \n"), max_size=9),
        kind=st.sampled_from(["text", "reasoning"]),
        agent=st.sampled_from(["a", "b"]),
    ),
    max_size=12,
)


@quick
@given(PIECES)
def test_in_whatever_order_pieces_come_nothing_is_lost(pieces: list[Piece]) -> None:
    """Each character is told, and once; an end brings none."""
    run = Run()
    told = [one if one.act != "close" else msgspec.structs.replace(one, delta="") for one in pieces]
    lines = [line for one in told for line in run.follow(one)] + run.end()
    came = "".join(one.delta for one in pieces if one.act != "close")
    assert sorted(came) == sorted("".join(texts(lines)).replace("…", ""))
    assert not run.strands
