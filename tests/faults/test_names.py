"""
The name service has no answer: the relay says so, tries again, and needs none for a broker that it found before.

libnss-wrapper answers for the C library inside of the relay's process, out of a file of the test's own; it needs no
rights.  Names under `.invalid` are nobody's (RFC 6761).
"""

import os
import time
from pathlib import Path

from tests.faults.scene import NIMBLE, through
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.process import MEND
from tests.harness.proxy import Proxy
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.viewer import log, watch

HOST = "broker.invalid"


class Names:
    """The one page of a telephone book."""

    def __init__(self, folder: Path) -> None:
        found = list(Path("/usr/lib").glob("*/libnss_wrapper.so"))
        if not found:
            raise RuntimeError(f"libnss-wrapper is not installed, and this test looks names up in it; {MEND}")
        self.book = folder / "hosts"
        self.written = time.time()
        self.forget()
        self.env = {
            "LD_PRELOAD": str(found[0]),
            "NSS_WRAPPER_HOSTS": str(self.book),
            # What is not in the book is asked for on this machine's own network; not for long.
            "RES_OPTIONS": "timeout:1 attempts:1",
        }

    def forget(self) -> None:
        """Know nobody."""
        self._write("")

    def learn(self, name: str) -> None:
        """Know that somebody is on the loopback."""
        self._write(f"127.0.0.1 {name}\n")

    def _write(self, page: str) -> None:
        self.book.write_text(page, encoding="ascii")
        # It is read again when it is from another second.
        self.written += 1
        os.utime(self.book, (self.written, self.written))


async def test_a_name_that_is_not_known(rabbitmq: PrivateRabbit, amqp: str, tmp_path: Path) -> None:
    """First it was never known; later it is forgotten while the broker, cut off for a moment, is where it was."""
    names = Names(tmp_path)
    async with Proxy(rabbitmq.port) as wire:
        url = through(amqp, wire).replace("127.0.0.1", HOST)
        async with PrivateRelay(NIMBLE, rabbitmq=url, env=names.env).answering() as relay:
            pid = relay.process.pid
            await until(lambda: "trying again" in relay.readiness()[1])
            status, sentence = relay.readiness()
            assert 503 == status
            assert f"RabbitMQ at {HOST}:{wire.port}: " in sentence
            assert "name" in sentence.lower()
            assert 0 == wire.accepted

            names.learn(HOST)
            await until(lambda: relay.readiness() == (200, ""))
            async with watch(relay, "p") as viewer:
                relay.rabbitmq = amqp
                await relay.publish(log("p", "found"))
                assert ["found"] == await viewer.lines(1)

                names.forget()
                assert wire.cut()
                await relay.publish(log("p", "found again"))
                assert ["found again"] == await viewer.lines(1)
            assert pid == relay.process.pid
