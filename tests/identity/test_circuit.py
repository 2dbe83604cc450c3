from relayd.identity.circuit import Circuit


def opened(circuit: Circuit, now: float) -> None:
    """Let nothing be answered until it opens."""
    for _ in range(Circuit.FAILURES):
        assert circuit.admits(now)
        circuit.failed(now)
    assert circuit.open


def test_some_failures_are_borne() -> None:
    """Four in a row, as often as an answer comes between them; it was never open, so nothing ended."""
    circuit = Circuit()
    for _ in range(10):
        for _ in range(Circuit.FAILURES - 1):
            circuit.failed(0.0)
        assert circuit.admits(0.0)
        assert not circuit.answered()
    assert not circuit.open


def test_one_question_in_a_pause_is_let_through() -> None:
    """Not more, whatever becomes of it."""
    circuit = Circuit()
    opened(circuit, 100.0)
    assert [False, False] == [circuit.admits(100.0), circuit.admits(100.9)]
    assert [True, False, False] == [circuit.admits(101.0), circuit.admits(101.0), circuit.admits(101.9)]
    assert [True, False] == [circuit.admits(102.0), circuit.admits(102.5)]


def test_pauses_grow_up_to_half_a_minute() -> None:
    """Each failure doubles it."""
    circuit = Circuit()
    opened(circuit, 0.0)
    now, pauses = 0.0, []
    for _ in range(7):
        began = now
        while not circuit.admits(now):
            now += 0.5
        pauses.append(now - began)
        circuit.failed(now)
    assert [1, 2, 4, 8, 16, 30, 30] == pauses


def test_what_was_under_way_says_nothing_new() -> None:
    """Thirty that were asked before it opened fail behind it: the pause is not that of thirty failures."""
    circuit = Circuit()
    opened(circuit, 0.0)
    for _ in range(30):
        circuit.failed(0.5)
    assert circuit.admits(1.0)
    circuit.failed(1.0)
    assert [False, True] == [circuit.admits(2.9), circuit.admits(3.0)]


def test_an_answer_closes_it() -> None:
    """Whoever's it was; and the next pause begins at the first again."""
    circuit = Circuit()
    opened(circuit, 0.0)
    assert circuit.admits(1.0)
    circuit.failed(1.0)
    assert circuit.answered()
    assert [True, True] == [circuit.admits(1.1), circuit.admits(1.1)]
    opened(circuit, 2.0)
    assert [False, True] == [circuit.admits(2.9), circuit.admits(3.0)]
