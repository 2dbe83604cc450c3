"""Errors, foreign pages and echoes, as a relay has them and as a bad proxy does."""

import pytest
from multidict import CIMultiDict

from relayd.client.visitor import Answer
from relayd.conformance.errors import echoes, errors, pages, shape_mistakes, store_mistakes
from relayd.conformance.greetings import greetings
from relayd.conformance.round import check
from tests.conformance.held import broken, held, meddled, scene_at
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Meddler, Spoilt

PAGE = "https://app.example"


class Decorates(Spoilt):
    """Errors become pages."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        return status, b"<h1>Sorry</h1>" if status >= 400 else body


class Keeps(Spoilt):
    """A cache answers."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        headers.pop("Cache-Control", None)
        headers["Age"] = "3"
        return status, body


class Heads(Spoilt):
    """A refusal of HEAD becomes a good answer."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        return 200 if status == 405 and not body else status, body


class Echoes(Spoilt):
    """It tells everybody what it was asked."""

    def __init__(self) -> None:
        self.said = ""

    def asked(self, path: str, query: dict[str, str], headers: CIMultiDict[str]) -> None:
        self.said = headers.get("Authorization", "") + headers.get("Sec-WebSocket-Protocol", "")

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        headers["X-Asked"] = self.said
        return status, body


class Forbids(Spoilt):
    """A page may not show a token."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        headers.pop("Access-Control-Allow-Headers", None)
        return status, body


class Closes(Spoilt):
    """Which pages may read an answer is lost."""

    def answered(self, status: int, headers: CIMultiDict[str], body: bytes) -> tuple[int, bytes]:
        headers.pop("Access-Control-Allow-Origin", None)
        return status, body


@pytest.mark.parametrize(
    ("spoilt", "named"),
    [
        (
            Decorates(),
            {
                "section 4, 404 for what is not there",
                "section 4, 405 for another method",
                "section 4, 426 for a WebSocket's path without one",
            },
        ),
        (Keeps(), {"section 4, no answer is kept"}),
        (Heads(), {"section 4, 405 for HEAD"}),
        (Echoes(), {"section 4, no token comes back"}),
    ],
    ids=lambda value: type(value).__name__.lower() if isinstance(value, Spoilt) else "",
)
async def test_a_breach_is_named(daemon: PrivateRelay, spoilt: Spoilt, named: set[str]) -> None:
    """And nothing else is; where a token came back is told."""
    found = broken(await meddled(daemon, spoilt, errors, greetings, echoes))
    assert named == found.keys()
    if isinstance(spoilt, Echoes):
        assert found["section 4, no token comes back"].startswith("HEAD /v1/") or "GET /v1/" in " ".join(found.values())


async def test_a_page_that_may_ask_may_read(daemon: PrivateRelay) -> None:
    """Where `server.origins` lists it; elsewhere, and behind what takes the header away, that is named."""
    page = "section 4, the page of --origin"
    with PrivateRelay({"server": {"origins": [PAGE]}}) as relay:
        assert {} == broken(await check(await scene_at(relay, origin=PAGE), pages))
        async with Meddler(relay.url, Closes()) as meddler:
            lost = broken(await check(await scene_at(relay, meddler.base, origin=PAGE), pages))
        async with Meddler(relay.url, Forbids()) as meddler:
            mute = broken(await check(await scene_at(relay, meddler.base, origin=PAGE), pages))
    unlisted = broken(await check(await scene_at(daemon, origin=PAGE), pages))
    assert {page: "the preflight names no origin; the answer names no origin"} == lost
    assert {page: "the preflight does not allow `Authorization`"} == mute
    assert "the preflight was answered 403" in unlisted[page]


async def test_a_relay_answers_in_the_one_shape(daemon: PrivateRelay) -> None:
    """And no token comes back; a page is only asked for when it is named."""
    findings = await held(daemon, errors, echoes, pages)
    assert [*["ok"] * 6, "skip"] == [one.mark.value for one in findings]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"detail":"x"}', b'{"detail":"","code":"NOT_FOUND"}', b'{"code":"NOT_FOUND"}']
)
def test_the_shape_of_an_error_is_a_sentence_and_a_code(body: bytes) -> None:
    """Anything else is told with its size and kind."""
    (found,) = shape_mistakes(Answer(404, {"content-type": "text/html"}, body, 0.0), "NOT_FOUND")
    assert f"{len(body)} bytes of text/html" in found


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"cache-control": "no-store"}, []),
        ({}, ["Cache-Control is missing"]),
        ({"cache-control": "max-age=60"}, ["Cache-Control is max-age=60"]),
        ({"cache-control": "no-store", "age": "3"}, ["it comes out of a cache (Age)"]),
    ],
)
def test_what_may_be_kept_is_named(headers: dict[str, str], words: list[str]) -> None:
    """And what was."""
    assert words == store_mistakes(Answer(200, headers, b"", 0.0))
