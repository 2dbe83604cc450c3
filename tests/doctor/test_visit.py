import ssl
from pathlib import Path

import pytest

from relayd.doctor.visit import Visit, project_of, trusting
from tests.harness.settled import signed

VISIT = Visit(base="https://x/base", project="p", token="a.b.c", trusted=ssl.create_default_context(), nonce="n")
STRANGER = Visit(base="https://x", project="p", token=None, trusted=VISIT.trusted, nonce="n")


@pytest.mark.parametrize(
    ("token", "project"),
    [
        (signed(projects=("one", "two")), {"one", "two"}),
        (signed(projects=("*",)), {"relayd-doctor"}),
        (None, {"relayd-doctor"}),
        ("nonsense", {"relayd-doctor"}),
        ("a.b.c", {"relayd-doctor"}),
        ("a.WzFd.c", {"relayd-doctor"}),
    ],
)
def test_a_project_is_one_that_the_token_names(token: str | None, project: set[str]) -> None:
    """Any name does for a token that opens all; what can't be read is the relay's to refuse."""
    assert project_of(token) in project


def test_a_token_is_shown_as_viewers_show_it() -> None:
    """In a header, or beside our sub-protocol; without one nothing is shown."""
    assert {"Authorization": "Bearer a.b.c"} == VISIT.bearer
    assert ("relayd.v1", "bearer.a.b.c") == VISIT.protocols
    assert ({}, ("relayd.v1",)) == (STRANGER.bearer, STRANGER.protocols)
    assert VISIT.echoed(b"x: a.b.c\n")
    assert not VISIT.echoed(b"x: abc\n")
    assert not STRANGER.echoed(b"")


def test_paths_are_those_of_the_project() -> None:
    """Behind the base, which may have a path of its own."""
    assert "/v1/public/agent-swarms/projects/p/events" == VISIT.path("/events")
    assert "/ws/admin/agent-swarm/p" == VISIT.socket


def test_a_file_that_is_no_authority_is_named(tmp_path: Path) -> None:
    """Before anybody is asked."""
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ValueError, match=r"--ca-file .*ca\.pem can't be used"):
        trusting(tmp_path / "ca.pem")
