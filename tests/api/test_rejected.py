import base64
from collections.abc import Sequence

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from relayd.api.rejected import Replay, problem, rejected_routes
from relayd.ports import Commit, JournalError, Position, Rejected
from relayd.protocol.cursor import Place
from relayd.testing.journal import FakeJournal
from tests.telemetry.clock import HandClock

BODY = b"\x1b[2J not json \xff"


def rejected(offset: int, **fields: object) -> Rejected:
    """Return an event that was rejected, `fields` being other than usual."""
    usual: dict[str, object] = {
        "cursor": f"c{offset}",
        "place": Place(0, offset),
        "reason": "not_json",
        "detail": "the body is no JSON",
        "headers": {"x-team": "blue", "x-raw": b"\x00"},
        "body": BODY,
        "received_at": 1_700_000_000.0 + offset,
    }
    return Rejected(**(usual | fields))  # type: ignore[arg-type] # the fields are those of the struct


class Replayer:
    """Notes what it was asked to publish; raises `failure` where there is one."""

    def __init__(self) -> None:
        self.published: list[Rejected] = []
        self.failure: Exception | None = None

    async def __call__(self, item: Rejected) -> None:
        if self.failure is not None:
            raise self.failure
        self.published.append(item)


@pytest.fixture
async def journal() -> FakeJournal:
    """A journal that holds nothing yet."""
    journal = FakeJournal()
    await journal.open("log", window=100)
    return journal


@pytest.fixture
def replayer() -> Replayer:
    """A way to publish."""
    return Replayer()


async def keep(journal: FakeJournal, items: Sequence[Rejected]) -> list[int]:
    """Put rejected events into the journal and return their numbers, in order."""
    last = items[-1].place
    await journal.commit(
        Commit(
            position=Position(last.epoch, last.offset, b"f"),
            bodies=(),
            entries={},
            projects=(),
            rejected=items,
            received_at=items[-1].received_at,
        )
    )
    return [number for number, _ in await journal.list_rejected(before=None, limit=1_000)][::-1]


def app(journal: FakeJournal, replay: Replay | None) -> web.Application:
    """Return an application with nothing but these routes."""
    application = web.Application()
    application.add_routes(rejected_routes(journal, HandClock(now=1_800_000_000.0), replay))
    return application


async def test_the_list_shows_the_newest_first(aiohttp_client: AiohttpClient, journal: FakeJournal) -> None:
    """Everything but headers and body, which may be large."""
    numbers = await keep(journal, [rejected(1), rejected(2, truncated=True)])
    client = await aiohttp_client(app(journal, None))
    page = await (await client.get("/rejected")).json()
    assert page == {
        "rejected": [
            {
                "number": numbers[1],
                "cursor": "c2",
                "reason": "not_json",
                "detail": "the body is no JSON",
                "received_at": 1_700_000_002.0,
                "replayed_at": None,
                "bytes": len(BODY),
                "truncated": True,
            },
            page["rejected"][1],
        ],
        "next": None,
    }
    assert page["rejected"][1]["number"] == numbers[0]


async def test_pages_join_without_a_hole(aiohttp_client: AiohttpClient, journal: FakeJournal) -> None:
    """`next` is the `before` of the page that follows, until there is none."""
    numbers = await keep(journal, [rejected(offset) for offset in range(1, 6)])
    client = await aiohttp_client(app(journal, None))
    seen: list[int] = []
    query = {"limit": "2"}
    while True:
        page = await (await client.get("/rejected", params=query)).json()
        seen += [row["number"] for row in page["rejected"]]
        if page["next"] is None:
            break
        query["before"] = str(page["next"])
    assert numbers[::-1] == seen


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=many", "before=-1", f"before={10**30}", "limit=²"])
async def test_a_bad_number_is_named(aiohttp_client: AiohttpClient, journal: FakeJournal, query: str) -> None:
    """With what it may be."""
    client = await aiohttp_client(app(journal, None))
    response = await client.get(f"/rejected?{query}")
    answer = await response.json()
    assert (400, "BAD_REQUEST") == (response.status, answer["code"])
    assert answer["detail"].startswith(f"{query.partition('=')[0]} must be a number from 1 to ")


async def test_one_is_shown_whole(aiohttp_client: AiohttpClient, journal: FakeJournal) -> None:
    """Its bytes are coded, so that no browser or terminal takes them for anything else."""
    (number,) = await keep(journal, [rejected(1)])
    client = await aiohttp_client(app(journal, None))
    response = await client.get(f"/rejected/{number}")
    shown = await response.json()
    assert response.content_type == "application/json"
    assert BODY == base64.b64decode(shown["body_base64"])
    assert shown["headers"]["x-team"] == "blue"
    assert shown["number"] == number


