"""The way in: what is read, what is refused, what is shown when, and what the source is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from relayd.core.purges import Purge, Purges
from relayd.core.redaction import Redactor
from relayd.core.spending import Terms
from relayd.dialects.delivery import CANARY_HEADER, Delivery, Item, Reason
from relayd.dialects.delivery import Dialect as AnyDialect
from relayd.dialects.detect import Detector
from relayd.dialects.native import NativeDialect
from relayd.ports import JournalError, Position
from relayd.protocol.cursor import Place, fingerprint
from relayd.protocol.messages import WorkflowLog
from relayd.relay.intake import KEPT_BYTES, SLICE_BODIES, SLICE_BYTES, Intake, slices
from relayd.relay.keeper import BACKLOG
from relayd.testing.journal import FakeJournal
from relayd.testing.sources import FakeSource
from relayd.testing.world import settle
from tests.relay.stage import Relay, SlowJournal, assert_hears, assert_stays

GONE = JournalError("the disk is full")


def body(*texts: str, project_id: str = "p", **fields: str) -> bytes:
    """Return a body with a log line for each text."""
    events = [
        {"type": "workflow_log", "project_id": project_id, "timestamp": 1, "level": "info", "message": text, **fields}
        for text in texts
    ]
    return msgspec.json.encode(events[0] if len(events) == 1 else events)


class Dialect(NativeDialect):
    """Native, with a fault of ours in one place."""

    def feed(self, delivery: Delivery) -> list[Item]:
        if b"poison" in delivery.body:
            raise ZeroDivisionError
        return super().feed(delivery)


class Gathering:
    """Tells what it was given in several bodies as one line, at a place of its own."""

    name = "gathering"

    def __init__(self) -> None:
        self.text = ""

    def feed(self, delivery: Delivery) -> list[Item]:
        self.text += delivery.body.decode()
        line = WorkflowLog(project_id="p", timestamp=1, level="info", message=self.text)
        return [Item(messages=[line], first=7, remembers=True)]


class Reading:
    """A relay that reads a source."""

    def __init__(self, relay: Relay, dialect: AnyDialect | None = None) -> None:
        self.relay = relay
        self.source = relay.source
        self.intake = Intake(relay.engine, Detector([dialect or Dialect()]), relay.keeper, Redactor())
        self.task = asyncio.create_task(self.intake.run(None))

    async def says(self, *bodies: bytes, **properties: object) -> Sequence[Delivery]:
        """Publish bodies and let the relay read them."""
        said = self.source.say(*bodies, **properties)
        await settle()
        return said

    async def again(self, position: Position | None) -> None:
        """Stop reading and begin again behind a position."""
        await self.stop()
        self.task = asyncio.create_task(self.intake.run(position))
        await settle()

    async def stop(self) -> None:
        """Stop reading."""
        self.task.cancel()
        await asyncio.wait({self.task})


@pytest.fixture
async def stream() -> AsyncIterator[Reading]:
    """Give a relay that reads a log which can be read again."""
    relay = await Relay.begin()
    reading = Reading(relay)
    await settle()
    yield reading
    await reading.stop()
    await relay.end()


@pytest.fixture
async def embedded() -> AsyncIterator[Reading]:
    """Give a relay whose journal is the log."""
    relay = await Relay.begin(source=FakeSource(replays=False))
    reading = Reading(relay)
    await settle()
    yield reading
    await reading.stop()
    await relay.end()


def journal_of(reading: Reading) -> FakeJournal:
    """Return the relay's journal."""
    assert reading.relay.journal is not None
    return reading.relay.journal


# -- what is told of it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replays", [True, False])
async def test_a_budget_is_watched_behind_what_uses_it(*, replays: bool) -> None:
    """Whoever is told reads first what was used; whatever the source, and once."""
    relay = await Relay.begin(source=FakeSource(replays=replays))
    reading = Reading(relay)
    relay.engine.spending.terms = Terms(tokens=10)
    viewer = await relay.watches(legacy=True)
    for text in ("one", "two"):
        await reading.says(msgspec.json.encode(msgspec.json.decode(body(text)) | {"usage": {"total_tokens": 10}}))
    assert_hears(viewer, "one", "budget: 10 of 10 tokens are used (100 %)", "two")
    assert ["tokens_80", "tokens_100"] == [reason for reason, _ in relay.observer.of("crossed")]
    await reading.stop()
    await relay.end()


