import pytest

from relayd.dialects.delivery import Delivery
from relayd.ports import Position
from relayd.protocol.cursor import fingerprint, identity
from relayd.rabbitmq.connection import Stalled
from relayd.rabbitmq.resume import Resumption, resume

LOG = identity("rabbitmq:/:relayd.events")
POSITION = Position(epoch=3, offset=10, fingerprint=fingerprint(LOG, "m", b"ten"))


def delivery(offset: int, body: bytes = b"ten", message_id: str | None = "m") -> Delivery:
    """Return what the broker sends first."""
    return Delivery(offset=offset, body=body, message_id=message_id, received_at=0.0)


class ScriptedLog:
    """Answers from a script; `arrivals` come one per question."""

    def __init__(self, *arrivals: Delivery | None, oldest: int | None = None, newest: int | None = None) -> None:
        self.arrivals = list(arrivals)
        self.ends = (oldest, newest)
        self.asked: list[float] = []

    async def arrival(self, patience: float) -> Delivery | None:
        self.asked.append(patience)
        return self.arrivals.pop(0)

    async def oldest(self) -> int | None:
        return self.ends[0]

    async def newest(self) -> int | None:
        return self.ends[1]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (ScriptedLog(delivery(10)), Resumption.WHOLE),
        (ScriptedLog(delivery(10, b"other")), Resumption.RECREATED),
        (ScriptedLog(delivery(10, message_id="other")), Resumption.RECREATED),
        (ScriptedLog(delivery(10, message_id=None)), Resumption.RECREATED),
        (ScriptedLog(delivery(15), oldest=15), Resumption.TRUNCATED),
        (ScriptedLog(delivery(11), oldest=11), Resumption.TRUNCATED),
        (ScriptedLog(delivery(11), oldest=0), Resumption.RECREATED),
        (ScriptedLog(delivery(11), oldest=None), Resumption.TRUNCATED),
        (ScriptedLog(None, newest=None), Resumption.RECREATED),
        (ScriptedLog(None, newest=9), Resumption.RECREATED),
        (ScriptedLog(None, delivery(10), newest=10), Resumption.WHOLE),
        (ScriptedLog(None, None, delivery(15), newest=20, oldest=15), Resumption.TRUNCATED),
    ],
)
async def test_what_comes_first_tells_the_log(log: ScriptedLog, expected: Resumption) -> None:
    """The same message is the same log; silence is not an answer until the end of the log is known."""
    assert expected is await resume(log, POSITION, LOG, silence=5.0, patience=20.0)
    assert {5.0} == set(log.asked)
    assert [] == log.arrivals


async def test_a_subscription_that_gets_nothing_is_given_up() -> None:
    """The log goes on and nothing comes: neither a new log nor something to wait for in for ever."""
    log = ScriptedLog(None, None, None, newest=12)
    with pytest.raises(Stalled, match="goes on to offset 12, and nothing from 10 on came"):
        await resume(log, POSITION, LOG, silence=5.0, patience=15.0)
    assert [] == log.arrivals
