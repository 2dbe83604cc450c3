import pytest
from pydantic import ValidationError

from relayd.presence.settings import RedisSettings


def settings(url: str) -> RedisSettings:
    """Return settings with that URL."""
    return RedisSettings.model_validate({"url": url})


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache.example", "cache.example:6379"),
        ("redis://ada:secret@cache.example:7000/3", "cache.example:7000"),
        ("rediss://:secret@10.0.0.7/0?ssl_ca_certs=/etc/ssl/ca.pem", "10.0.0.7:6379"),
        ("redis://[::1]:7000/", "::1:7000"),
        ("redis://cache.example?db=4", "cache.example:6379"),
        ("unix:///run/redis/redis.sock", "/run/redis/redis.sock"),
        ("unix://ada:secret@/run/redis/redis.sock?db=2", "/run/redis/redis.sock"),
    ],
)
def test_where_it_is_is_told_without_the_password(url: str, address: str) -> None:
    """It stands in sentences for operators."""
    assert address == settings(url).address
    assert "secret" not in repr(settings(url))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://secret.example/", "is no URL of a Redis"),
        ("redis://", "is no URL of a Redis"),
        ("unix://secret.example", "is no URL of a Redis"),
        ("secret.example:6379", "is no URL of a Redis"),
        ("redis://secret.example:0/", "is no URL of a Redis"),
        ("redis://secret.example:99999/", "is no URL: write"),
        ("redis://secret.example:port/", "is no URL: write"),
        ("redis://[secret/", "is no URL: write"),
        ("redis://secret.example/one", "names no number of a database"),
        ("redis://secret.example/?db=-1", "names no number of a database"),
        ("redis://secret.example/?db", "is no URL: write"),
        ("redis://secret.example/?socket_timeout=60", "only db and ssl_… may stand behind the ?"),
        ("redis://secret.example/?protocol=3", "only db and ssl_… may stand behind the ?"),
    ],
)
def test_a_url_that_leads_nowhere(url: str, said: str) -> None:
    """The sentence tells the mend and repeats nothing, for the URL may hold a password."""
    with pytest.raises(ValidationError) as caught:
        settings(url)
    (error,) = caught.value.errors(include_input=False)
    assert said in error["msg"]
    assert "secret" not in error["msg"]