# -- what a log that can be read again does ---------------------------------------------------------------------------


async def test_a_stream_is_shown_before_it_is_written(stream: Reading) -> None:
    """Live service does not wait for a disk; what is acknowledged can be read again."""
    viewer = await stream.relay.watches()
    journal_of(stream).gate = asyncio.Event()
    (said,) = await stream.says(body("a", "b"))
    assert_hears(viewer, "a", "b")
    assert [] == journal_of(stream).commits
    (receipt,) = stream.source.settled
    assert (said, 2, 0, []) == (receipt.delivery, receipt.accepted, receipt.repeated, receipt.rejected)
    assert viewer.messages()[-1]["id"] == receipt.cursor
    nbytes = stream.relay.log.projects["p"].timeline.nbytes
    assert [({"workflow_log": 2}, nbytes)] == stream.relay.observer.of("ingested")
    assert 1 == stream.intake.passes
    journal_of(stream).gate = None


async def test_a_repeat_says_nothing_and_keeps_its_place(stream: Reading) -> None:
    """Recognised by its id, wherever it comes again; the receipt says so."""
    viewer = await stream.relay.watches()
    await stream.says(body("a"), message_id="one")
    await stream.says(body("a"), message_id="one")
    await stream.says(body("b"))
    assert_hears(viewer, "a", "b")
    assert [(1, 0), (0, 1), (1, 0)] == [(told.accepted, told.repeated) for told in stream.source.settled]
    assert [1] == stream.relay.observer.of("repeated")
    assert stream.relay.log.projects["p"].place == Place(0, 2, 0, 0)


async def test_a_canary_takes_a_place_and_nothing_else(stream: Reading) -> None:
    """No frame, no count, no project, and its id is nobody's; the position and the cursors of the idle go on."""
    viewer = await stream.relay.watches()
    await stream.says(body("a"))
    frames = len(viewer.wire.sent)
    await stream.says(b"", headers={CANARY_HEADER: True}, message_id="c-1")
    log, observer = stream.relay.log, stream.relay.observer
    assert (frames, ["p"]) == (len(viewer.wire.sent), [*log.projects])
    told = stream.source.settled[-1]
    assert (0, 0, []) == (told.accepted, told.repeated, told.rejected)
    assert ([1], [], []) == ([len(observer.of("ingested"))], observer.of("repeated"), observer.of("rejected"))
    assert log.end_of(1) == log.head
    assert log.head_cursor() == viewer.subscription.cursor(log)
    await stream.relay.commits()
    (commit,) = journal_of(stream).commits
    assert (1, [0, 1], []) == (
        commit.position.offset,
        [one.offset for one in commit.bodies],
        list(commit.bodies[-1].repeat_keys),
    )
    back = await viewer.returns(after=log.head_cursor())
    await stream.says(body("b"), message_id="c-1")
    assert_hears(back, "b")
    assert ["resume"] == back.openings()


async def test_canaries_of_one_body_are_told_apart(stream: Reading) -> None:
    """By their ids: a log that was made anew with a canary at the same place is another log."""
    first, second = await stream.says(b"", b"", headers={CANARY_HEADER: True})
    marks = stream.relay.log.marks
    assert marks.get(first.offset) == marks.get(second.offset)
    (third,) = await stream.says(b"", headers={CANARY_HEADER: True}, message_id="c-3")
    assert marks.get(first.offset) != marks.get(third.offset)


async def test_a_log_read_from_the_middle_has_a_floor(stream: Reading) -> None:
    """Below the first offset nothing was ever seen."""
    stream.source.skip(7)
    await stream.says(body("a"))
    assert stream.relay.log.floor is not None
    assert Place(0, 7, -1, -1) == stream.relay.log.floor.place
    await stream.relay.commits()
    assert stream.relay.log.floor == journal_of(stream).commits[-1].floor


async def test_intake_waits_for_a_journal_too_far_behind() -> None:
    """Then the acknowledgements of the broker wait, too."""
    relay = await Relay.begin(commit_bytes=10)
    reading = Reading(relay)
    viewer = await relay.watches()
    await reading.says(body("a"))
    await reading.says(body("b"))
    assert_hears(viewer, "a")
    await relay.keeper.flush()
    await settle()
    assert_hears(viewer, "b")
    await reading.stop()
    await relay.end()


