import pytest

from relayd.client.address import Address


def test_paths_follow_from_the_base() -> None:
    """A prefix in front of the relay stays, a slash at the end does not double."""
    address = Address.parse("wss://swarm.example/relay/")
    assert address.socket("p-1") == "https://swarm.example/relay/ws/admin/agent-swarm/p-1"
    assert address.events("p-1") == "https://swarm.example/relay/v1/public/agent-swarms/projects/p-1/events"
    assert address.ingest() == "https://swarm.example/relay/v1/internal/events"


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://x", "http://", "http://x:y", "http://u@x", "http://x?a=1"]
)
def test_a_bad_address_is_named(url: str) -> None:
    """The sentence shows what was given."""
    with pytest.raises(ValueError, match="address"):
        Address.parse(url)


@pytest.mark.parametrize("project", ["", "..", "a/b", "a b", "x" * 129, "p\n"])
def test_no_strange_text_becomes_a_path(project: str) -> None:
    """A project id is checked before it stands in a path."""
    with pytest.raises(ValueError, match="project id"):
        Address.parse("http://x").socket(project)
