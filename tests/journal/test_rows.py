from hypothesis import given
from hypothesis import strategies as st

from relayd.journal.rows import (
    CHUNK_BYTES,
    checkpoints,
    chunks,
    entry,
    place_of,
    project_row,
    project_values,
    rejected_event,
    rejected_values,
    repeats,
    unpack_marks,
    unpack_repeats,
)
from relayd.ports import Body
from relayd.protocol.cursor import Place
from relayd.testing.journal_words import mark, poison, row, said

OFFSETS = st.integers(0, 2**63 - 1)
BODIES = st.lists(
    st.builds(Body, st.integers(0, 2), OFFSETS, st.binary(min_size=6, max_size=6), st.tuples() | st.tuples(OFFSETS)),
    max_size=20,
).map(lambda bodies: sorted(bodies, key=lambda body: (body.epoch, body.offset)))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2**40), st.text()), min_size=1, max_size=30))
def test_entries_come_back_as_they_were(told: list[tuple[int, int, str]]) -> None:
    """Place, cursor, level, agent and time are read out of the payload again."""
    entries = [said("a", offset, epoch=epoch, text=text) for epoch, offset, text in sorted(told)]
    cut = list(chunks(entries))
    assert [entry(one.epoch, line) for one in cut for line in one.body.split(b"\n")] == entries
    assert [one.place for one in entries] == [
        place_of(one.epoch, line) for one in cut for line in one.body.split(b"\n")
    ]


def test_a_chunk_tells_where_it_ends() -> None:
    """Retention reads floor and fingerprint from there, without the body."""
    (chunk,) = chunks([said("a", 3, at=5.0), said("a", 4, item=2, part=1, at=2.0)])
    assert chunk[:8] == (0, 3, 4, 2, 1, mark(0, 4), 2, 5.0)


def test_a_large_body_is_cut() -> None:
    """A read of one event never loads more than a chunk; one event that is larger has its own."""
    entries = [said("a", 1, item=item, text="x" * 10_000) for item in range(300)]
    entries.insert(150, said("a", 1, item=150, text="y" * CHUNK_BYTES))
    cut = list(chunks(entries))
    large = [one for one in cut if len(one.body) > CHUNK_BYTES]
    assert [1] == [one.events for one in large]
    assert 301 == sum(one.events for one in cut)


@given(BODIES)
def test_bodies_come_back_as_they_were(bodies: list[Body]) -> None:
    """Every checkpoint, and every key of the window."""
    marks = [(row.epoch, *pair) for row in checkpoints(bodies) for pair in unpack_marks(row.bodies)]
    assert [(body.epoch, body.offset, body.fingerprint) for body in bodies] == marks
    packed = list(repeats(bodies))
    assert [body for body in bodies if body.repeat_keys] == [
        body for row in packed for body in unpack_repeats(row.epoch, row.bodies)
    ]
    assert sum(row.keys for row in packed) == sum(len(body.repeat_keys) for body in bodies)


def test_a_project_comes_back_as_it_was() -> None:
    """All columns in order."""
    state = row("a", Place(1, 2, 3, 4))
    assert project_row(("a", *project_values(state))) == state


def test_a_rejected_event_comes_back_as_it_was() -> None:
    """Also what a hostile producer put in its headers."""
    assert rejected_event(rejected_values(poison(3))) == poison(3)