async def test_a_slow_journal_holds_the_acks_and_not_the_viewers() -> None:
    """What was taken in is shown and settled, and no more is taken in; memory is bounded, and then it goes on."""
    relay = await Relay.begin(commit_bytes=10_000)
    reading = Reading(relay)
    viewer = await relay.watches()
    journal_of(reading).gate = gate = asyncio.Event()
    writing = asyncio.create_task(relay.keeper.write())
    texts = [f"{number} {'x' * 300}" for number in range(20 * SLICE_BODIES)]
    await reading.says(*[body(text) for text in texts])
    await asyncio.sleep(10)
    taken = len(reading.source.settled)
    most = 2 * BACKLOG * 10_000 + SLICE_BODIES * 500
    assert 0 < taken < len(texts)
    assert relay.log.nbytes < most
    assert texts[:taken] == viewer.news()
    await asyncio.sleep(30)
    assert taken == len(reading.source.settled)
    gate.set()
    await asyncio.sleep(30)
    assert len(texts) == len(reading.source.settled)
    assert texts[taken:] == viewer.news()
    commits = journal_of(reading).commits
    assert list(range(len(texts))) == [one.offset for commit in commits for one in commit.bodies]
    assert "" == relay.trouble.sentence
    await reading.stop()
    writing.cancel()
    await relay.end()


@pytest.mark.parametrize(
    ("said", "commit_bytes", "most"),
    [(body("a"), 1_000, 200), (b"[" + b",".join([b"1"] * 100) + b"]", 10_000, 100)],
    ids=["repeats", "rejected"],
)
async def test_what_says_nothing_is_counted_too(said: bytes, commit_bytes: int, most: int) -> None:
    """A flood of repeats has no bytes to show, and still it waits for the journal; so does what nobody understands."""
    relay = await Relay.begin(commit_bytes=commit_bytes)
    reading = Reading(relay)
    journal_of(reading).gate = asyncio.Event()
    await reading.says(*[said] * 10 * SLICE_BODIES, message_id="one")
    assert most == len(reading.source.settled)
    await reading.stop()
    await relay.end()


async def test_intake_can_be_begun_again_behind_a_position(stream: Reading) -> None:
    """What was read is not read twice."""
    (first, _) = await stream.says(body("a"), body("b"))
    mark = fingerprint(stream.relay.log.identity, None, first.body)
    assert stream.relay.log.marks.get(0) == mark
    await stream.again(Position(0, 1, b""))
    await stream.says(body("c"))
    assert [0, 1, 2] == [told.delivery.offset for told in stream.source.settled]


# -- what nobody is to see --------------------------------------------------------------------------------------------


async def test_a_secret_is_hidden_from_viewers_and_the_journal(stream: Reading) -> None:
    """The event keeps its place and cursor, its neighbours are as they were, and the count says which rule it was."""
    viewer = await stream.relay.watches()
    (said,) = await stream.says(body("password=hunter2", "no secret"))
    assert_hears(viewer, "password=[redacted]", "no secret")
    mark = fingerprint(stream.relay.log.identity, said.message_id, said.body)
    assert mark == stream.relay.log.marks.get(said.offset)
    assert [{"assignment": 1}] == stream.relay.observer.of("redacted")
    await stream.relay.commits()
    kept = await journal_of(stream).read("p", limit=10)
    assert not any(b"hunter2" in entry.payload for entry in kept)
    assert 2 == len(kept)


async def test_a_secret_that_comes_in_pieces_is_hidden() -> None:
    """In no body of them was any; the receipt names the place where what was told stands."""
    relay = await Relay.begin()
    reading = Reading(relay, Gathering())
    viewer = await relay.watches()
    await reading.says(b"AKIAIOSF", b"ODNN7EXAMPLE")
    assert_hears(viewer, "AKIAIOSF", "[redacted]")
    assert [message["id"] for message in viewer.messages()[-2:]] == [told.cursor for told in reading.source.settled]
    await reading.stop()
    await relay.end()


