"""The whole authorizer against a real API."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from relayd.core.access import Decision, ProjectFacts, Question, Viewer
from relayd.identity.callout import HttpAuthorizer
from relayd.identity.circuit import Circuit
from relayd.identity.settings import HttpSettings
from relayd.ports import Authorizer, Closing, Reporting, Troubled
from relayd.testing.authorizer_contract import AuthorizerContract
from relayd.testing.world import RecordingObserver
from tests.harness.follower import until, until_true
from tests.harness.product import ProductApi

ADA = Viewer(user="ada", expires_at=1e12)
YES, NO, UNKNOWN = Decision.GRANTED, Decision.DENIED, Decision.UNKNOWN


def may(project_id: str = "p", token: str = "ada", *, anew: bool = False) -> Question:
    """Return whether the bearer of a token may see a project."""
    return Question(viewer=ADA, project=ProjectFacts(project_id=project_id, known=False), token=token, anew=anew)


@asynccontextmanager
async def asking(api: ProductApi, **settings: Any) -> AsyncGenerator[tuple[HttpAuthorizer, RecordingObserver]]:  # noqa: ANN401  # fields of the settings
    """Give an authorizer, and who is told of it."""
    authorizer = HttpAuthorizer(HttpSettings.model_validate({"url": api.url, **settings}))
    observer = RecordingObserver()
    authorizer.report_to(observer)
    try:
        yield authorizer, observer
    finally:
        await authorizer.close()


def outcomes(observer: RecordingObserver) -> list[str]:
    """Return what came of each question that was told."""
    return [str(outcome) for outcome, _ in observer.of("rights_asked")]


class TestHttp(AuthorizerContract):
    @pytest.fixture
    async def authorizer(self) -> AsyncGenerator[HttpAuthorizer]:
        """Give one whose API grants one thing."""
        async with ProductApi() as api, asking(api) as (authorizer, _):
            api.status = 404
            api.decisions["ada", "p"] = 200
            yield authorizer

    @pytest.fixture
    def granted(self) -> Question:
        return may()

    @pytest.fixture
    def denied(self) -> Question:
        return may("q")


async def test_it_is_what_a_relay_asks() -> None:
    """By its name in `auth.authorizers`; it is told whom to report to, and when nobody asks any more."""
    async with ProductApi() as api, asking(api) as (authorizer, _):
        port: Authorizer = authorizer
        assert "http" == port.name
        assert isinstance(authorizer, Reporting)
        assert isinstance(authorizer, Closing)
        assert isinstance(authorizer, Troubled)
        assert HttpSettings is HttpAuthorizer.Settings


async def test_a_yes_and_a_no_are_kept() -> None:
    """For the same token and project; another of either is another question."""
    async with ProductApi() as api, asking(api) as (authorizer, observer):
        api.decisions["q"] = 403
        for _ in range(3):
            assert YES is await authorizer.decide(may("p"))
            assert NO is await authorizer.decide(may("q"))
        assert YES is await authorizer.decide(may("p", "eve"))
        assert [("p", "ada"), ("q", "ada"), ("p", "eve")] == [(asked.project_id, asked.token) for asked in api.asked]
        assert ["granted", "denied", "granted"] == outcomes(observer)
        assert all(seconds > 0 for _, seconds in observer.of("rights_asked"))


async def test_who_is_in_is_asked_for_anew() -> None:
    """What was kept is no answer then; what comes of it is kept for those who come."""
    async with ProductApi() as api, asking(api) as (authorizer, _):
        assert YES is await authorizer.decide(may())
        api.decisions["p"] = 403
        assert YES is await authorizer.decide(may())
        assert NO is await authorizer.decide(may(anew=True))
        assert NO is await authorizer.decide(may())
        assert 2 == len(api.asked)


async def test_what_is_too_old_is_asked_for_again() -> None:
    """As the settings say, yes and no each."""
    async with ProductApi() as api, asking(api, granted_seconds=0, denied_seconds=3_600) as (authorizer, _):
        for _ in range(3):
            assert YES is await authorizer.decide(may())
        api.status = 404
        for _ in range(3):
            assert NO is await authorizer.decide(may())
        assert 4 == len(api.asked)


async def test_a_hundred_who_ask_the_same_are_one_question() -> None:
    """They wait for one answer; who gives up meanwhile takes it from nobody."""
    async with ProductApi() as api, asking(api) as (authorizer, observer):
        api.hang()
        many = [asyncio.ensure_future(authorizer.decide(may(anew=bool(number % 2)))) for number in range(100)]
        await until(lambda: api.under_way == 1)
        many[0].cancel()
        api.go_on()
        answers = await asyncio.gather(*many, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert [YES] * 99 == answers[1:]
        assert (1, ["granted"]) == (len(api.asked), outcomes(observer))
        assert YES is await authorizer.decide(may())
        assert 1 == len(api.asked)


async def test_a_few_are_asked_at_a_time() -> None:
    """The others wait for a turn; who has none in time is not told no, and it says nothing of the API."""
    async with ProductApi() as api, asking(api, at_once=3, timeout_seconds=30) as (authorizer, _):
        api.hang()
        many = [asyncio.ensure_future(authorizer.decide(may(f"p{number}"))) for number in range(20)]
        await until(lambda: api.under_way == 3)
        api.go_on()
        assert [YES] * 20 == await asyncio.gather(*many)
        assert 3 == api.most_at_once
    async with ProductApi() as api, asking(api, at_once=1, timeout_seconds=0.2) as (authorizer, observer):
        api.hang()
        many = [asyncio.ensure_future(authorizer.decide(may(f"p{number}"))) for number in range(20)]
        assert [UNKNOWN] * 20 == await asyncio.gather(*many)
        # Not how many of each: the slot of the first is free just when the patience of the others ends.
        assert {"timeout", "busy"} == set(outcomes(observer))
        api.go_on()
        assert YES is await authorizer.decide(may())


@pytest.mark.parametrize(
    ("status", "body", "outcome", "detail"),
    [
        (500, b"", "unreadable", "it answers 500"),
        (302, b"", "unreadable", "it answers 302, and redirects are not followed: give the address they lead to"),
        (200, b"x" * 70_000, "unreadable", "it answers more than 64 KiB"),
    ],
)
async def test_what_is_no_answer_is_told_once(status: int, body: bytes, outcome: str, detail: str) -> None:
    """Neither kept nor taken for one; its reason stands in one line, however many ask."""
    async with ProductApi() as api, asking(api) as (authorizer, observer):
        api.status, api.body = status, body
        for _ in range(3):
            assert UNKNOWN is await authorizer.decide(may())
        assert [outcome] * 3 == outcomes(observer)
        assert [("rights_unanswered", {"level": "warning", "detail": detail, "host": "127.0.0.1"})] == observer.of(
            "noticed"
        )


async def test_an_answer_has_a_longest_time() -> None:
    """Whoever is slow has none."""
    async with ProductApi() as api, asking(api, timeout_seconds=0.1) as (authorizer, observer):
        api.hang()
        assert UNKNOWN is await authorizer.decide(may())
        assert ["timeout"] == outcomes(observer)
        assert "no answer within 0.1 s" == observer.of("noticed")[0][1]["detail"]
        await until(lambda: api.under_way == 0)


async def test_who_is_down_is_left_in_peace() -> None:
    """After some failures in a row one question a pause is sent; when one is answered all are, and that is told."""
    async with ProductApi() as api, asking(api) as (authorizer, observer):
        api.status = 503
        for number in range(100):
            assert UNKNOWN is await authorizer.decide(may(f"p{number}"))
        assert Circuit.FAILURES == len(api.asked)
        assert Circuit.FAILURES == outcomes(observer).count("unreadable")
        assert 100 - Circuit.FAILURES == outcomes(observer).count("resting")
        assert authorizer.trouble.startswith("127.0.0.1 gave no answer when it was asked last (it answers 503);")
        api.status = 200

        async def answered() -> bool:
            return await authorizer.decide(may()) is YES

        await until_true(answered)
        assert Circuit.FAILURES + 1 == len(api.asked)
        assert "" == authorizer.trouble
        assert YES is await authorizer.decide(may("another"))
        assert ["rights_unanswered", "rights_answered"] == [event for event, _ in observer.of("noticed")]
        api.status = 503
        assert UNKNOWN is await authorizer.decide(may("p2"))
        assert "rights_unanswered" == observer.of("noticed")[-1][0]


async def test_one_project_s_fault_closes_no_way() -> None:
    """Where others are answered in between, however often."""
    async with ProductApi() as api, asking(api, granted_seconds=0) as (authorizer, observer):
        api.decisions["bad"] = 500
        for _ in range(2 * Circuit.FAILURES):
            assert UNKNOWN is await authorizer.decide(may("bad"))
            assert YES is await authorizer.decide(may("good"))
        assert "resting" not in outcomes(observer)


async def test_nobody_is_asked_in_nobody_s_name() -> None:
    """Who has shown no token is told no: coming again would not help."""
    async with ProductApi() as api, asking(api) as (authorizer, _):
        assert NO is await authorizer.decide(may(token=""))
        assert [] == api.asked


async def test_it_ends_without_leaving_anything() -> None:
    """What is under way ends without an answer; what comes later has none."""
    async with ProductApi() as api, asking(api) as (authorizer, _):
        api.hang()
        waiting = asyncio.ensure_future(authorizer.decide(may()))
        await until(lambda: api.under_way == 1)
        await authorizer.close()
        assert UNKNOWN is await waiting
        assert UNKNOWN is await authorizer.decide(may())
        assert 1 == len(api.asked)


async def test_it_works_with_nobody_to_report_to() -> None:
    """As any plug-in of its kind."""
    async with ProductApi() as api:
        authorizer = HttpAuthorizer(HttpSettings(url=api.url))
        assert YES is await authorizer.decide(may())
        api.status = 500
        assert UNKNOWN is await authorizer.decide(may("q"))
        await authorizer.close()


def test_no_token_is_kept_or_printed(tmp_path: Path) -> None:
    """Answers are kept by its digest."""

    async def ask() -> str:
        async with ProductApi() as api, asking(api) as (authorizer, observer):
            await authorizer.decide(may(token="eyJ-a-secret"))
            return f"{vars(authorizer)} {authorizer._answers._kept} {observer.told}"

    assert "eyJ-a-secret" not in asyncio.run(ask())
