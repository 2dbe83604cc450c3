from pathlib import Path

import pytest

from relayd.client.relay import RelayClient
from relayd.client.watch import WatchEnded
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import ConnectionEstablished, WorkflowLog
from tests.harness.inside import inside
from tests.harness.viewer import log


async def test_a_project_is_watched_and_left(tmp_path: Path) -> None:
    """Typed messages, only those that were asked for; the connection ends with the client, and its place is free."""
    async with inside(tmp_path) as relay:
        await relay.publish(log("p", "one"), {**log("p", "two"), "level": "error"})
        async with RelayClient(relay.url, token=relay.token()) as client:
            watching = client.watch("p", types=["workflow_log"], level="error")
            heard = []
            async for message in watching:
                heard.append(message)
                if len(heard) == 2:
                    break
            assert 1 == relay.places()
        established, line = heard
        assert isinstance(established, ConnectionEstablished)
        assert isinstance(line, WorkflowLog)
        assert ("error", "two") == (line.level, line.message)
        await relay.until(lambda: relay.places() == 0)


async def test_another_run_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    """With nothing but the cursor."""
    async with inside(tmp_path) as relay:
        await relay.publish(log("p", "one"))
        async with RelayClient(relay.url, token=relay.token()) as client:
            watching = client.watch("p")
            async for message in watching:
                if isinstance(message, WorkflowLog):
                    break
        await relay.publish(log("p", "two"))
        async with RelayClient(relay.url, token=relay.token()) as client:
            async for message in client.watch("p", after=watching.cursor):
                if isinstance(message, WorkflowLog):
                    assert "two" == message.message
                    break


async def test_a_token_that_was_refused_is_asked_for_once_more(tmp_path: Path) -> None:
    """A good one goes on, and the same bad one again is the end."""
    async with inside(tmp_path) as relay:
        await relay.publish(log("p", "one"))
        tokens = [relay.token(), relay.token(ttl=-60)]

        async def give() -> str:
            return tokens.pop() if tokens else "bad"

        async with RelayClient(relay.url, token=give) as client:
            async for message in client.watch("p"):
                if isinstance(message, WorkflowLog):
                    break
            with pytest.raises(WatchEnded) as ended:
                async for _ in client.watch("p"):
                    pass
        assert Disconnect.AUTH_FAILED is ended.value.disconnect


async def test_a_wish_that_can_t_be_read_is_named(tmp_path: Path) -> None:
    """Before anything is connected."""
    async with inside(tmp_path) as relay, RelayClient(relay.url) as client:
        with pytest.raises(ValueError, match="'nonsense' is no message type"):
            client.watch("p", types=["nonsense"])