async def test_a_secret_is_hidden_in_what_was_rejected(stream: Reading) -> None:
    """In its bytes, its headers and the sentence that quotes it, also where the cut goes through it."""
    filler = b"x" * (KEPT_BYTES - 10) + b" "
    await stream.says(
        b'{"type":"password=hunter2","project_id":"p"}',
        filler + b"AKIAIOSFODNN7EXAMPLE",
        headers={"authorization": "Bearer 1", "retries": 1},
    )
    quoted, cut = stream.relay.observer.of("rejected")
    assert b'{"type":"password=[redacted]","project_id":"p"}' == quoted.body
    assert "hunter2" not in quoted.detail
    assert {"authorization": "[redacted]", "retries": 1, "dialect": "native"} == quoted.headers
    assert (filler + b"[redacted]")[:KEPT_BYTES] == cut.body


# -- what can't be understood -----------------------------------------------------------------------------------------


async def test_a_poison_event_is_rejected_and_the_next_goes_on(stream: Reading) -> None:
    """It is kept with its bytes and an incident; a fault of ours costs the next event nothing."""
    viewer = await stream.relay.watches()
    await stream.says(b"poison", body("a"), headers={"retries": 1}, message_id="m", exchange="swarm.events")
    assert_hears(viewer, "a")
    (rejected,) = stream.relay.observer.of("rejected")
    assert ("mapping_failed", b"poison", False) == (rejected.reason, rejected.body, rejected.truncated)
    assert "incident-1" in rejected.detail
    assert {"retries": 1, "message_id": "m", "exchange": "swarm.events"} == rejected.headers
    assert Place(0, 0, 0, 0) == rejected.place
    assert [(0, 1), (1, 0)] == [(told.accepted, len(told.rejected)) for told in stream.source.settled]
    await stream.relay.commits()
    assert [rejected] == [kept for _, kept in await journal_of(stream).list_rejected(before=None, limit=10)]


async def test_a_rejected_event_that_was_removed_does_not_come_back(stream: Reading) -> None:
    """When the log is read once more: by itself, or with the project that it names."""
    bad = [msgspec.json.encode({"type": "bird", "project_id": name}) for name in ("p", "q", "r")]
    mark = fingerprint(stream.relay.log.identity, None, bad[0])
    stream.relay.log.purges = Purges(
        [
            Purge(epoch=0, offset=0, item=0, fingerprint=mark, project_id=None),
            Purge(epoch=0, offset=5, item=None, fingerprint=b"", project_id="q"),
        ]
    )
    await stream.says(*bad)
    (rejected,) = stream.relay.observer.of("rejected")
    assert bad[2] == rejected.body
    await stream.relay.commits()
    assert [rejected] == [kept for _, kept in await journal_of(stream).list_rejected(before=None, limit=10)]


async def test_one_bad_event_of_a_body_is_rejected_alone(stream: Reading) -> None:
    """The others keep their places, and so does it."""
    viewer = await stream.relay.watches()
    await stream.says(b"[" + body("a") + b',{"type":"nonsense"},' + body("b") + b"]")
    assert_hears(viewer, "a", "b")
    (rejected,) = stream.relay.observer.of("rejected")
    assert (1, {"dialect": "native"}) == (rejected.place.item, rejected.headers)
    (receipt,) = stream.source.settled
    assert (2, 1) == (receipt.accepted, len(receipt.rejected))


async def test_only_the_beginning_of_a_large_one_is_kept(stream: Reading) -> None:
    """One publisher must not fill the journal."""
    await stream.says(b"x" * (KEPT_BYTES + 1))
    (rejected,) = stream.relay.observer.of("rejected")
    assert (KEPT_BYTES, True) == (len(rejected.body), rejected.truncated)


async def test_a_rejected_event_is_no_repeat(stream: Reading) -> None:
    """With the id of one that was accepted it is still counted once, as rejected."""
    await stream.says(body("a"), message_id="one")
    await stream.says(b"{}", message_id="one")
    receipt = stream.source.settled[-1]
    assert (0, 0, 1) == (receipt.accepted, receipt.repeated, len(receipt.rejected))


