from tests.harness.inside import InsideRelay
from tests.harness.viewer import log, watch


async def test_who_is_watching(relay: InsideRelay) -> None:
    """User, transport and since when; sessions and connection ids are nobody else's business."""
    await relay.publish(log("p", "one"))
    async with watch(relay, "p", session="secret") as viewer, watch(relay, "p", token=relay.token("bob"), legacy=True):
        await viewer.frame()
        await relay.until(lambda: relay.places() == 2)
        status, body = await relay.get(relay.project("p", "/viewers"))
        assert (200, 2) == (status, body["total"])
        assert {"ada", "bob"} == {one["user"] for one in body["viewers"]}
        assert all({"user", "transport", "since"} == one.keys() for one in body["viewers"])
    await relay.until(lambda: relay.places() == 0)
    assert {"viewers": [], "total": 0} == (await relay.get(relay.project("p", "/viewers")))[1]


async def test_one_s_own_connections(relay: InsideRelay) -> None:
    """Those of all projects and of the socket for many, and how many there may be; others' stay out."""
    async with (
        watch(relay, "p", session="secret") as one,
        watch(relay, None) as many,
        watch(relay, "p", token=relay.token("bob")) as other,
    ):
        await one.frame()
        await other.frame()
        await many.says("ping")
        await many.text()
        _, body = await relay.get(relay.api("/connections"))
        assert 5 == body["limit"]
        assert ["p", None] == [held["project_id"] for held in body["connections"]]
        assert one.frames[0]["connection_id"] == body["connections"][0]["connection_id"]
        assert all({"connection_id", "transport", "project_id", "since"} == held.keys() for held in body["connections"])


async def test_another_s_connection_can_t_be_ended(relay: InsideRelay) -> None:
    """It is not found, whether it is there or not."""
    async with watch(relay, "p") as viewer:
        connection_id = (await viewer.frame())["connection_id"]
        for wanted in (connection_id, "no-such-connection", "%2e%2e"):
            address = relay.api(f"/connections/{wanted}")
            async with relay.http.delete(address, headers=relay.bearer("eve")) as answer:
                assert (404, "NOT_FOUND") == (answer.status, (await answer.json())["code"])
        await viewer.says("ping")
        assert "pong" == await viewer.text()
