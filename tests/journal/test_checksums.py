import pytest

from relayd.journal.checksums import checksum, seal, unseal, verify
from relayd.ports import JournalDamaged

NUMBERS = (3, 0, 17, 17, 0, 1)


def test_what_was_written_is_believed() -> None:
    """And what was written before there were checksums."""
    verify(checksum(NUMBERS, b"body"), NUMBERS, b"body")
    verify(None, NUMBERS, b"body")


@pytest.mark.parametrize("bit", range(32))
def test_one_bit_is_enough(bit: int) -> None:
    """In the body, or in the sum itself."""
    body = bytearray(b"body")
    body[bit // 8] ^= 1 << bit % 8
    with pytest.raises(JournalDamaged, match="not what was written"):
        verify(checksum(NUMBERS, b"body"), NUMBERS, bytes(body))
    with pytest.raises(JournalDamaged):
        verify(checksum(NUMBERS, b"body") ^ 1 << bit, NUMBERS, b"body")


@pytest.mark.parametrize("index", range(len(NUMBERS)))
def test_a_row_is_where_it_was_written(index: int) -> None:
    """The same body of another project, or at another place, is another row."""
    numbers = tuple(number + (at == index) for at, number in enumerate(NUMBERS))
    with pytest.raises(JournalDamaged):
        verify(checksum(NUMBERS, b"body"), numbers, b"body")


@pytest.mark.parametrize("body", ["text", 7, None])
def test_a_body_is_bytes(body: object) -> None:
    """A flipped bit may turn it into something else, with or without a checksum."""
    for stored in (None, 1):
        with pytest.raises(JournalDamaged):
            verify(stored, NUMBERS, body)
    with pytest.raises(JournalDamaged):
        unseal(body)


def test_a_value_is_sealed() -> None:
    """And opened as it was; one from before there were seals is believed."""
    assert b'{"a": 1}' == unseal(seal(b'{"a": 1}')) == unseal(b'{"a": 1}')


@pytest.mark.parametrize("bit", range(8, 8 * len(seal(b"true"))))
def test_a_seal_that_is_broken_is_seen(bit: int) -> None:
    """Wherever it is; without its first byte it is no JSON any more."""
    broken = bytearray(seal(b"true"))
    broken[bit // 8] ^= 1 << bit % 8
    with pytest.raises(JournalDamaged):
        unseal(bytes(broken))
