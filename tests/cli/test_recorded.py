import asyncio
import json
from pathlib import Path

import pytest

from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.outlet import Outlet, Parcel, Receipt, Unsure
from relayd.cli.recorded import MOST_BYTES, MOST_EVENTS, Sender, looked_through
from relayd.protocol.messages import WorkflowLog


class Way:
    """A way to publish that holds bodies back until it is told to let them go."""

    def __init__(self, *, open_: bool = True, receipt: Receipt | None = None) -> None:
        self.parcels: list[Parcel] = []
        self.arrived = asyncio.Event()
        self.open = asyncio.Event()
        if open_:
            self.open.set()
        self.receipt = receipt or Receipt("there")

    async def post(self, parcel: Parcel) -> Receipt:
        self.parcels.append(parcel)
        self.arrived.set()
        await self.open.wait()
        return self.receipt

    async def close(self) -> None:
        """Have nothing to let go of."""


def line(number: int, *, size: int = 1) -> WorkflowLog:
    """Return an event as it is published."""
    return WorkflowLog(project_id="p", timestamp=1.0, level="info", message="m" * size, message_id=f"i-{number}")


async def test_events_leave_together_in_their_order() -> None:
    """Under the id of the first, for each has its own; what was confirmed is known by its place."""
    way = Way(receipt=Receipt("there", ["no such type"], 1))
    sender = Sender(Outlet(way))
    for number in range(3):
        await sender.add(line(number), cursor=f"c{number}")
    assert (True, 0, "") == (sender.waiting, sender.confirmed, sender.cursor)
    await sender.flush()
    await sender.flush()
    (parcel,) = way.parcels
    assert ("p", "workflow_log", "i-0") == (parcel.project_id, parcel.type, parcel.message_id)
    assert ["i-0", "i-1", "i-2"] == [event["message_id"] for event in json.loads(parcel.body)]
    assert (False, 3, "c2", 1) == (sender.waiting, sender.confirmed, sender.cursor, sender.repeated)
    with pytest.raises(CommandFailed, match="could not understand 1 of the events: no such type"):
        sender.judge()


async def test_a_body_is_bounded() -> None:
    """By number and by bytes; one event that is larger travels alone."""
    way = Way()
    sender = Sender(Outlet(way))
    for number in range(MOST_EVENTS + 1):
        await sender.add(line(number), cursor="c")
    for number in range(3):
        await sender.add(line(number, size=MOST_BYTES // 2), cursor="c")
    await sender.add(line(0, size=MOST_BYTES * 2), cursor="c")
    await sender.flush()
    assert [MOST_EVENTS, 2, 1, 1, 1] == [len(json.loads(parcel.body)) for parcel in way.parcels]
    assert MOST_EVENTS + 5 == sender.confirmed
    sender.judge()


async def test_what_is_on_its_way_is_waited_for() -> None:
    """Whoever interrupts learns how far it came, to the event."""
    way = Way(open_=False)
    sender = Sender(Outlet(way))
    await sender.add(line(0), cursor="c0")
    sending = asyncio.create_task(sender.flush())
    await way.arrived.wait()
    sending.cancel()
    await asyncio.sleep(0)
    assert (0, "", 1) == (sender.confirmed, sender.cursor, sender.unsure)
    way.open.set()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert (1, "c0", 0) == (sender.confirmed, sender.cursor, sender.unsure)


async def test_what_never_arrives_is_not_waited_for_for_ever() -> None:
    """Then nobody knows, and that is known."""
    way = Way(open_=False)
    sender = Sender(Outlet(way), farewell=0.01)
    await sender.add(line(0), cursor="c0")
    sending = asyncio.create_task(sender.flush())
    await way.arrived.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert (0, "", 1) == (sender.confirmed, sender.cursor, sender.unsure)


class Closed(Way):
    """A way that leads nowhere."""

    async def post(self, parcel: Parcel) -> Receipt:
        raise Unsure("nobody is there")


async def test_what_could_not_be_sent_is_an_error() -> None:
    """Nothing of it is called confirmed."""
    sender = Sender(Outlet(Closed()))
    await sender.add(line(0), cursor="c0")
    with pytest.raises(CommandFailed, match="nobody is there"):
        await sender.flush()
    assert (0, "", 1) == (sender.confirmed, sender.cursor, sender.unsure)


def test_what_is_no_recording_has_a_status(tmp_path: Path) -> None:
    """A file that is damaged is another thing than one that there is not."""
    (tmp_path / "r").write_bytes(b"no")
    with pytest.raises(CommandFailed, match="line 1") as damaged:
        looked_through(tmp_path / "r")
    with pytest.raises(CommandFailed, match="No such file") as missing:
        looked_through(tmp_path / "none")
    assert (Exit.DATA, Exit.USAGE) == (damaged.value.status, missing.value.status)
