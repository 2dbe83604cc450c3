from pathlib import Path

import pytest

from relayd.app.routes import public_app
from relayd.plugins import PluginError
from tests.harness.inside import inside
from tests.harness.process import free_port
from tests.harness.viewer import log


async def test_only_the_transports_that_were_asked_for_are_served(tmp_path: Path) -> None:
    """The others' paths are not there."""
    async with inside(tmp_path, {"transports": {"use": ["longpoll"]}}) as relay:
        await relay.publish(log("p", "one"))
        assert 200 == (await relay.get(relay.project("p", "/events")))[0]
        assert 404 == (await relay.get(relay.project("p", "/stream")))[0]
        assert 404 == (await relay.get(relay.socket("p").replace("ws", "http", 1)))[0]


async def test_without_ingest_nobody_can_post(tmp_path: Path) -> None:
    """Where the log is a stream, workers publish there."""
    nobody = {"url": f"amqp://127.0.0.1:{free_port()}/"}
    async with inside(tmp_path, {"source": {"use": "rabbitmq"}, "sources.rabbitmq": nobody}) as relay:
        assert (404, "NOT_FOUND") == ((answer := await relay.post(b"{}"))[0], answer[1]["code"])


async def test_open_doors_know_no_token(tmp_path: Path) -> None:
    """`auth.mode = "disabled"`: everybody sees everything and may publish; for a laptop."""
    async with inside(tmp_path, {"auth": {"mode": "disabled", "keys": []}}) as relay:
        await relay.publish(log("p", "one"))
        async with relay.http.get(relay.project("p", "/logs")) as answer:
            assert (200, 1) == (answer.status, len((await answer.json())["logs"]))


async def test_a_transport_there_is_not_is_named(tmp_path: Path) -> None:
    """With those that there are."""
    async with inside(tmp_path) as relay:
        rooms = relay.rooms
        with pytest.raises(PluginError, match='there is no transport "carrier-pigeon"'):
            public_app(
                rooms.admission,
                rooms.lobby,
                transports={"carrier-pigeon": None},
                origins=rooms.origins,
                proxies=rooms.proxies,
                ingest=None,
                redactor=lambda: rooms.intake.redactor,
                clock=rooms.clock,
                aliases=True,
            )
