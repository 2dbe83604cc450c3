from tests.harness.inside import InsideRelay
from tests.harness.viewer import log


async def test_a_refusal_says_what_to_do(relay: InsideRelay) -> None:
    """A sentence for people, a code for programs, and nothing that tells which check of a token failed."""
    for token in ("", "nonsense", relay.token(ttl=-60), relay.token(secret="another-secret-of-32-bytes-or-more")):
        async with relay.http.get(relay.project("p", "/events", token=token)) as answer:
            assert (401, "Bearer") == (answer.status, answer.headers["WWW-Authenticate"])
            body = await answer.json()
        assert {"detail": "the token is missing, expired or not valid; log in again", "code": "AUTH_FAILED"} == body


async def test_who_may_come_again_is_told_when(relay: InsideRelay) -> None:
    """Where waiting helps; where it does not, there is no such header."""
    relay.rooms.admission.draining = True
    async with relay.http.get(relay.project("p", "/events"), headers=relay.bearer()) as answer:
        assert (503, "1") == (answer.status, answer.headers["Retry-After"])
    relay.rooms.admission.draining = False
    async with relay.http.get(relay.project("p", "/events", tail="x"), headers=relay.bearer()) as answer:
        assert (400, False) == (answer.status, "Retry-After" in answer.headers)


async def test_a_path_that_is_none_is_told_in_the_same_shape(relay: InsideRelay) -> None:
    """A client reads one kind of error."""
    status, body = await relay.get(f"{relay.url}/v1/public/nothing")
    assert (404, "NOT_FOUND") == (status, body["code"])
    async with relay.http.post(relay.project("p", "/events"), headers=relay.bearer()) as answer:
        assert (405, "GET") == (answer.status, answer.headers["Allow"])
        assert "use GET here, not POST" == (await answer.json())["detail"]


async def test_a_journal_that_can_t_be_read_is_no_fault_of_the_viewer(relay: InsideRelay) -> None:
    """503 and a time to come again, on every way in; nobody is told that the project does not exist."""
    await relay.publish(log("p", "one"))
    assert relay.rooms.journal is not None
    relay.rooms.engine.log.projects.clear()
    relay.rooms.engine.log.shelved.add("p")
    await relay.rooms.journal.close()
    for what in ("/events", "/stream", "/logs", ""):
        async with relay.http.get(relay.project("p", what), headers=relay.bearer()) as answer:
            assert (503, "5") == (answer.status, answer.headers["Retry-After"]), what
            assert "the relay can't read its journal; try again" == (await answer.json())["detail"]
    assert 0 == relay.places()