async def test_nobody_speaks_for_a_project_of_others(stream: Reading) -> None:
    """The publisher's token says for which it may; the rest of its body is taken."""
    viewer = await stream.relay.watches("q")
    mine = await stream.relay.watches("p")
    await stream.says(
        b"[" + body("mine") + b"," + body("theirs", project_id="q") + b"]", projects=frozenset({"p"}), message_id="m"
    )
    assert_hears(viewer)
    assert_hears(mine, "mine")
    (receipt,) = stream.source.settled
    assert (1, [Reason.FORBIDDEN_PROJECT]) == (receipt.accepted, [item.reason for item in receipt.rejected])
    assert "'q'" in receipt.rejected[0].detail
    assert (True, "native") == (b"theirs" in receipt.rejected[0].raw, receipt.rejected[0].dialect)


# -- a broken log ---------------------------------------------------------------------------------------------------


async def test_a_hole_is_told_to_everybody(stream: Reading) -> None:
    """The floor of all projects rises; viewers get a gap and go on."""
    viewer = await stream.relay.watches()
    await stream.says(body("a"))
    stream.source.break_("truncated")
    stream.source.skip(10)
    await stream.says(body("b"))
    assert ["none", "gap"] == viewer.openings()
    assert "b" == viewer.texts()[-1]
    assert ["truncated"] == stream.relay.observer.of("broke")
    assert stream.relay.log.floor is not None
    assert Place(0, 0) < stream.relay.log.floor.place < Place(0, 11)
    assert_stays(viewer)


async def test_a_log_that_was_made_anew_is_told_to_everybody(stream: Reading) -> None:
    """Its offsets begin again, and so do its ids: what was a repeat is none any more."""
    viewer = await stream.relay.watches()
    await stream.says(body("a"), message_id="one")
    stream.source.break_("recreated")
    await stream.says(body("again"), message_id="one")
    assert ["none", "gap"] == viewer.openings()
    assert "again" == viewer.texts()[-1]
    assert 1 == stream.relay.log.epoch
    late = await stream.relay.watches(after=viewer.cursor)
    assert ["resume"] == late.openings()


async def test_a_hole_before_the_first_event_is_none(stream: Reading) -> None:
    """Nothing was read, so nothing is missing in it; a floor says where reading began."""
    viewer = await stream.relay.watches()
    stream.source.skip(5)
    stream.source.break_("truncated")
    await stream.says(body("a"))
    assert [] == stream.relay.observer.of("broke")
    assert ["none"] == viewer.openings()
    assert_hears(viewer, "a")
    assert stream.relay.log.floor is not None
    assert Place(0, 5, -1, -1) == stream.relay.log.floor.place


async def test_a_hole_at_the_beginning_of_a_new_log_is_one(stream: Reading) -> None:
    """Viewers wait for its first event, and it is gone."""
    viewer = await stream.relay.watches()
    await stream.says(body("a"))
    stream.source.break_("recreated")
    await settle()
    stream.source.break_("truncated")
    stream.source.skip(5)
    await stream.says(body("b"))
    assert ["recreated", "truncated"] == stream.relay.observer.of("broke")
    assert ["none", "gap", "gap"] == viewer.openings()
    assert "b" == viewer.texts()[-1]


# -- what a log that is the journal does ----------------------------------------------------------------------------


async def test_an_embedded_log_is_shown_when_it_is_written(embedded: Reading) -> None:
    """Never show what a crash could unmake."""
    viewer = await embedded.relay.watches()
    journal_of(embedded).gate = gate = asyncio.Event()
    await embedded.says(body("a"))
    assert_hears(viewer)
    assert [] == embedded.source.settled
    assert embedded.relay.log.head is None
    gate.set()
    await settle()
    assert_hears(viewer, "a")
    assert [1] == [told.accepted for told in embedded.source.settled]


async def test_what_can_t_be_written_is_not_shown_and_can_be_said_again(embedded: Reading) -> None:
    """Publishers are told; the same ids are accepted once the disk is back."""
    viewer = await embedded.relay.watches()
    journal_of(embedded).failure = GONE
    (said,) = await embedded.says(body("a"), message_id="one")
    assert [said] == embedded.source.failed
    assert [] == embedded.source.settled
    assert_hears(viewer)
    assert 0 == len(embedded.relay.log.repeats)
    journal_of(embedded).failure = None
    await embedded.says(body("a"), message_id="one")
    assert_hears(viewer, "a")
    assert [(1, 0)] == [(told.accepted, told.repeated) for told in embedded.source.settled]
    assert "" == embedded.relay.trouble.sentence


