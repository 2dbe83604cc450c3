import pytest
from pydantic import ValidationError

from relayd.rabbitmq.settings import RabbitSettings, virtual_host


def test_the_defaults_are_valid() -> None:
    """An empty table is a configuration."""
    settings = RabbitSettings()
    assert ("/", "127.0.0.1:5672", 3_600) == (settings.vhost, settings.address, settings.warm_up_seconds)
    assert {
        "x-queue-type": "stream",
        "x-max-age": "7D",
        "x-max-length-bytes": 10_000_000_000,
        "x-stream-max-segment-size-bytes": 50_000_000,
    } == settings.queue_arguments


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"max_age": "nonsense"}, "'nonsense' is no interval"),
        ({"max_age": "1.5h"}, "is no interval"),
        ({"warm_up": "0h"}, "as in 1h or 7D"),
        ({"warm_up": "5"}, "a number and one of Y M D h m s"),
        ({"url": "http://localhost/"}, "is no AMQP URL"),
        ({"url": "amqp://user:hunter2@host:port/"}, "is no URL"),
        ({"ack_every": 3_000}, "ack_every: 3000 is over prefetch"),
        ({"segment_bytes": 2_000_000, "max_length_bytes": 1_000_000}, "segment_bytes: is over max_length_bytes"),
        ({"prefetch": 0}, "greater than or equal to 1"),
        ({"quue": "x"}, "Extra inputs"),
        ({"bindings": [{"exchange": "swarm.events"}]}, "bindings: swarm.events is `exchange` already"),
        ({"bindings": [{"exchange": "x", "type": "direct"}]}, "compares it word for word, so # matches nothing"),
        (
            {"bindings": [{"exchange": "x", "dialect": "celery"}, {"exchange": "x", "routing_key": "a"}]},
            "bindings: x has dialect 'celery' and ''",
        ),
        (
            {"bindings": [{"exchange": "x"}, {"exchange": "x", "type": "fanout"}]},
            "bindings: x has type 'topic' and 'fanout'",
        ),
        ({"bindings": [{"exchange": ""}]}, "at least 1 character"),
        ({"bindings": [{"exchange": "x", "type": "x-random"}]}, "Input should be 'topic', 'fanout', 'direct' or"),
    ],
)
def test_what_the_broker_would_choke_on_is_refused(table: dict[str, object], sentence: str) -> None:
    """The broker closes the connection at a bad interval; here it is a sentence."""
    with pytest.raises(ValidationError, match=sentence):
        RabbitSettings.model_validate(table)


def test_the_password_is_not_shown() -> None:
    """Neither in what is printed of the settings nor in the address."""
    settings = RabbitSettings.model_validate({"url": "amqps://me:hunter2@broker.example/a%2Fb"})
    assert "hunter2" not in f"{settings!r} {settings} {settings.address}"
    assert ("broker.example:5671", "a/b") == (settings.address, settings.vhost)


@pytest.mark.parametrize(
    ("url", "vhost"),
    [("amqp://h", "/"), ("amqp://h/", "/"), ("amqp://h/%2F", "/"), ("amqp://h/v?heartbeat=5", "v")],
)
def test_the_virtual_host_is_read_as_the_broker_reads_it(url: str, vhost: str) -> None:
    """It is a part of the log's identity: two spellings of one host are one log."""
    assert vhost == virtual_host(url)


def test_another_broker_takes_the_same_settings() -> None:
    """The command line may be pointed elsewhere."""
    assert "other:1" == RabbitSettings().at("amqp://other:1/").address


def test_a_further_exchange_has_one_dialect_and_any_number_of_keys() -> None:
    """One that names no dialect has none of its own."""
    settings = RabbitSettings.model_validate(
        {
            "bindings": [
                {"exchange": "celeryev", "routing_key": "task.#", "dialect": "celery"},
                {"exchange": "celeryev", "routing_key": "worker.#", "dialect": "celery"},
                {"exchange": "bus"},
            ]
        }
    )
    assert {"celeryev": "celery"} == settings.spoken
    assert ["celeryev", "bus"] == list(settings.bound)