@pytest.mark.parametrize("path", ["/rejected/99", f"/rejected/{2**63}"])
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_one_that_is_not_there_is_404(
    aiohttp_client: AiohttpClient, journal: FakeJournal, replayer: Replayer, path: str, verb: str
) -> None:
    """A number beyond the database's, too."""
    client = await aiohttp_client(app(journal, replayer))
    response = await client.request(verb, path if verb == "GET" else f"{path}/replay")
    assert (404, "NOT_FOUND") == (response.status, (await response.json())["code"])


async def test_a_replay_publishes_the_original_and_notes_it(
    aiohttp_client: AiohttpClient, journal: FakeJournal, replayer: Replayer
) -> None:
    """The bytes that came, once."""
    (number,) = await keep(journal, [rejected(1)])
    client = await aiohttp_client(app(journal, replayer))
    response = await client.post(f"/rejected/{number}/replay")
    assert {"number": number, "replayed_at": 1_800_000_000.0} == await response.json()
    assert [BODY] == [item.body for item in replayer.published]
    assert (await (await client.get(f"/rejected/{number}")).json())["replayed_at"] == 1_800_000_000.0


async def test_a_second_replay_must_be_wanted(
    aiohttp_client: AiohttpClient, journal: FakeJournal, replayer: Replayer
) -> None:
    """A script that runs twice publishes nothing twice."""
    (number,) = await keep(journal, [rejected(1)])
    client = await aiohttp_client(app(journal, replayer))
    await client.post(f"/rejected/{number}/replay")
    response = await client.post(f"/rejected/{number}/replay")
    assert response.status == 409
    assert "again=1" in (await response.json())["detail"]
    assert len(replayer.published) == 1
    assert (await client.post(f"/rejected/{number}/replay?again=1")).status == 200
    assert len(replayer.published) == 2


async def test_half_a_body_is_not_published(
    aiohttp_client: AiohttpClient, journal: FakeJournal, replayer: Replayer
) -> None:
    """It would be another event than the one that was rejected."""
    (number,) = await keep(journal, [rejected(1, truncated=True)])
    client = await aiohttp_client(app(journal, replayer))
    response = await client.post(f"/rejected/{number}/replay?again=1")
    assert (409, []) == (response.status, replayer.published)


async def test_a_relay_that_can_not_publish_says_so(aiohttp_client: AiohttpClient, journal: FakeJournal) -> None:
    """The events can be looked at all the same."""
    (number,) = await keep(journal, [rejected(1)])
    client = await aiohttp_client(app(journal, None))
    assert (await client.post(f"/rejected/{number}/replay")).status == 409
    assert (await client.get(f"/rejected/{number}")).status == 200


@pytest.mark.parametrize("failure", [ConnectionError("no broker"), TimeoutError("slow"), JournalError("full")])
async def test_a_replay_that_fails_is_not_noted(
    aiohttp_client: AiohttpClient, journal: FakeJournal, replayer: Replayer, failure: Exception
) -> None:
    """It can be tried again."""
    (number,) = await keep(journal, [rejected(1)])
    client = await aiohttp_client(app(journal, replayer))
    replayer.failure = failure
    response = await client.post(f"/rejected/{number}/replay")
    assert (503, "5") == (response.status, response.headers["Retry-After"])
    assert (await response.json())["detail"] == f"it was not published again: {failure}"
    replayer.failure = None
    assert (await client.post(f"/rejected/{number}/replay")).status == 200


async def test_a_replay_that_can_not_be_noted_says_so(aiohttp_client: AiohttpClient, journal: FakeJournal) -> None:
    """It was published: whoever repeats it should know."""
    (number,) = await keep(journal, [rejected(1)])

    async def publish_on_a_full_disk(_item: Rejected) -> None:
        journal.failure = JournalError("the disk is full")

    client = await aiohttp_client(app(journal, publish_on_a_full_disk))
    response = await client.post(f"/rejected/{number}/replay")
    assert response.status == 503
    assert (await response.json())["detail"].startswith("it was published again, but")


@pytest.mark.parametrize("path", ["/rejected", "/rejected/1"])
async def test_a_journal_that_fails_is_503(aiohttp_client: AiohttpClient, journal: FakeJournal, path: str) -> None:
    """With its sentence."""
    journal.failure = JournalError("the disk is full")
    client = await aiohttp_client(app(journal, None))
    response = await client.get(path)
    assert (503, "the disk is full") == (response.status, (await response.json())["detail"])


def test_a_problem_has_the_shape_of_all_errors() -> None:
    """Detail, code, and when to come back."""
    response = problem(429, "RATE_LIMITED", "too many", retry_after=7)
    assert response.body == b'{"detail":"too many","code":"RATE_LIMITED"}'
    assert response.headers["Retry-After"] == "7"