async def test_a_past_that_can_t_be_read_fails_its_publishers(embedded: Reading) -> None:
    """A shelved project can't go on without it; the next attempt may."""
    await embedded.says(body("a"))
    await embedded.relay.keeper.flush(everything=True)
    embedded.relay.log.pinned.clear()
    embedded.relay.log.unload(projects=0)
    journal_of(embedded).failure = GONE
    (said,) = await embedded.says(body("b"))
    assert [said] == embedded.source.failed
    journal_of(embedded).failure = None
    await embedded.says(body("b"))
    assert 2 == embedded.relay.log.projects["p"].state.counts["workflow_log"]


async def shelved(stream: Reading) -> None:
    """Let a project be in the journal alone."""
    await stream.says(body("a"))
    await stream.relay.keeper.flush(everything=True)
    stream.relay.log.pinned.clear()
    stream.relay.log.unload(projects=0)


async def test_a_past_that_can_t_be_read_does_not_stop_a_stream(stream: Reading) -> None:
    """Everybody goes on live; whoever comes back from before is told a gap, until the past is there again."""
    viewer = await stream.relay.watches("q")
    await shelved(stream)
    journal_of(stream).failure = GONE
    await stream.says(body("b"), body("c", project_id="q"))
    assert_hears(viewer, "c")
    assert [GONE] == stream.relay.observer.of("journal_failed")
    assert not stream.relay.log.loose
    project = stream.relay.log.projects["p"]
    assert (True, 1) == (project.partial, project.state.counts["workflow_log"])
    journal_of(stream).failure = None
    await stream.relay.keeper.flush(everything=True)
    assert ["q"] == [row.project_id for row in journal_of(stream).commits[-1].projects]
    await stream.relay.past.mend()
    assert (False, 2) == (project.partial, project.state.counts["workflow_log"])
    assert ["a", "b"] == (await stream.relay.watches()).texts()


async def test_a_past_that_takes_too_long_does_not_hold_a_stream_for_ever(stream: Reading) -> None:
    """A disk that hangs says nothing at all; after a minute it counts as one that fails, and nobody else waits."""
    viewer = await stream.relay.watches("q")
    await shelved(stream)
    journal = journal_of(stream)
    assert isinstance(journal, SlowJournal)
    journal.hangs = hangs = asyncio.Event()
    await stream.says(body("b"), body("c", project_id="q"))
    await asyncio.sleep(59)
    assert_hears(viewer)
    await asyncio.sleep(2)
    assert_hears(viewer, "c")
    assert "a project was not read within 60 s" in str(stream.relay.observer.of("journal_failed")[0])
    await stream.says(body("d", project_id="q"))
    assert_hears(viewer, "d")
    hangs.set()


async def test_a_shelved_project_goes_on_from_its_past(stream: Reading) -> None:
    """It is brought to memory before its events are recorded, and stays there meanwhile."""
    await stream.says(body("a"))
    await stream.relay.keeper.flush(everything=True)
    stream.relay.log.pinned.clear()
    stream.relay.log.unload(projects=0)
    assert {} == stream.relay.log.projects
    await stream.says(body("b"))
    assert {"p"} == stream.relay.log.pinned
    assert 2 == stream.relay.log.projects["p"].state.counts["workflow_log"]


# -- turns ----------------------------------------------------------------------------------------------------------


async def test_the_loop_gets_turns_within_a_large_batch(stream: Reading) -> None:
    """Viewers are served between its parts."""
    turns: list[int] = []

    async def count() -> None:
        while True:
            turns.append(len(stream.source.settled))
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await stream.says(*[body(str(number)) for number in range(4 * SLICE_BODIES)])
    counting.cancel()
    assert {0, 100, 200, 300, 400} == set(turns)


def test_a_part_is_bounded_by_number_and_by_bytes() -> None:
    """The body that goes beyond is the last of its part."""
    small = [Delivery(offset=number, body=b"x", received_at=0) for number in range(SLICE_BODIES + 1)]
    assert [100, 1] == [len(part) for part in slices(small)]
    large = Delivery(offset=0, body=b"x" * SLICE_BYTES, received_at=0)
    assert [[large], [large], small[:1]] == list(slices([large, large, small[0]]))
    assert [] == list(slices([]))
