import asyncio

import aiormq
import pytest

from relayd.rabbitmq.connection import Lost, Missing, Unreadable, close, connect, telling_lost, why_closed, why_ended
from relayd.rabbitmq.settings import RabbitSettings


async def test_no_broker_is_lost(rabbit_settings: RabbitSettings, unused_tcp_port: int) -> None:
    """Whatever the reason, it is one error with a sentence."""
    with pytest.raises(Lost, match="Connect call failed"):
        await connect(rabbit_settings.at(f"amqp://guest:guest@127.0.0.1:{unused_tcp_port}/"))


async def test_a_wrong_password_is_lost(rabbit_settings: RabbitSettings) -> None:
    """The broker's word for it is told, the password is not."""
    url = rabbit_settings.url.get_secret_value().replace("guest:guest", "guest:hunter2")
    with pytest.raises(Lost, match="ACCESS_REFUSED") as told:
        await connect(rabbit_settings.at(url))
    assert "hunter2" not in str(told.value)


async def test_a_broker_that_says_nothing_is_left_in_time(rabbit_settings: RabbitSettings) -> None:
    """A port that takes connections and is no broker."""
    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    settings = rabbit_settings.at(f"amqp://guest:guest@{host}:{port}/").model_copy(update={"connect_seconds": 0.1})
    with pytest.raises(Lost, match="no answer in time"):
        await connect(settings)
    await gone.wait()
    server.close()


async def test_a_broker_that_hangs_up_on_the_greeting_is_lost(rabbit_settings: RabbitSettings) -> None:
    """A proxy without a broker behind it; the library has a way of its own to say so."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(b"AMQP0091"))
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    with pytest.raises(Lost, match="closed"):
        await connect(rabbit_settings.at(f"amqp://guest:guest@{host}:{port}/"))
    server.close()


async def test_an_end_tells_its_cause(rabbit_settings: RabbitSettings) -> None:
    """The channel knows why it ended; while the connection lives, what was seen is the cause."""
    connection = await connect(rabbit_settings)
    channel = await connection.channel(publisher_confirms=False)
    with pytest.raises(Missing, match="no queue 'nowhere'"), telling_lost():
        await channel.queue_declare("nowhere", passive=True)
    assert "no queue 'nowhere'" in str(why_closed(channel))
    seen = Lost("seen")
    assert seen is why_ended(connection, seen)
    open_channel = await connection.channel(publisher_confirms=False)
    assert "the channel was closed" == str(why_closed(open_channel))
    await close(connection)
    await close(connection)


async def test_what_ends_a_connection_is_sorted() -> None:
    """A frame that can't be decoded asks for care, all else for another try; our own cancellation stays one."""
    with pytest.raises(Unreadable), telling_lost():
        raise aiormq.InvalidFrameError("bytes")
    with pytest.raises(Unreadable), telling_lost():
        raise RecursionError
    with pytest.raises(Lost, match="ConnectionResetError"), telling_lost():
        raise ConnectionResetError
    with pytest.raises(Lost, match="the connection was closed"), telling_lost():
        raise asyncio.CancelledError
    # Its way to tell that the other side hung up before it was listened to.
    with pytest.raises(Lost, match="the connection was closed"), telling_lost():
        raise StopAsyncIteration
    # The library's way to tell those who wait on a channel that it was closed for no reason.
    with pytest.raises(Lost, match="the channel was closed"), telling_lost():
        raise Exception  # noqa: TRY002 - it is the library's
    with pytest.raises(KeyError), telling_lost():
        raise KeyError("a fault of ours stays one")

    async def waiting() -> None:
        with telling_lost():
            await asyncio.Event().wait()

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
