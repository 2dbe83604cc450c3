"""One healthy relay with everything around it; each test breaks one thing and mends it."""

from collections.abc import Iterator

import pytest

from tests.doctor.patient import Patient
from tests.harness.daemon import PrivateRelay
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.redis import PrivateRedis
from tests.harness.settled import Tables


@pytest.fixture(scope="session")
def patient(rabbitmq: PrivateRabbit, redis: PrivateRedis) -> Iterator[Patient]:
    """A relay with a stream, a journal and a Redis, whose canaries come back."""
    url = rabbitmq.vhost("doctor")
    tables: Tables = {
        "presence": {"use": "redis"},
        "presence.redis": {"url": redis.url, "prefix": "doctor:"},
        "sources.rabbitmq": {"canary_seconds": 0.5, "stalled_seconds": 2},
    }
    with PrivateRelay(tables, rabbitmq=url) as relay:
        relay.wait_for_metric("relayd_canary_roundtrip_seconds_count", 1)
        yield Patient(relay)
