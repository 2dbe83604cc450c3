from relayd.config import Config
from relayd.doctor.places import places_of, shared_of
from relayd.presence.settings import RedisSettings
from tests.harness.process import free_port
from tests.harness.redis import PrivateRedis


def test_relays_share_what_the_configuration_says() -> None:
    """Counted in memory, nothing is shared, and no library of Redis is needed."""
    assert shared_of(Config()) is None
    settings = RedisSettings()
    assert settings == shared_of(Config(presence_settings=settings))


async def test_a_redis_that_is_well_is_four_lines(redis: PrivateRedis) -> None:
    """It answers, lets us do what we do, keeps what it is given, and has our time."""
    findings = list(await places_of(RedisSettings.model_validate({"url": redis.url})))
    assert ["ok"] * 4 == [one.mark.value for one in findings]


async def test_a_redis_that_is_away_is_one_line() -> None:
    """Nothing is said of what could not be seen, and no password of the address either."""
    url = f"redis://ada:secret@127.0.0.1:{free_port()}/0"
    (finding,) = await places_of(RedisSettings.model_validate({"url": url}))
    assert "bad" == finding.mark
    assert "redis_url" in finding.mend
    assert "secret" not in f"{finding.looked_at} {finding.found}"
