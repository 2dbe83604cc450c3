"""The address of a name, kept for when nobody can look it up any more."""

import asyncio
import socket

import aiormq
import pytest
from yarl import URL

from relayd.rabbitmq.names import RememberingTransport

NAMED = URL("amqp://guest:guest@broker.example:5672/")


class Telephone(aiormq.TransportFactory):
    """Connects to a server of the test's own, if it knows the name or is given an address."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.knows = True
        self.answers = True
        self.dialled: list[tuple[str | None, object]] = []

    async def create(self, url: URL, **kwargs: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.dialled.append((url.host, kwargs.get("server_hostname")))
        if not self.knows and url.host != "127.0.0.1":
            raise aiormq.AMQPConnectionError("nobody knows") from socket.gaierror("nobody knows")
        if not self.answers:
            raise aiormq.AMQPConnectionError("refused") from ConnectionRefusedError("refused")
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def telephone(unused_tcp_port: int) -> Telephone:
    """Give a way to somebody who listens."""
    return Telephone(unused_tcp_port)


async def dial(way: RememberingTransport, port: int, url: URL = NAMED) -> None:
    """Connect once, to a server that is there for it."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    try:
        _, writer = await way.create(url)
        writer.close()
        await writer.wait_closed()
    finally:
        server.close()
        await server.wait_closed()


async def test_the_last_address_is_kept(telephone: Telephone) -> None:
    """As long as the name is known it is looked up each time, and then never before it is needed."""
    way = RememberingTransport(telephone)
    for _ in range(2):
        await dial(way, telephone.port)
    telephone.knows = False
    await dial(way, telephone.port)
    names = [host for host, _ in telephone.dialled]
    assert ["broker.example", "broker.example", "broker.example", "127.0.0.1"] == names


async def test_a_certificate_is_still_made_out_to_the_name(telephone: Telephone) -> None:
    """By its address nobody could tell who answers."""
    way, secure = RememberingTransport(telephone), NAMED.with_scheme("amqps")
    await dial(way, telephone.port, secure)
    telephone.knows = False
    await dial(way, telephone.port, secure)
    assert ("127.0.0.1", "broker.example") == telephone.dialled[-1]


async def test_a_name_that_was_never_known_is_an_error(telephone: Telephone) -> None:
    """Nothing is made up, and the address of another name is not used for it."""
    way = RememberingTransport(telephone)
    await dial(way, telephone.port)
    telephone.knows = False
    with pytest.raises(aiormq.AMQPConnectionError, match="nobody knows"):
        await way.create(NAMED.with_host("other.example"))
    with pytest.raises(aiormq.AMQPConnectionError, match="nobody knows"):
        await RememberingTransport(telephone).create(NAMED)


async def test_a_connection_without_a_peer_teaches_nothing(telephone: Telephone) -> None:
    """As one that was reset at once."""

    class Reset(Telephone):
        async def create(self, url: URL, **kwargs: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            if not self.knows:
                return await super().create(url, **kwargs)
            here, there = socket.socketpair()
            there.close()
            return await asyncio.open_unix_connection(sock=here)

    other = Reset(telephone.port)
    way = RememberingTransport(other)
    _, writer = await way.create(NAMED)
    writer.close()
    await writer.wait_closed()
    other.knows = False
    with pytest.raises(aiormq.AMQPConnectionError, match="nobody knows"):
        await way.create(NAMED)


async def test_another_trouble_is_told_as_it_is(telephone: Telephone) -> None:
    """A broker that refuses is refused by; one whose name is gone, too, has lost its name first."""
    way = RememberingTransport(telephone)
    await dial(way, telephone.port)
    telephone.answers = False
    with pytest.raises(aiormq.AMQPConnectionError, match="refused"):
        await way.create(NAMED)
    telephone.knows = False
    with pytest.raises(aiormq.AMQPConnectionError, match="nobody knows"):
        await way.create(NAMED)
