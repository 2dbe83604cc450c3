from relayd.relay.copies import KEPT_BYTES, Copies


def test_a_payload_is_found_for_a_second() -> None:
    """`sent_at` stands in it, so it must not grow old."""
    copies = Copies()
    assert copies.get("a", 10.0) is None
    copies.put("a", b"one", 10.0)
    assert b"one" == copies.get("a", 11.0)
    assert copies.get("b", 11.0) is None
    assert copies.get("a", 11.01) is None


def test_there_is_a_bound() -> None:
    """The eight megabytes are not passed: what is new takes the place of all that was."""
    copies = Copies()
    assert copies.get("a", 10.0) is None
    half = bytes(KEPT_BYTES // 2)
    for key in "abc":
        copies.put(key, half, 10.0)
    assert [None, None, half] == [copies.get(key, 10.0) for key in "abc"]
