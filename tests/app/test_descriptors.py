import resource

import pytest

from relayd.app.descriptors import connections, shortage


@pytest.mark.parametrize(
    ("allowed", "fit"),
    [(65_536, 10_000), (20_000, 10_000), (8_000, 7_000), (1_024, 896), (128, 96), (40, 8), (8, 1)],
)
def test_there_is_always_room_beside_the_viewers(allowed: int, fit: int) -> None:
    """For the journal, the broker and the operators; and for one viewer, however few files there may be."""
    assert fit == connections(10_000, allowed=allowed)


def test_what_fits_is_not_talked_about() -> None:
    """A warning that comes at every start is read by nobody."""
    assert "" == shortage(10_000, allowed=65_536)


def test_a_shortage_is_a_sentence_with_the_mend() -> None:
    """It names the setting, the limit, what is done about it, and both ways out."""
    told = shortage(10_000, allowed=1_024)
    for part in ("server.max_connections is 10000", "1024 files", "896 connections", "LimitNOFILE=", "ulimit -n"):
        assert part in told


def test_the_system_is_asked() -> None:
    """The soft limit counts: relayd does not change it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        assert 68 == connections(10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
